/* App passwords and their last uses in Redis, as two nodes see them: a real redis-server. */
#include "auth/app_password/list.h"
#include "auth/seal.h"
#include "auth/uses.h"
#include "base/buf.h"
#include "tests/unit/with_redis.h"

#define LIST "test:auth:1:app_passwords"
#define KEY SALT SALT
#define SALT "00112233445566778899aabbccddeeff"
#define LINE(id)                                                                                          \
	"{\"v\":2,\"op\":\"create\",\"id\":\"" id                                                         \
	"\",\"owner\":\"corp:1\",\"user\":\"anna\",\"label\":\"x\",\"salt\":\"" SALT "\",\"hash\":\"" KEY \
	"\",\"iterations\":4096,\"stored\":\"" KEY "\",\"server\":\"" KEY "\",\"created\":1700000000}"
#define REVOKE(id) "{\"v\":2,\"op\":\"revoke\",\"id\":\"" id "\"}"

struct node {
	struct redis *redis;
	struct password_list *list;
	char changes[64];
	unsigned known, replaced, looked; /* how often, as it was told */
	uint64_t look;                    /* the one that is waited for */
	const char *wanted;
};

static struct {
	struct test_redis server;
	struct loop *loop;
	struct secret password, key, other_key;
	struct node one, two;
	unsigned answers;
	enum status status;
	char text[64];
} bench;

static void on_first(void *context)
{
	struct node *node = context;
	node->known++;
}

static void on_change(void *context, enum change_operation operation, const struct app_password *password)
{
	struct node *node = context;
	size_t size = strlen(node->changes);
	snprintf(node->changes + size, sizeof(node->changes) - size, "%d%s ", (int)operation, password->id);
}

static void on_replaced(void *context, const struct password_table *before)
{
	struct node *node = context;
	assert_true(table_count(before) < 10000);
	node->replaced++;
}

static void on_looked(void *context)
{
	struct node *node = context;
	node->looked++;
}

static bool has_looked(void *context)
{
	const struct node *node = context;
	return list_looked(node->list) >= node->look;
}

static bool is_up(void *context)
{
	return redis_is_up(((struct node *)context)->redis);
}

static void begin_node_with_key(struct node *node, const struct secret *key)
{
	const struct redis_options options = { .server = bench.server.server, .user = "", .password = &bench.password };
	const struct password_list_handler handler = {
		.on_known = on_first, .on_change = on_change, .on_replaced = on_replaced, .on_looked = on_looked
	};
	memset(node, 0, sizeof(*node));
	assert_int_equal(redis_create(bench.loop, &options, &node->redis), STATUS_OK);
	assert_int_equal(list_create(bench.loop, node->redis, "test:", key, &handler, node, &node->list), STATUS_OK);
	run_until(bench.loop, is_up, node);
}

static void begin_node(struct node *node)
{
	begin_node_with_key(node, &bench.key);
}

static void end_node(struct node *node)
{
	list_free(&node->list);
	redis_free(&node->redis);
}

static int begin(void **state)
{
	(void)state;
	memset(&bench, 0, sizeof(bench));
	test_redis_start(&bench.server);
	assert_int_equal(loop_create(&bench.loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench.password), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN("the key of these nodes"), &bench.key), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN("the key of others"), &bench.other_key), STATUS_OK);
	begin_node(&bench.one);
	begin_node(&bench.two);
	return 0;
}

static int end(void **state)
{
	(void)state;
	end_node(&bench.one);
	end_node(&bench.two);
	secret_wipe(&bench.password);
	secret_wipe(&bench.key);
	secret_wipe(&bench.other_key);
	loop_free(bench.loop);
	test_redis_remove(&bench.server);
	return 0;
}

/* ---- what happens */

static void on_done(void *context, enum status status)
{
	(void)context;
	bench.answers++;
	bench.status = status;
}

static bool has_answer(void *context)
{
	(void)context;
	return bench.answers > 0;
}

static enum status append(struct node *node, const char *lines)
{
	bench.answers = 0;
	assert_int_equal(list_append(node->list, span_of(lines), on_done, NULL), STATUS_OK);
	run_until(bench.loop, has_answer, NULL);
	return bench.status;
}

static void on_value(void *context, enum status status, const struct redis_value *value)
{
	(void)context;
	assert_int_equal(status, STATUS_OK);
	assert_int_not_equal(redis_value_type(value), REDIS_ERROR);
	snprintf(bench.text, sizeof(bench.text), "%.*s", SPAN_ARGS(redis_value_text(value)));
	bench.answers++;
}

