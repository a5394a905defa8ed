/*
 * Metrics and health over HTTP, read only: /metrics, /healthz, /readyz. A
 * thread of its own that reads shared slabs and constants, and touches neither
 * the loop nor a door. It holds no secret.
 */
#ifndef ADMIN_HTTP_H
#define ADMIN_HTTP_H

#include "config/config.h"
#include "role/role.h"
#include "stats/stats.h"

struct http;

/*
 * Serves on the listening socket `fd`, which it owns from now on (closed on failure too). `first` and `config`
 * must outlive it. STATUS_UNAVAILABLE: libmicrohttpd refused.
 */
MUST_USE enum status http_create(int fd, const struct stats *first, unsigned seats, const struct config *config,
				 struct http **out_http);
/* Whether there is a door to that role: /readyz needs auth and relay. Called on the loop's thread. */
void http_set_attached(struct http *http, enum role_kind role, bool attached);
/* Whether the supervisor hangs: /healthz and /readyz say so then. Called on the loop's thread. */
void http_set_supervisor_hung(struct http *http, bool hung);
/* Accepts nobody from now on; whoever is connected still gets an answer. */
void http_drain(struct http *http);
/* Waits for the thread: only at the end of the process. */
void http_free(struct http **http);

#endif
