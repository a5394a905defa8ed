/*
 * Where browsers come: libmicrohttpd on the role's own loop and thread, with TLS or plain, one daemon for each
 * listening socket. It counts, bounds and times connections; what a request is answered its owner decides, now or
 * later.
 */
#ifndef CONSOLE_SITE_H
#define CONSOLE_SITE_H

#include "base/secret.h"
#include "console/visit.h"
#include "net/loop.h"

#define SITE_SOCKETS_MAXIMUM 16

struct site_options {
	bool has_tls;
	bool allows_tls13_only;
	const struct secret *certificate, *key; /* PEM; with TLS */
	/* A request is complete. It is answered by site_answer with its number, now or later. */
	void (*on_visit)(void *context, struct visit *visit);
	void (*on_idle)(void *context); /* after site_drain: no request waits for its answer */
	void *context;
};

struct site;

MUST_USE enum status site_create(struct loop *loop, const struct site_options *options, struct site **out_site);
/* Listens there, too. Takes `fd` over, on failure too. STATUS_UNAVAILABLE: the certificate can't be used, say. */
MUST_USE enum status site_listen(struct site *site, int fd);
/* The visit that waits under this number; NULL: its browser is gone. */
struct visit *site_find(const struct site *site, uint64_t number);
/* Its `answer` is set: it goes out. */
void site_answer(struct site *site, struct visit *visit);
/* Looks at its connections soon, as one of them goes on. */
void site_wake(struct site *site);
/* Each visit that waits; `visit` may answer it, with the site as its context. */
void site_each(struct site *site, void (*visit)(void *site, struct visit *visit));
/* Takes no connection any more; on_idle follows, perhaps in this call. */
void site_drain(struct site *site);
void site_free(struct site **site); /* NULL-safe; sets to NULL */

#endif
