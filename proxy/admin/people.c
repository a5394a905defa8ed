/* Owns the sessions. Digests are compared in constant time, though whoever guesses tokens knows none of them. */
#include "admin/people.h"

#include <stdlib.h>
#include <string.h>

static bool is_over(const struct people *people, const struct person *person, uint64_t now_ms)
{
	return now_ms - person->begun_ms >= people->session_limit_ms ||
	       now_ms - person->used_ms >= people->idle_limit_ms;
}

/* Whoever guesses tokens picks no digest that is in the map: those are of tokens that were drawn here. */
static uint64_t hash_digest(const unsigned char *digest)
{
	uint64_t hash;
	memcpy(&hash, digest, sizeof(hash));
	return hash;
}

static enum status add_person(struct people *people, const struct person *like)
{
	struct person *person = malloc(sizeof(*person));
	if (person == NULL)
		return STATUS_NO_MEMORY;
	*person = *like;
	enum status status = map_add(&people->by_digest, &person->by_digest, hash_digest(person->digest));
	if (status != STATUS_OK) {
		free(person);
		return status;
	}
	person->next = people->first;
	people->first = person;
	people->count++;
	return STATUS_OK;
}

static void drop_person(struct people *people, struct person **at)
{
	struct person *person = *at;
	*at = person->next;
	people->count--;
	map_remove(&people->by_digest, &person->by_digest);
	free(person);
}

static struct person **find_place(struct people *people, const struct person *person)
{
	struct person **at = &people->first;
	while (*at && *at != person)
		at = &(*at)->next;
	return at;
}

/* Somebody ends it: it must not come back from a file. */
static void end_person(struct people *people, struct person **at)
{
	if (people->on_end)
		people->on_end(people->context, *at);
	drop_person(people, at);
}

static void drop_those_over(struct people *people, uint64_t now_ms)
{
	struct person **at = &people->first;
	while (*at) {
		if (is_over(people, *at, now_ms))
			drop_person(people, at);
		else
			at = &(*at)->next;
	}
}

static void make_room(struct people *people, const char *user_id, uint64_t now_ms)
{
	struct person **oldest = NULL;
	unsigned count = 0;
	for (struct person **at = &people->first; *at; at = &(*at)->next) {
		if (strcmp((*at)->user_id, user_id) != 0)
			continue;
		if (oldest == NULL || now_ms - (*at)->begun_ms >= now_ms - (*oldest)->begun_ms)
			oldest = at;
		count++;
	}
	if (count >= PEOPLE_OF_A_USER)
		end_person(people, oldest);
}

enum status people_begin(struct people *people, const struct person *like, uint64_t now_ms, struct secret *out_token)
{
	struct secret token SECRET_AUTO = { 0 };
	unsigned char digest[HASH_SHA256_SIZE];
	drop_those_over(people, now_ms);
	make_room(people, like->user_id, now_ms);
	if (people->count >= PEOPLE_MAXIMUM)
		return STATUS_UNAVAILABLE;
	TRY(secret_random_hex(PEOPLE_TOKEN_ENTROPY, &token));
	TRY(hash_sha256(secret_reveal(&token), digest));
	struct person person = *like;
	memcpy(person.digest, digest, sizeof(digest));
	person.begun_ms = person.used_ms = person.asked_ms = now_ms;
	person.is_dirty = true;
	TRY(add_person(people, &person));
	*out_token = token;
	token = (struct secret){ 0 };
	return STATUS_OK;
}

enum status people_put(struct people *people, const struct person *like, uint64_t now_ms)
{
	if (is_over(people, like, now_ms) || people->count >= PEOPLE_MAXIMUM ||
	    people_find_digest(people, like->digest, now_ms))
		return STATUS_OK;
	return add_person(people, like);
}

struct person *people_find_digest(struct people *people, const unsigned char *digest, uint64_t now_ms)
{
	const struct span wanted = { (const char *)digest, HASH_SHA256_SIZE };
	struct map_link *link = map_first(&people->by_digest, hash_digest(digest));
	for (; link; link = map_next(link)) {
		struct person *person = MAP_OWNER(link, struct person, by_digest);
		if (!secret_equal((struct span){ (const char *)person->digest, HASH_SHA256_SIZE }, wanted))
			continue;
		if (!is_over(people, person, now_ms))
			return person;
		drop_person(people, find_place(people, person));
		return NULL;
	}
	return NULL;
}

static void note_use(struct person *person, uint64_t now_ms)
{
	person->used_ms = now_ms;
	person->is_dirty = true;
}

struct person *people_look_up(struct people *people, struct span token, uint64_t now_ms)
{
	unsigned char digest[HASH_SHA256_SIZE];
	if (token.size != PEOPLE_TOKEN_SIZE || hash_sha256(token, digest) != STATUS_OK)
		return NULL;
	return people_find_digest(people, digest, now_ms);
}

struct person *people_find(struct people *people, struct span token, uint64_t now_ms)
{
	struct person *person = people_look_up(people, token, now_ms);
	if (person)
		note_use(person, now_ms);
	return person;
}

void people_end(struct people *people, struct person *person)
{
	struct person **at = find_place(people, person);
	if (*at)
		end_person(people, at);
}

void people_end_all(struct people *people)
{
	while (people->first)
		drop_person(people, &people->first);
	map_free(&people->by_digest);
}

uint64_t people_left_ms(const struct people *people, const struct person *person, uint64_t now_ms)
{
	uint64_t age_ms = now_ms - person->begun_ms;
	return age_ms < people->session_limit_ms ? people->session_limit_ms - age_ms : 0;
}

enum status people_make_proof(struct span token, char out_proof[PEOPLE_PROOF_SIZE + 1])
{
	unsigned char mac[HASH_SHA256_SIZE];
	TRY(hash_hmac_sha256(token, SPAN("subgate console change"), mac));
	hash_to_hex(mac, sizeof(mac), out_proof);
	return STATUS_OK;
}