static void command(const char *name, const char *key, const char *a, const char *b)
{
	const struct span arguments[] = { span_of(name), span_of(key), span_of(a), span_of(b) };
	bench.answers = 0;
	assert_int_equal(
		redis_call(bench.one.redis, arguments, 2U + (a != NULL) + (b != NULL), PATIENCE_MS, on_value, NULL),
		STATUS_OK);
	run_until(bench.loop, has_answer, NULL);
}

/* The entry of a line, sealed for this purpose and list; valid until the next. */
static const char *seal_as(const struct secret *key, const char *purpose, const char *list, const char *line)
{
	static char entry[2048];
	unsigned char mac[HASH_SHA256_SIZE];
	assert_int_equal(seal_make(key, span_of(purpose), span_of(list), span_of(line), mac), STATUS_OK);
	hash_to_hex(mac, sizeof(mac), entry);
	snprintf(entry + strlen(entry), sizeof(entry) - strlen(entry), " %s", line);
	return entry;
}

static const char *entry_of(const char *line)
{
	return seal_as(&bench.key, "app password", LIST, line);
}

static const struct app_password *find(const struct node *node, const char *id)
{
	const struct password_table *table = list_table(node->list);
	return table ? table_find(table, span_of(id)) : NULL;
}

static bool is_valid(void *context)
{
	const struct node *node = context;
	const struct app_password *password = find(node, node->wanted);
	return password && !password->is_revoked;
}

static bool is_revoked(void *context)
{
	const struct node *node = context;
	const struct app_password *password = find(node, node->wanted);
	return password && password->is_revoked;
}

static bool is_gone(void *context)
{
	const struct node *node = context;
	return list_table(node->list) && find(node, node->wanted) == NULL;
}

static void wait_for(struct node *node, bool (*what)(void *context), const char *id)
{
	node->wanted = id;
	run_until(bench.loop, what, node);
}

/* ---- the list */

static void what_one_node_appends_all_know(void **state)
{
	(void)state;
	assert_int_equal(append(&bench.one, LINE("A") "\n"), STATUS_OK);
	assert_non_null(find(&bench.one, "A")); /* it is read back before it is told */
	wait_for(&bench.two, is_valid, "A");
	assert_int_equal(append(&bench.two, REVOKE("A") "\n"), STATUS_OK);
	wait_for(&bench.one, is_revoked, "A");
	assert_non_null(strstr(bench.one.changes, "1A "));
}

static void lines_of_one_change_come_together(void **state)
{
	(void)state;
	assert_int_equal(append(&bench.one, LINE("A") "\n" LINE("B") "\n"), STATUS_OK);
	assert_non_null(find(&bench.one, "A"));
	assert_non_null(find(&bench.one, "B"));
}

static void a_node_that_comes_later_reads_all(void **state)
{
	(void)state;
	char line[1024];
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(
			line, sizeof(line),
			"{\"v\":2,\"op\":\"create\",\"id\":\"M%u\",\"owner\":\"corp:%u\",\"user\":\"u\",\"label\":\"\","
			"\"salt\":\"" SALT "\",\"hash\":\"" KEY "\",\"iterations\":4096,\"stored\":\"" KEY
			"\",\"server\":\"" KEY "\",\"created\":1}",
			i, i);
		command("RPUSH", LIST, entry_of(line), NULL);
	}
	end_node(&bench.two);
	begin_node(&bench.two);
	wait_for(&bench.two, is_valid, "M999");
	assert_int_equal(table_count(list_table(bench.two.list)), 1000);
	assert_string_equal(bench.two.changes, ""); /* what was before is no news */
	assert_int_equal(bench.two.known, 1);
}

static void a_list_that_was_emptied_is_read_anew(void **state)
{
	(void)state;
	assert_int_equal(append(&bench.one, LINE("A") "\n" LINE("B") "\n"), STATUS_OK);
	wait_for(&bench.two, is_valid, "B");
	command("DEL", LIST, NULL, NULL);
	wait_for(&bench.two, is_gone, "A");
	assert_int_equal(bench.two.replaced, 1);
	assert_int_equal(append(&bench.one, LINE("C") "\n"), STATUS_OK);
	wait_for(&bench.two, is_valid, "C");
}

static void another_list_as_long_is_read_anew(void **state)
{
	(void)state;
	assert_int_equal(append(&bench.one, LINE("A") "\n"), STATUS_OK);
	wait_for(&bench.two, is_valid, "A");
	command("LSET", LIST, "0", entry_of(LINE("B")));
	wait_for(&bench.two, is_valid, "B");
	assert_null(find(&bench.two, "A"));
}

