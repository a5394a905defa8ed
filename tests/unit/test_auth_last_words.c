/* What directories last said, in a real Redis that loses it, shows an old one or makes one up. */
#include "auth/last_words.h"
#include "base/hash.h"
#include "tests/unit/with_redis.h"

#define LIFETIME_MS 3600000

struct bench {
	struct test_redis server;
	struct loop *loop;
	struct secret password, key, other_key;
	struct redis *redis;
	struct last_words *words, *next; /* of two processes, one after the other */
	struct last_words_recall *recall;
	bool answered, known;
	struct identity identity;
	char redis_key[160];
	struct buf value;
};

static bool is_up(void *context)
{
	return redis_is_up(((struct bench *)context)->redis);
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	test_redis_start(&bench->server);
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	assert_int_equal(secret_random_hex(16, &bench->key), STATUS_OK);
	assert_int_equal(secret_random_hex(16, &bench->other_key), STATUS_OK);
	struct redis_options options = { .server = bench->server.server, .user = "", .password = &bench->password };
	assert_int_equal(redis_create(bench->loop, &options, &bench->redis), STATUS_OK);
	run_until(bench->loop, is_up, bench);
	assert_int_equal(last_words_create(bench->redis, "test:", &bench->key, LIFETIME_MS, &bench->words), STATUS_OK);
	assert_int_equal(last_words_create(bench->redis, "test:", &bench->key, LIFETIME_MS, &bench->next), STATUS_OK);
	identity_init(&bench->identity);
	buf_init(&bench->value, 1 << 20);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	redis_free(&bench->redis);
	last_words_free(&bench->words);
	last_words_free(&bench->next);
	identity_free(&bench->identity);
	buf_free(&bench->value);
	secret_wipe(&bench->password);
	secret_wipe(&bench->key);
	secret_wipe(&bench->other_key);
	loop_free(bench->loop);
	test_redis_remove(&bench->server);
	free(bench);
	return 0;
}

/* ---- what is kept and asked for */

static void keep(struct bench *bench, const char *name, bool disabled)
{
	struct identity identity IDENTITY_AUTO;
	identity_init(&identity);
	snprintf(identity.id, sizeof(identity.id), "corp:%s", name);
	snprintf(identity.user, sizeof(identity.user), "%s@example.com", name);
	assert_int_equal(identity_add(&identity.groups, SPAN("cn=sales")), STATUS_OK);
	assert_int_equal(identity_add(&identity.senders, SPAN("a@example.com")), STATUS_OK);
	assert_int_equal(identity_add(&identity.senders, SPAN("b@example.com")), STATUS_OK);
	identity.standing = disabled ? STANDING_DISABLED : STANDING_GOOD;
	last_words_keep(bench->words, name, &identity);
}

static void on_done(void *context, const struct identity *identity)
{
	struct bench *bench = context;
	bench->recall = NULL;
	bench->answered = true;
	bench->known = identity != NULL;
	if (identity)
		assert_int_equal(identity_copy(identity, &bench->identity), STATUS_OK);
}

static bool is_answered(void *context)
{
	return ((struct bench *)context)->answered;
}

static bool recalls(struct bench *bench, struct last_words *words, const char *name)
{
	bench->answered = false;
	assert_int_equal(last_words_ask(words, name, on_done, bench, &bench->recall), STATUS_OK);
	run_until(bench->loop, is_answered, bench);
	return bench->known;
}

static void test_the_next_process_knows_what_was_said(void **state)
{
	struct bench *bench = *state;
	keep(bench, "anna", false);
	assert_true(recalls(bench, bench->next, "anna"));
	assert_string_equal(bench->identity.id, "corp:anna");
	assert_string_equal(bench->identity.user, "anna@example.com");
	assert_int_equal(bench->identity.standing, STANDING_GOOD);
	assert_int_equal(codec_list_count(codec_list_of(&bench->identity.groups)), 1);
	assert_int_equal(codec_list_count(codec_list_of(&bench->identity.senders)), 2);
	keep(bench, "anna", true);
	assert_true(recalls(bench, bench->next, "anna"));
	assert_int_equal(bench->identity.standing, STANDING_DISABLED);
	assert_false(recalls(bench, bench->next, "bert"));
}

