/* What an issuer is asked over HTTPS, waiting: for threads. */
#ifndef AUTH_BEARER_FETCH_H
#define AUTH_BEARER_FETCH_H

#include "auth/bearer/client.h"
#include "auth/bearer/keys.h"
#include "net/https.h"

#define BEARER_REQUESTS 2 /* that one call makes at most, each as long as the section's timeout */

/* What it says of itself, an object of the right issuer, the caller's. STATUS_UNAVAILABLE, as below. */
MUST_USE enum status bearer_fetch_metadata(const struct bearer_client *client, json_t **out_document,
					   char out_reason[HTTPS_REASON_SIZE]);
/* Its keys. STATUS_UNAVAILABLE: there are none to be had; out_reason is for the log. */
MUST_USE enum status bearer_fetch_keys(const struct bearer_client *client, struct bearer_keys **out_keys,
				       char out_reason[HTTPS_REASON_SIZE]);
/* What its introspection_url says of a token, an object, the caller's. STATUS_UNAVAILABLE, as above. */
MUST_USE enum status bearer_fetch_claims(const struct bearer_client *client, struct span token, json_t **out_claims,
					 char out_reason[HTTPS_REASON_SIZE]);

#endif