static void what_is_no_line_is_skipped(void **state)
{
	(void)state;
	uint64_t line = 0;
	command("RPUSH", LIST, entry_of("garbage"), "");
	assert_int_equal(append(&bench.one, LINE("A") "\n"), STATUS_OK);
	assert_int_equal(list_skipped(bench.one.list, &line), 2);
	assert_int_equal(line, 2);
}

/* ---- seals */

/* Puts an entry into the list that node one then has read. */
static void put_and_read(const char *entry)
{
	command("RPUSH", LIST, entry, NULL);
	assert_int_equal(append(&bench.one, REVOKE("NONE") "\n"), STATUS_OK);
}

static void a_line_that_was_forged_is_skipped(void **state)
{
	(void)state;
	char changed[2048];
	uint64_t line = 0;
	assert_int_equal(append(&bench.one, LINE("A") "\n"), STATUS_OK);
	put_and_read(LINE("B")); /* no seal at all */
	put_and_read(seal_as(&bench.other_key, "app password", LIST, LINE("B")));
	put_and_read(seal_as(&bench.key, "word", LIST, LINE("B"))); /* for another purpose */
	put_and_read(seal_as(&bench.key, "app password", "other:auth:1:app_passwords", LINE("B")));
	snprintf(changed, sizeof(changed), "%.64s " LINE("B"), entry_of(LINE("A"))); /* another line's seal */
	put_and_read(changed);
	snprintf(changed, sizeof(changed), "%.63s " LINE("B"), entry_of(LINE("B"))); /* cut */
	put_and_read(changed);
	put_and_read(REVOKE("A"));
	put_and_read(seal_as(&bench.other_key, "app password", LIST, REVOKE("A")));
	put_and_read("");
	put_and_read(" ");
	assert_null(find(&bench.one, "B"));
	assert_false(find(&bench.one, "A")->is_revoked);
	assert_int_equal(list_unsealed(bench.one.list), 10);
	assert_int_equal(list_skipped(bench.one.list, &line), 10);
	assert_int_equal(line, 20);
	put_and_read(entry_of(LINE("B"))); /* what all of these lacked */
	assert_non_null(find(&bench.one, "B"));
}

static void a_node_with_another_key_believes_nothing(void **state)
{
	(void)state;
	assert_int_equal(append(&bench.one, LINE("A") "\n"), STATUS_OK);
	end_node(&bench.two);
	begin_node_with_key(&bench.two, &bench.other_key);
	assert_int_equal(append(&bench.two, REVOKE("NONE") "\n"), STATUS_OK);
	assert_null(find(&bench.two, "A"));
	assert_int_equal(list_unsealed(bench.two.list), 1);
}

static bool is_down(void *context)
{
	return !is_up(context);
}

static void while_redis_is_away_what_was_known_holds(void **state)
{
	(void)state;
	assert_int_equal(append(&bench.one, LINE("A") "\n"), STATUS_OK);
	test_redis_stop(&bench.server);
	run_until(bench.loop, is_down, &bench.one);
	assert_non_null(find(&bench.one, "A"));
	assert_int_equal(list_append(bench.one.list, SPAN(REVOKE("A") "\n"), on_done, NULL), STATUS_UNAVAILABLE);
	test_redis_start(&bench.server);
}

static void a_key_of_another_kind_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(append(&bench.one, LINE("A") "\n"), STATUS_OK);
	command("SET", LIST, "x", NULL);
	assert_int_equal(append(&bench.one, LINE("B") "\n"), STATUS_REFUSED);
	assert_non_null(find(&bench.one, "A"));
}

/* ---- last uses */

static struct use known[2];

static void on_known(void *context, const struct use *uses)
{
	(void)context;
	memcpy(known, uses, sizeof(known));
	bench.answers++;
}

static void recall(struct uses *uses)
{
	static const char ids[2][APP_PASSWORD_ID_SIZE] = { "A", "B" };
	bench.answers = 0;
	assert_int_equal(uses_recall(uses, ids, 2, on_known, NULL), STATUS_OK);
	run_until(bench.loop, has_answer, NULL);
}

static void a_use_is_known_here_at_once_and_elsewhere_once_written(void **state)
{
	(void)state;
	struct uses *here = NULL, *there = NULL;
	assert_int_equal(uses_create(bench.loop, bench.one.redis, "test:", &here), STATUS_OK);
	assert_int_equal(uses_create(bench.loop, bench.two.redis, "test:", &there), STATUS_OK);
	uses_note(here, "A", "192.0.2.7");
	recall(here);
	assert_string_equal(known[0].address, "192.0.2.7");
	assert_true(known[0].last_s > 0);
	assert_int_equal(known[1].last_s, 0);
	recall(there);
	assert_int_equal(known[0].last_s, 0);
	uses_write(here);
	do
		recall(there);
	while (known[0].last_s == 0);
	assert_string_equal(known[0].address, "192.0.2.7");
	uses_forget(there, "A");
	do
		recall(here);
	while (known[0].last_s);
	uses_free(&here);
	uses_free(&there);
}

