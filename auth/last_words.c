/* A word is 32 bytes of HMAC, then a version, when it was said, and an identity as doors would carry it. */
#include "auth/last_words.h"

#include <stdlib.h>
#include <string.h>

#include "auth/seal.h"
#include "base/clock.h"
#include "base/log.h"
#include "redis/script.h"

#define VERSION 1
#define CALL_MS 2000     /* a login waits so long for Redis while the directory is away */
#define CLOCK_SKEW_S 300 /* by which another node's clock may be ahead */
#define KEY_MAXIMUM 512  /* bytes */
/* Bytes: the two lists, and all else. */
#define WORD_MAXIMUM (2 * IDENTITY_LIST_MAXIMUM + 2048)

struct last_words {
	struct redis *redis;
	const char *prefix;
	const struct secret *key;
	uint64_t lifetime_ms;
	struct last_words_recall *recalls; /* under way: a list */
};

struct last_words_recall {
	struct last_words *words;
	struct last_words_recall *previous, *next;
	char name[NAME_SIZE];
	struct identity identity; /* once it was read, said then: */
	uint64_t said_us;
	void (*on_done)(void *context, const struct identity *identity); /* NULL: forgotten */
	void *context;
};

enum status last_words_create(struct redis *redis, const char *prefix, const struct secret *key, uint64_t lifetime_ms,
			      struct last_words **out_words)
{
	struct last_words *words = calloc(1, sizeof(*words));
	if (words == NULL)
		return STATUS_NO_MEMORY;
	*words = (struct last_words){ .redis = redis, .prefix = prefix, .key = key, .lifetime_ms = lifetime_ms };
	*out_words = words;
	return STATUS_OK;
}

static void free_recall(struct last_words_recall *recall)
{
	*(recall->previous ? &recall->previous->next : &recall->words->recalls) = recall->next;
	if (recall->next)
		recall->next->previous = recall->previous;
	identity_free(&recall->identity);
	free(recall);
}

void last_words_free(struct last_words **words)
{
	if (*words == NULL)
		return;
	while ((*words)->recalls)
		free_recall((*words)->recalls);
	free(*words);
	*words = NULL;
}

/* Of what is kept in Redis, only a digest shows. */
static enum status write_redis_key(const struct last_words *words, const char *kind, struct span name, struct buf *out)
{
	unsigned char mac[HASH_SHA256_SIZE];
	char hex[HASH_SHA256_HEX_SIZE];
	struct buf text BUF_AUTO, place BUF_AUTO;
	buf_init(&text, KEY_MAXIMUM);
	buf_init(&place, KEY_MAXIMUM);
	TRY(buf_printf(&text, "%s of %.*s", kind, SPAN_ARGS(name)));
	TRY(hash_hmac_sha256(secret_reveal(words->key), buf_span(&text), mac));
	hash_to_hex(mac, sizeof(mac), hex);
	TRY(buf_printf(&place, "auth:1:%s", kind));
	TRY(buf_append_byte(&place, '\0'));
	return script_write_key(out, words->prefix, buf_span(&place).data, span_of(hex));
}

static enum status write_entry_key(const struct last_words *words, const char *name, struct buf *out)
{
	return write_redis_key(words, "entry", span_of(name), out);
}

/* When a user was forgotten last, by id. */
static enum status write_mark_key(const struct last_words *words, struct span user_id, struct buf *out)
{
	return write_redis_key(words, "forgotten", user_id, out);
}

/* ---- a word */

static enum status write_body(const struct identity *identity, struct buf *out)
{
	TRY(codec_write_u8(out, VERSION));
	TRY(codec_write_u64(out, clock_wall_us()));
	TRY(codec_write_span(out, span_of(identity->id)));
	TRY(codec_write_span(out, span_of(identity->user)));
	TRY(codec_write_u8(out, (uint8_t)identity->standing));
	TRY(codec_write_list(out, codec_list_of(&identity->groups)));
	return codec_write_list(out, codec_list_of(&identity->senders));
}

static enum status write_word(const struct last_words *words, const char *name, const struct identity *identity,
			      struct buf *out)
{
	unsigned char mac[HASH_SHA256_SIZE];
	struct buf body BUF_AUTO;
	buf_init(&body, WORD_MAXIMUM - sizeof(mac));
	TRY(write_body(identity, &body));
	TRY(seal_make(words->key, SPAN("word"), span_of(name), buf_span(&body), mac));
	TRY(buf_append(out, (struct span){ (const char *)mac, sizeof(mac) }));
	return buf_append(out, buf_span(&body));
}