static void test_what_was_dropped_is_not_known(void **state)
{
	struct bench *bench = *state;
	keep(bench, "anna", false);
	last_words_drop(bench->words, "anna");
	assert_false(recalls(bench, bench->next, "anna"));
}

static void call(struct bench *bench, const struct span *arguments, size_t count);

/* Forgets anna in `words`, by id or as the one of her name, and waits until Redis has it. */
static void forget(struct bench *bench, const char *user_id)
{
	const struct span ping[] = { SPAN("PING") };
	last_words_forget_user(bench->words, span_of(user_id));
	call(bench, ping, 1);
}

static void test_a_forgotten_user_is_not_known_by_any_name_until_asked_for_again(void **state)
{
	static const char *const ids[] = { "corp:anna", "name:anna@example.com" };
	struct bench *bench = *state;
	for (size_t i = 0; i < 2; i++) {
		keep(bench, "anna", false);
		forget(bench, "corp:bert");
		assert_true(recalls(bench, bench->next, "anna"));
		forget(bench, ids[i]);
		assert_false(recalls(bench, bench->next, "anna"));
	}
	run_for(bench->loop, 2);
	keep(bench, "anna", false);
	assert_true(recalls(bench, bench->next, "anna"));
}

static void test_what_is_older_than_its_lifetime_is_not_known(void **state)
{
	struct bench *bench = *state;
	struct last_words *strict = NULL, *none = NULL;
	keep(bench, "anna", false);
	assert_int_equal(last_words_create(bench->redis, "test:", &bench->key, 1, &strict), STATUS_OK);
	run_for(bench->loop, 5);
	assert_false(recalls(bench, strict, "anna"));
	assert_int_equal(last_words_create(bench->redis, "test:", &bench->key, 0, &none), STATUS_OK);
	assert_int_equal(last_words_ask(none, "anna", on_done, bench, &bench->recall), STATUS_UNAVAILABLE);
	last_words_free(&strict);
	last_words_free(&none);
}

static void test_a_forgotten_question_is_not_answered(void **state)
{
	struct bench *bench = *state;
	bench->answered = false;
	assert_int_equal(last_words_ask(bench->words, "anna", on_done, bench, &bench->recall), STATUS_OK);
	last_words_forget(&bench->recall);
	run_for(bench->loop, 100);
	assert_false(bench->answered);
	assert_int_equal(last_words_ask(bench->words, "anna", on_done, bench, &bench->recall), STATUS_OK);
	/* the end of the process, with a question under way */
}

static bool is_away(void *context)
{
	return !is_up(context);
}

static void test_while_redis_is_away_nothing_is_known_and_nobody_waits(void **state)
{
	struct bench *bench = *state;
	test_redis_stop(&bench->server);
	run_until(bench->loop, is_away, bench);
	keep(bench, "anna", false);
	last_words_drop(bench->words, "anna");
	assert_int_equal(last_words_ask(bench->words, "anna", on_done, bench, &bench->recall), STATUS_UNAVAILABLE);
	test_redis_start(&bench->server);
}

/* ---- a Redis that lies */

static void on_value(void *context, enum status status, const struct redis_value *value)
{
	struct bench *bench = context;
	assert_int_equal(status, STATUS_OK);
	if (redis_value_type(value) == REDIS_ARRAY && redis_value_count(value) == 1)
		snprintf(bench->redis_key, sizeof(bench->redis_key), "%.*s",
			 SPAN_ARGS(redis_value_text(redis_value_at(value, 0))));
	if (redis_value_type(value) == REDIS_TEXT) {
		buf_clear(&bench->value);
		assert_int_equal(buf_append(&bench->value, redis_value_text(value)), STATUS_OK);
	}
	bench->answered = true;
}

