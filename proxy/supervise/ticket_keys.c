/* Ticket keys. Owns the keys and the timer. When no new key can be made, the old one stays, and that is logged. */
#include "supervise/ticket_keys.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "net/tls_tickets.h"
#include "supervise/memory_file.h"

struct ticket_keys {
	ticket_keys_changed *on_changed;
	void *context;
	struct timer *timer;
	uint64_t lifetime_ms;
	int fd;
	char bytes[2 * TLS_TICKET_KEY_SIZE]; /* the newest first */
	size_t size;
};

/* All or nothing: gates that start later must know what running gates were told. */
static enum status renew_key(struct ticket_keys *keys)
{
	char next[sizeof(keys->bytes)];
	size_t size = keys->size ? sizeof(next) : TLS_TICKET_KEY_SIZE;
	int fd = -1;
	TRY(hash_random(next, TLS_TICKET_KEY_SIZE));
	memcpy(next + TLS_TICKET_KEY_SIZE, keys->bytes, TLS_TICKET_KEY_SIZE);
	enum status status = memory_file_seal("tickets", (struct span){ next, size }, &fd);
	if (status == STATUS_OK) {
		memcpy(keys->bytes, next, sizeof(next));
		keys->size = size;
		if (keys->fd >= 0)
			close(keys->fd);
		keys->fd = fd;
	}
	explicit_bzero(next, sizeof(next));
	return status;
}

static void renew_key_and_tell(struct ticket_keys *keys)
{
	enum status status = renew_key(keys);
	if (status == STATUS_OK)
		keys->on_changed(keys->context, (struct span){ keys->bytes, TLS_TICKET_KEY_SIZE });
	else
		log_error("no new key for session tickets: %s", status_text(status));
}

static void take_key_time(void *context)
{
	struct ticket_keys *keys = context;
	timer_set(keys->timer, keys->lifetime_ms);
	renew_key_and_tell(keys);
}

void ticket_keys_replace(struct ticket_keys *keys)
{
	renew_key_and_tell(keys);
	renew_key_and_tell(keys); /* gates keep two */
}

enum status ticket_keys_create(struct loop *loop, ticket_keys_changed *on_changed, void *context,
			       struct ticket_keys **out_keys)
{
	struct ticket_keys *keys = calloc(1, sizeof(*keys));
	if (keys == NULL)
		return STATUS_NO_MEMORY;
	*keys = (struct ticket_keys){ .on_changed = on_changed, .context = context, .fd = -1 };
	enum status status = timer_make(loop, take_key_time, keys, &keys->timer);
	if (status == STATUS_OK)
		status = renew_key(keys);
	if (status == STATUS_OK)
		*out_keys = keys;
	else
		ticket_keys_free(&keys);
	return status;
}

void ticket_keys_set_lifetime(struct ticket_keys *keys, uint64_t lifetime_ms)
{
	if (lifetime_ms == keys->lifetime_ms)
		return; /* frequent reloads must not put off the next key forever */
	keys->lifetime_ms = lifetime_ms;
	if (lifetime_ms)
		timer_set(keys->timer, lifetime_ms);
	else
		timer_clear(keys->timer);
}

int ticket_keys_fd(const struct ticket_keys *keys)
{
	return keys->fd;
}

void ticket_keys_free(struct ticket_keys **keys)
{
	struct ticket_keys *k = *keys;
	if (k == NULL)
		return;
	*keys = NULL;
	timer_free(&k->timer);
	if (k->fd >= 0)
		close(k->fd);
	explicit_bzero(k, sizeof(*k));
	free(k);
}