static void what_is_no_use_is_none(void **state)
{
	(void)state;
	struct uses *uses = NULL;
	static const char *const values[] = { "x", "12", "x 192.0.2.1", "12 \x01", "-5 192.0.2.1" };
	assert_int_equal(uses_create(bench.loop, bench.one.redis, "test:", &uses), STATUS_OK);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		command("HSET", "test:auth:1:uses", "A", values[i]);
		recall(uses);
		if (known[0].address[0])
			fail_msg("%s", values[i]);
	}
	uses_free(&uses);
}

/* What was there when the look was asked for is known once it has ended, and the timer is not waited for. */
static void a_look_that_is_asked_for_finds_what_was_made_before(void **state)
{
	(void)state;
	const char *lines[] = { LINE("AAAAAAAA") "\n", LINE("BBBBBBBB") "\n", LINE("CCCCCCCC") "\n" };
	for (size_t i = 0; i < 3; i++) {
		struct node *other = &bench.two;
		uint64_t before = list_changes(other->list); /* its timer may look while the other appends */
		assert_int_equal(append(&bench.one, lines[i]), STATUS_OK);
		other->look = list_look(other->list);
		assert_true(other->look > list_looked(other->list));
		run_until(bench.loop, has_looked, other);
		assert_int_equal(table_count(list_table(other->list)), i + 1);
		assert_true(list_changes(other->list) > before);
		before = list_changes(other->list);
		other->look = list_look(other->list);
		run_until(bench.loop, has_looked, other);
		assert_int_equal(list_changes(other->list), before);
	}
}

/* Guessers: however many ask, Redis is asked every 20 ms, and by the timer. */
static void many_who_ask_share_a_look(void **state)
{
	(void)state;
	struct node *node = &bench.two;
	uint64_t began_ms = loop_now_ms(bench.loop);
	node->look = list_look(node->list);
	run_until(bench.loop, has_looked, node);
	uint64_t first = node->look;
	for (int i = 0; i < 100; i++) {
		for (int j = 0; j < 100; j++)
			node->look = list_look(node->list);
		run_for(bench.loop, 1);
	}
	run_until(bench.loop, has_looked, node);
	uint64_t took_ms = loop_now_ms(bench.loop) - began_ms;
	assert_in_range(node->look - first, 1, took_ms / 20 + took_ms / 500 + 3);
}

static void without_redis_there_is_nothing_to_look_at(void **state)
{
	(void)state;
	struct node *node = &bench.two;
	node->look = list_look(node->list);
	run_until(bench.loop, has_looked, node);
	redis_free(&node->redis);
	const struct redis_options options = { .server = "unix:/nowhere", .user = "", .password = &bench.password };
	list_free(&node->list);
	assert_int_equal(redis_create(bench.loop, &options, &node->redis), STATUS_OK);
	const struct password_list_handler handler = { on_first, on_change, on_replaced, on_looked };
	assert_int_equal(list_create(bench.loop, node->redis, "test:", &bench.key, &handler, node, &node->list),
			 STATUS_OK);
	assert_int_equal(list_look(node->list), 0);
}

#define WITH_NODES(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_NODES(what_one_node_appends_all_know),
		WITH_NODES(lines_of_one_change_come_together),
		WITH_NODES(a_node_that_comes_later_reads_all),
		WITH_NODES(a_list_that_was_emptied_is_read_anew),
		WITH_NODES(another_list_as_long_is_read_anew),
		WITH_NODES(what_is_no_line_is_skipped),
		WITH_NODES(a_line_that_was_forged_is_skipped),
		WITH_NODES(a_node_with_another_key_believes_nothing),
		WITH_NODES(while_redis_is_away_what_was_known_holds),
		WITH_NODES(a_key_of_another_kind_changes_nothing),
		WITH_NODES(a_use_is_known_here_at_once_and_elsewhere_once_written),
		WITH_NODES(what_is_no_use_is_none),
		WITH_NODES(a_look_that_is_asked_for_finds_what_was_made_before),
		WITH_NODES(many_who_ask_share_a_look),
		WITH_NODES(without_redis_there_is_nothing_to_look_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
