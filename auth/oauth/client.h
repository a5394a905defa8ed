/*
 * One oauth section with its secrets, as threads use it: made at start,
 * constant after.
 */
#ifndef AUTH_OAUTH_CLIENT_H
#define AUTH_OAUTH_CLIENT_H

#include "auth/oauth/provider.h"
#include "auth/oauth/service_account.h"
#include "auth/oauth/token_file.h"
#include "role/role.h"

struct oauth_client {
	const struct config_oauth *config;
	struct oauth_provider provider;
	struct secret secret;              /* of the application; may be empty */
	struct secret refresh_token;       /* of refresh_token_file; may be empty */
	char origin[HASH_SHA256_HEX_SIZE]; /* digest of refresh_token, or "" */
	struct secret ca;
	struct service_account account;
	int state_fd; /* of the token file; -1: grants without refresh token have none */
};

/* Takes the section's descriptors. Logs what is wrong. */
MUST_USE enum status oauth_client_open(const struct role_context *role, const struct config_oauth *config,
				       struct oauth_client *out_client);
void oauth_client_close(struct oauth_client *client);
/* From now on jansson wipes what it frees. Before the first thread. */
void oauth_client_wipe_json(void);

#endif
