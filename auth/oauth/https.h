/*
 * One POST of a form over HTTPS, waiting: for threads, never for the loop.
 * TLS 1.2 or later, the certificate and its name checked, no redirect
 * followed, no proxy and nothing else taken from the environment, the answer
 * bounded in size and time.
 */
#ifndef AUTH_OAUTH_HTTPS_H
#define AUTH_OAUTH_HTTPS_H

#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

#define HTTPS_BODY_MAXIMUM 65536 /* bytes */
#define HTTPS_REASON_SIZE 256    /* bytes, the NUL included */

struct https_request {
	const char *url;
	struct span form;
	struct span ca_pem; /* empty: the system's */
	uint64_t timeout_ms;
};

/* Once in the process's life, before the first thread. */
MUST_USE enum status https_open(void);
/* STATUS_OK: there is an answer, of any status. Else out_reason is for the log. `out_body` is the caller's, empty. */
MUST_USE enum status https_post(const struct https_request *request, long *out_status, struct buf *out_body,
				char out_reason[HTTPS_REASON_SIZE]);

#endif
