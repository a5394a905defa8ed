/* Owns the key, and a digest of each ticket that was taken in the last 10 minutes. */
#include "admin/tickets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/secret.h"

/* A ticket's parts: random bytes, the time that it was made, and a MAC of both, in hexadecimal digits. */
#define RANDOM_BYTES 16
#define BODY_SIZE (2 * RANDOM_BYTES + 16)
#define MAC_BYTES 16
/* More than the API takes requests of strangers in 10 minutes (api.c): each takes one to begin and one to end. */
#define USES_MAXIMUM 65536

_Static_assert(BODY_SIZE + 2 * MAC_BYTES == TICKET_SIZE, "a ticket's parts are all of it");

struct ticket_use {
	struct map_link by_mac;
	struct ticket_use *next;
	uint64_t until_ms;
	char mac[2 * MAC_BYTES];
};

enum status tickets_init(struct tickets *tickets)
{
	*tickets = (struct tickets){ 0 };
	tickets->newest = &tickets->oldest;
	return hash_random(tickets->key, sizeof(tickets->key));
}

static void drop_oldest(struct tickets *tickets)
{
	struct ticket_use *use = tickets->oldest;
	tickets->oldest = use->next;
	if (use->next == NULL)
		tickets->newest = &tickets->oldest;
	map_remove(&tickets->used, &use->by_mac);
	free(use);
}

void tickets_free(struct tickets *tickets)
{
	while (tickets->oldest)
		drop_oldest(tickets);
	map_free(&tickets->used);
	explicit_bzero(tickets->key, sizeof(tickets->key));
}

/* ---- making */

static enum status make_mac(const struct tickets *tickets, const char *purpose, struct span text,
			    unsigned char out_mac[HASH_SHA256_SIZE])
{
	char whole[TICKET_SIZE + 32];
	const struct span key = { (const char *)tickets->key, sizeof(tickets->key) };
	int size = snprintf(whole, sizeof(whole), "%s %.*s", purpose, SPAN_ARGS(text));
	if (size < 0 || (size_t)size >= sizeof(whole))
		return STATUS_INVALID;
	return hash_hmac_sha256(key, (struct span){ whole, (size_t)size }, out_mac);
}

enum status tickets_make(const struct tickets *tickets, uint64_t now_ms, char out_ticket[TICKET_SIZE + 1])
{
	unsigned char random[RANDOM_BYTES], mac[HASH_SHA256_SIZE];
	char text[TICKET_SIZE + 1];
	TRY(hash_random(random, sizeof(random)));
	hash_to_hex(random, sizeof(random), text);
	snprintf(text + 2 * RANDOM_BYTES, 16 + 1, "%016llx", (unsigned long long)now_ms);
	TRY(make_mac(tickets, "ticket", (struct span){ text, BODY_SIZE }, mac));
	hash_to_hex(mac, MAC_BYTES, text + BODY_SIZE);
	memcpy(out_ticket, text, sizeof(text));
	return STATUS_OK;
}

enum status tickets_derive(const struct tickets *tickets, struct span ticket, const char *purpose,
			   char out_part[TICKET_PART_SIZE + 1])
{
	unsigned char mac[HASH_SHA256_SIZE];
	struct buf text BUF_AUTO;
	buf_init_sensitive(&text, TICKET_PART_SIZE + 1); /* with padding, which is cut */
	TRY(make_mac(tickets, purpose, ticket, mac));
	TRY(base64url_encode((struct span){ (const char *)mac, sizeof(mac) }, &text));
	snprintf(out_part, TICKET_PART_SIZE + 1, "%.*s", SPAN_ARGS(buf_span(&text)));
	return STATUS_OK;
}

/* ---- taking */

/* Of a ticket whose MAC is right. */
static uint64_t time_of(struct span ticket)
{
	char digits[16 + 1];
	snprintf(digits, sizeof(digits), "%.*s", SPAN_ARGS(span_slice(ticket, 2 * RANDOM_BYTES, BODY_SIZE)));
	return strtoull(digits, NULL, 16);
}

static bool is_ours(const struct tickets *tickets, struct span ticket)
{
	unsigned char mac[HASH_SHA256_SIZE];
	char digits[2 * MAC_BYTES + 1];
	if (ticket.size != TICKET_SIZE ||
	    make_mac(tickets, "ticket", span_slice(ticket, 0, BODY_SIZE), mac) != STATUS_OK)
		return false;
	hash_to_hex(mac, MAC_BYTES, digits);
	return secret_equal(span_of(digits), span_slice(ticket, BODY_SIZE, TICKET_SIZE));
}

/* Whoever guesses picks none: it is a part of a MAC of ours. */
static uint64_t hash_mac(struct span mac)
{
	uint64_t hash;
	memcpy(&hash, mac.data, sizeof(hash));
	return hash;
}

static bool is_used(const struct tickets *tickets, struct span mac)
{
	struct map_link *link = map_first(&tickets->used, hash_mac(mac));
	for (; link; link = map_next(link))
		if (memcmp(MAP_OWNER(link, struct ticket_use, by_mac)->mac, mac.data, mac.size) == 0)
			return true;
	return false;
}

/* Each is kept for as long as any that is good now could be. */
static enum status note_use(struct tickets *tickets, struct span mac, uint64_t now_ms)
{
	while (tickets->oldest && tickets->oldest->until_ms <= now_ms)
		drop_oldest(tickets);
	struct ticket_use *use = tickets->used.count < USES_MAXIMUM ? calloc(1, sizeof(*use)) : NULL;
	if (use == NULL || map_add(&tickets->used, &use->by_mac, hash_mac(mac)) != STATUS_OK) {
		free(use);
		return STATUS_UNAVAILABLE;
	}
	use->until_ms = now_ms + TICKET_LIFE_MS;
	memcpy(use->mac, mac.data, sizeof(use->mac));
	*tickets->newest = use;
	tickets->newest = &use->next;
	return STATUS_OK;
}

enum status tickets_take(struct tickets *tickets, struct span ticket, struct span state, uint64_t now_ms)
{
	char expected[TICKET_PART_SIZE + 1];
	struct span mac = span_slice(ticket, BODY_SIZE, ticket.size);
	if (!is_ours(tickets, ticket) || now_ms - time_of(ticket) >= TICKET_LIFE_MS)
		return STATUS_INVALID;
	TRY(tickets_derive(tickets, ticket, "state", expected));
	if (!secret_equal(state, span_of(expected)) || is_used(tickets, mac))
		return STATUS_INVALID;
	return note_use(tickets, mac, now_ms);
}
