/* Contexts by a digest of what they trust. Owns them all. */
#include "net/tls_clients.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/map.h"

/* A context, and what it was made of. */
struct kind {
	struct map_link by_digest;
	unsigned char digest[HASH_SHA256_SIZE]; /* of the authorities */
	bool verify, tls13_only;
	struct tls_context *context;
};

struct tls_clients {
	struct map kinds;
};

enum status tls_clients_create(struct tls_clients **out_clients)
{
	struct tls_clients *clients = calloc(1, sizeof(*clients));
	if (clients == NULL)
		return STATUS_NO_MEMORY;
	enum status status = map_init(&clients->kinds);
	if (status != STATUS_OK) {
		free(clients);
		return status;
	}
	*out_clients = clients;
	return STATUS_OK;
}

static void free_kind(void *context, struct map_link *link)
{
	struct kind *kind = MAP_OWNER(link, struct kind, by_digest);
	map_remove(context, link);
	tls_context_free(&kind->context);
	free(kind);
}

void tls_clients_free(struct tls_clients **clients)
{
	if (*clients == NULL)
		return;
	map_visit(&(*clients)->kinds, free_kind, &(*clients)->kinds);
	map_free(&(*clients)->kinds);
	free(*clients);
	*clients = NULL;
}

static struct kind *find_kind(const struct tls_clients *clients, const struct kind *wanted, uint64_t hash)
{
	for (struct map_link *link = map_first(&clients->kinds, hash); link; link = map_next(link)) {
		struct kind *kind = MAP_OWNER(link, struct kind, by_digest);
		if (memcmp(kind->digest, wanted->digest, sizeof(kind->digest)) == 0 && kind->verify == wanted->verify &&
		    kind->tls13_only == wanted->tls13_only)
			return kind;
	}
	return NULL;
}

/* Takes over the context of `wanted`. */
static enum status add_kind(struct tls_clients *clients, const struct kind *wanted, uint64_t hash)
{
	struct kind *kind = malloc(sizeof(*kind));
	if (kind == NULL)
		return STATUS_NO_MEMORY;
	*kind = *wanted;
	enum status status = map_add(&clients->kinds, &kind->by_digest, hash);
	if (status != STATUS_OK)
		free(kind);
	return status;
}

enum status tls_clients_take(struct tls_clients *clients, const struct tls_client_options *options,
			     struct tls_context **out_context, char **out_error)
{
	struct kind kind = { .verify = options->verify, .tls13_only = options->tls13_only };
	TRY(hash_sha256(options->ca_pem, kind.digest));
	uint64_t hash = map_hash_text(&clients->kinds, (struct span){ (const char *)kind.digest, sizeof(kind.digest) });
	const struct kind *found = find_kind(clients, &kind, hash);
	if (found) {
		*out_context = found->context;
		return STATUS_OK;
	}
	TRY(tls_client_create(options, &kind.context, out_error));
	enum status status = add_kind(clients, &kind, hash);
	if (status != STATUS_OK) {
		tls_context_free(&kind.context);
		return status;
	}
	*out_context = kind.context;
	return STATUS_OK;
}
