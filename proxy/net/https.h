/*
 * One request over HTTPS, waiting: for threads, never for the loop.
 * TLS 1.2 or later, the certificate and its name checked, no redirect
 * followed, no proxy and nothing else taken from the environment, the answer
 * bounded in size and time.
 */
#ifndef NET_HTTPS_H
#define NET_HTTPS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/secret.h"

#define HTTPS_BODY_MAXIMUM 65536 /* bytes */
#define HTTPS_REASON_SIZE 256    /* bytes, the NUL included */

#define HTTPS_HEADERS 4 /* of a request, at most */

struct https_request {
	const char *url;
	struct span form;                         /* of a POST; empty: a GET */
	const char *json;                         /* of a POST, instead of a form; NULL: none */
	const char *const headers[HTTPS_HEADERS]; /* "Name: value"; up to the first NULL */
	bool allow_clear;                         /* http://, too */
	const atomic_bool *cancel;                /* once true, it ends within a second or two; NULL: nobody does */
	/* RFC 7617; NULL: none. */
	const char *user;
	const struct secret *password;
	struct span ca_pem; /* empty: the system's */
	uint64_t timeout_ms;
};

/* Once in the process's life, before the first thread. */
MUST_USE enum status https_open(void);
/* STATUS_OK: there is an answer, of any status. Else out_reason is for the log. `out_body` is the caller's, empty. */
MUST_USE enum status https_ask(const struct https_request *request, long *out_status, struct buf *out_body,
			       char out_reason[HTTPS_REASON_SIZE]);

#endif
