/*
 * What is known of a client, as far as its gate tells: it stands in every
 * record of what the client does, and nothing is decided by it.
 */
#ifndef BASE_CLIENT_FACTS_H
#define BASE_CLIENT_FACTS_H

#include "base/arena.h"

struct client_facts {
	struct span address;
	uint16_t port;
	struct span listener; /* the name of its section */
	struct span tls_version, tls_cipher;
	struct span tls_client_subject; /* of the certificate that it showed and that was verified; empty: none */
	struct span helo;
};

/* Views of the first `maximum` bytes of each text. */
struct client_facts client_facts_cut(const struct client_facts *from, size_t maximum);
/* Texts that live until the arena is reset. STATUS_NO_MEMORY. */
MUST_USE enum status client_facts_copy(struct arena *arena, const struct client_facts *from,
				       struct client_facts *out_facts);

#endif