static bool is_fresh(const struct last_words *words, uint64_t said_us)
{
	uint64_t now_us = clock_wall_us();
	if (said_us > now_us)
		return said_us - now_us <= CLOCK_SKEW_S * 1000000ULL;
	return now_us - said_us < words->lifetime_ms * 1000;
}

static enum status copy_text(struct span text, size_t size, char *out_text)
{
	if (span_is_empty(text) || text.size >= size || span_contains_byte(text, '\0'))
		return STATUS_INVALID;
	memcpy(out_text, text.data, text.size);
	out_text[text.size] = '\0';
	return STATUS_OK;
}

/* Into an initialized one. STATUS_INVALID: of another version, too old, or cut. */
static enum status read_body(const struct last_words *words, struct span body, struct identity *out_identity,
			     uint64_t *out_said_us)
{
	struct codec_reader reader = { .rest = body };
	struct codec_list groups = { 0 }, senders = { 0 };
	struct span id = { 0 }, user = { 0 };
	uint8_t version = 0, standing = 0;
	uint64_t said_us = 0;
	codec_read_u8(&reader, &version);
	codec_read_u64(&reader, &said_us);
	codec_read_span(&reader, &id);
	codec_read_span(&reader, &user);
	codec_read_u8(&reader, &standing);
	codec_read_list(&reader, &groups);
	codec_read_list(&reader, &senders);
	TRY(codec_reader_finish(&reader));
	if (version != VERSION || !is_fresh(words, said_us))
		return STATUS_INVALID;
	TRY(copy_text(id, sizeof(out_identity->id), out_identity->id));
	TRY(copy_text(user, sizeof(out_identity->user), out_identity->user));
	*out_said_us = said_us;
	out_identity->standing = standing <= STANDING_NAMELESS ? (enum standing)standing : STANDING_DISABLED;
	TRY(buf_append(&out_identity->groups, groups.encoded));
	return buf_append(&out_identity->senders, senders.encoded);
}

static enum status read_word(const struct last_words *words, const char *name, struct span word,
			     struct identity *out_identity, uint64_t *out_said_us)
{
	unsigned char mac[HASH_SHA256_SIZE];
	if (word.size < sizeof(mac) || word.size > WORD_MAXIMUM)
		return STATUS_INVALID;
	struct span body = span_slice(word, sizeof(mac), word.size);
	TRY(seal_make(words->key, SPAN("word"), span_of(name), body, mac));
	if (!secret_equal((struct span){ (const char *)mac, sizeof(mac) }, span_slice(word, 0, sizeof(mac))))
		return STATUS_INVALID;
	return read_body(words, body, out_identity, out_said_us);
}

/* ---- to and from Redis */

static void on_written(void *context, enum status status, const struct redis_value *value)
{
	(void)context;
	if (status != STATUS_OK || redis_value_type(value) == REDIS_ERROR)
		log_debug("what the directory said of a user was not kept in Redis");
}

static enum status send_word(const struct last_words *words, const char *name, const struct identity *identity)
{
	char lifetime[SCRIPT_NUMBER_SIZE];
	struct buf key BUF_AUTO, word BUF_AUTO;
	buf_init(&key, KEY_MAXIMUM);
	buf_init(&word, WORD_MAXIMUM);
	TRY(write_entry_key(words, name, &key));
	TRY(write_word(words, name, identity, &word));
	const struct span arguments[] = { SPAN("SET"), buf_span(&key), buf_span(&word), SPAN("PX"),
					  script_write_number(words->lifetime_ms, lifetime) };
	return redis_call(words->redis, arguments, 5, CALL_MS, on_written, NULL);
}

void last_words_keep(struct last_words *words, const char *name, const struct identity *identity)
{
	if (words->lifetime_ms && redis_is_up(words->redis) && send_word(words, name, identity) != STATUS_OK)
		log_debug("what the directory said of a user was not kept in Redis");
}

void last_words_drop(struct last_words *words, const char *name)
{
	struct buf key BUF_AUTO;
	buf_init(&key, KEY_MAXIMUM);
	if (!redis_is_up(words->redis) || write_entry_key(words, name, &key) != STATUS_OK)
		return;
	const struct span arguments[] = { SPAN("DEL"), buf_span(&key) };
	if (redis_call(words->redis, arguments, 2, CALL_MS, on_written, NULL) != STATUS_OK)
		log_debug("what the directory said of a user was not dropped from Redis");
}

