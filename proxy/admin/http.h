/*
 * Metrics and health over HTTP, read only: /metrics, /healthz, /readyz. A
 * thread of its own that reads shared slabs and constants, and touches neither
 * the loop nor a door. It holds nothing secret.
 */
#ifndef ADMIN_HTTP_H
#define ADMIN_HTTP_H

#include "config/config.h"
#include "door/role.h"
#include "stats/stats.h"

struct http;

/* Serves on the listening socket `fd`, which it owns from now on (closed on failure too). The rest outlives it. STATUS_UNAVAILABLE. */
MUST_USE enum status http_create(int fd, const struct stats *first, unsigned seats, const struct config *config,
				 struct http **out_http);
/* Whether there is a door to that role: /readyz wants auth and relay. From the loop's thread. */
void http_set_attached(struct http *http, enum role_kind role, bool attached);
/* Whether the supervisor hangs: then /healthz and /readyz say so. From the loop's thread. */
void http_set_supervisor_hung(struct http *http, bool hung);
/* Accepts nobody from now on; who is connected gets his answer. */
void http_drain(struct http *http);
/* Waits for the thread: only at the end of the process. */
void http_free(struct http **http);

#endif