static void call(struct bench *bench, const struct span *arguments, size_t count)
{
	bench->answered = false;
	assert_int_equal(redis_call(bench->redis, arguments, count, PATIENCE_MS, on_value, bench), STATUS_OK);
	run_until(bench->loop, is_answered, bench);
}

/* Makes `name` the only one that is kept; its key and value are then in `bench`. */
static void keep_alone(struct bench *bench, const char *name)
{
	const struct span flush[] = { SPAN("FLUSHALL") };
	const struct span keys[] = { SPAN("KEYS"), SPAN("test:auth:1:entry:*") };
	call(bench, flush, 1);
	keep(bench, name, false);
	call(bench, keys, 2);
	const struct span get[] = { SPAN("GET"), span_of(bench->redis_key) };
	call(bench, get, 2);
	assert_true(buf_size(&bench->value) > HASH_SHA256_SIZE);
}

static void put(struct bench *bench, const char *key, struct span value)
{
	char copy[1024];
	memcpy(copy, value.data, value.size);
	const struct span set[] = { SPAN("SET"), span_of(key), { copy, value.size } };
	call(bench, set, 3);
}

static void test_a_changed_or_cut_word_is_none(void **state)
{
	struct bench *bench = *state;
	char original[1024], changed[1024];
	keep_alone(bench, "anna");
	size_t size = buf_size(&bench->value);
	assert_true(size < sizeof(original));
	memcpy(original, buf_span(&bench->value).data, size);
	for (size_t i = 0; i < size; i++) {
		memcpy(changed, original, size);
		changed[i] = (char)(changed[i] ^ 1);
		put(bench, bench->redis_key, (struct span){ changed, size });
		assert_false(recalls(bench, bench->next, "anna"));
		put(bench, bench->redis_key, (struct span){ original, i });
		assert_false(recalls(bench, bench->next, "anna"));
	}
	put(bench, bench->redis_key, (struct span){ original, size });
	assert_true(recalls(bench, bench->next, "anna"));
}

static void test_one_users_word_is_not_anothers(void **state)
{
	struct bench *bench = *state;
	char annas[1024];
	keep_alone(bench, "anna");
	size_t size = buf_size(&bench->value);
	memcpy(annas, buf_span(&bench->value).data, size);
	keep_alone(bench, "bert");
	put(bench, bench->redis_key, (struct span){ annas, size });
	assert_false(recalls(bench, bench->next, "bert"));
}

static void test_what_was_sealed_with_another_key_is_not_known(void **state)
{
	struct bench *bench = *state;
	struct last_words *other = NULL;
	keep(bench, "anna", false);
	assert_int_equal(last_words_create(bench->redis, "test:", &bench->other_key, LIFETIME_MS, &other), STATUS_OK);
	assert_false(recalls(bench, other, "anna"));
	last_words_free(&other);
}

static void test_a_key_of_another_type_is_no_word(void **state)
{
	struct bench *bench = *state;
	keep_alone(bench, "anna");
	const struct span del[] = { SPAN("DEL"), span_of(bench->redis_key) };
	const struct span push[] = { SPAN("RPUSH"), span_of(bench->redis_key), SPAN("x") };
	call(bench, del, 2);
	call(bench, push, 3);
	assert_false(recalls(bench, bench->next, "anna"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_the_next_process_knows_what_was_said),
		CASE(test_what_was_dropped_is_not_known),
		CASE(test_a_forgotten_user_is_not_known_by_any_name_until_asked_for_again),
		CASE(test_what_is_older_than_its_lifetime_is_not_known),
		CASE(test_a_forgotten_question_is_not_answered),
		CASE(test_while_redis_is_away_nothing_is_known_and_nobody_waits),
		CASE(test_a_changed_or_cut_word_is_none),
		CASE(test_one_users_word_is_not_anothers),
		CASE(test_what_was_sealed_with_another_key_is_not_known),
		CASE(test_a_key_of_another_type_is_no_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
