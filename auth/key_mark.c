/* The mark of a key, and the two calls about it. Owns the mark until the answer. */
#include "auth/key_mark.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"
#include "redis/script.h"

#define CALL_MS 3000
#define KEY_MAXIMUM 1024 /* bytes of a Redis key */

struct mark {
	char text[HASH_SHA256_HEX_SIZE];
};

static enum status make_mark(const struct secret *key, struct mark *out_mark)
{
	unsigned char mac[HASH_SHA256_SIZE];
	TRY(hash_hmac_sha256(secret_reveal(key), SPAN("the mark of auth.key_file"), mac));
	hash_to_hex(mac, sizeof(mac), out_mark->text);
	return STATUS_OK;
}

static void on_put(void *context, enum status status, const struct redis_value *value)
{
	(void)context, (void)status, (void)value; /* the next call says what stands there */
}

static void on_read(void *context, enum status status, const struct redis_value *value)
{
	struct mark *mark = context;
	if (status == STATUS_OK && redis_value_type(value) == REDIS_TEXT &&
	    !span_equal(redis_value_text(value), span_of(mark->text)))
		log_warning("auth.key_file is another one than that of the nodes before: a wrong password counts once "
			    "for each of them; copy theirs, or if all have the new one, delete auth:1:key:{mark}");
	free(mark);
}

static enum status send_calls(struct redis *redis, const char *prefix, struct mark *mark)
{
	struct buf key BUF_AUTO;
	buf_init(&key, KEY_MAXIMUM);
	TRY(script_write_key(&key, prefix, "auth:1:key", SPAN("mark")));
	const struct span put[] = { SPAN("SET"), buf_span(&key), span_of(mark->text), SPAN("NX") };
	const struct span get[] = { SPAN("GET"), buf_span(&key) };
	TRY(redis_call(redis, put, 4, CALL_MS, on_put, NULL));
	return redis_call(redis, get, 2, CALL_MS, on_read, mark);
}

void key_mark_compare(struct redis *redis, const char *prefix, const struct secret *key)
{
	struct mark *mark = malloc(sizeof(*mark));
	if (mark == NULL)
		return;
	if (make_mark(key, mark) != STATUS_OK || send_calls(redis, prefix, mark) != STATUS_OK)
		free(mark);
}
