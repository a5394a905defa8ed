/*
 * TLS contexts of clients, one for all that trust the same: each holds a copy of its authorities, and the system's take
 * 20 ms to read.
 */
#ifndef NET_TLS_CLIENTS_H
#define NET_TLS_CLIENTS_H

#include "net/tls.h"

struct tls_clients;

MUST_USE enum status tls_clients_create(struct tls_clients **out_clients);
/* Frees all contexts; no connection of theirs may be left. NULL-safe. */
void tls_clients_free(struct tls_clients **clients);
/*
 * The context of these options, which stays ours; made if it is the first of its kind. Fails as tls_client_create does,
 * with *out_error as there.
 */
MUST_USE enum status tls_clients_take(struct tls_clients *clients, const struct tls_client_options *options,
				      struct tls_context **out_context, char **out_error);

#endif