void last_words_forget_user(struct last_words *words, struct span user_id)
{
	char lifetime[SCRIPT_NUMBER_SIZE], now[SCRIPT_NUMBER_SIZE];
	struct buf key BUF_AUTO;
	buf_init(&key, KEY_MAXIMUM);
	if (words->lifetime_ms == 0 || !redis_is_up(words->redis) || write_mark_key(words, user_id, &key) != STATUS_OK)
		return;
	const struct span arguments[] = { SPAN("SET"), buf_span(&key), script_write_number(clock_wall_us(), now),
					  SPAN("PX"),
					  script_write_number(words->lifetime_ms + CLOCK_SKEW_S * 1000, lifetime) };
	if (redis_call(words->redis, arguments, 5, CALL_MS, on_written, NULL) != STATUS_OK)
		log_warning("what the directory said of a user who is forgotten may hold while it is away");
}

static void finish_recall(struct last_words_recall *recall, bool is_known)
{
	if (recall->on_done)
		recall->on_done(recall->context, is_known ? &recall->identity : NULL);
	free_recall(recall);
}

/* ---- was the user forgotten since? */

static bool is_since(const struct redis_value *mark, uint64_t said_us)
{
	uint64_t forgotten_us = 0;
	if (redis_value_type(mark) == REDIS_NIL)
		return false;
	return span_to_u64(redis_value_text(mark), &forgotten_us) != STATUS_OK || said_us <= forgotten_us;
}

static void on_marks(void *context, enum status status, const struct redis_value *value)
{
	struct last_words_recall *recall = context;
	bool is_known = script_has_answered(status, value, 2);
	for (size_t i = 0; is_known && i < 2; i++)
		is_known = !is_since(redis_value_at(value, i), recall->said_us);
	finish_recall(recall, is_known);
}

/* By id, and by name, as an event may mean them (event_means_user). */
static enum status ask_for_marks(struct last_words_recall *recall)
{
	struct identity by_name;
	struct buf of_id BUF_AUTO, of_name BUF_AUTO;
	buf_init(&of_id, KEY_MAXIMUM);
	buf_init(&of_name, KEY_MAXIMUM);
	identity_init(&by_name);
	TRY(identity_set_id(&by_name, "name", span_of(recall->identity.user)));
	TRY(write_mark_key(recall->words, span_of(recall->identity.id), &of_id));
	TRY(write_mark_key(recall->words, span_of(by_name.id), &of_name));
	const struct span arguments[] = { SPAN("MGET"), buf_span(&of_id), buf_span(&of_name) };
	return redis_call(recall->words->redis, arguments, 3, CALL_MS, on_marks, recall);
}

/* ---- recalling */

static void on_answer(void *context, enum status status, const struct redis_value *value)
{
	struct last_words_recall *recall = context;
	bool is_known = status == STATUS_OK && redis_value_type(value) == REDIS_TEXT &&
			read_word(recall->words, recall->name, redis_value_text(value), &recall->identity,
				  &recall->said_us) == STATUS_OK;
	if (!is_known || ask_for_marks(recall) != STATUS_OK)
		finish_recall(recall, false);
}

static enum status send_question(struct last_words_recall *recall)
{
	struct last_words *words = recall->words;
	struct buf key BUF_AUTO;
	buf_init(&key, KEY_MAXIMUM);
	TRY(write_entry_key(words, recall->name, &key));
	const struct span arguments[] = { SPAN("GET"), buf_span(&key) };
	return redis_call(words->redis, arguments, 2, CALL_MS, on_answer, recall);
}

enum status last_words_ask(struct last_words *words, const char *name,
			   void (*on_done)(void *context, const struct identity *identity), void *context,
			   struct last_words_recall **out_recall)
{
	if (words->lifetime_ms == 0 || !redis_is_up(words->redis))
		return STATUS_UNAVAILABLE;
	struct last_words_recall *recall = calloc(1, sizeof(*recall));
	if (recall == NULL)
		return STATUS_NO_MEMORY;
	*recall = (struct last_words_recall){ .words = words, .on_done = on_done, .context = context };
	identity_init(&recall->identity);
	snprintf(recall->name, sizeof(recall->name), "%s", name);
	recall->next = words->recalls;
	if (words->recalls)
		words->recalls->previous = recall;
	words->recalls = recall;
	enum status status = send_question(recall);
	if (status != STATUS_OK)
		free_recall(recall);
	else
		*out_recall = recall;
	return status;
}

void last_words_forget(struct last_words_recall **recall)
{
	if (*recall)
		(*recall)->on_done = NULL;
	*recall = NULL;
}
