/* What nodes tell each other of their audits, by a real redis-server: what is new is recorded, and nothing else. */
#include "audit_fixture.h"
#include "relay/peers.h"
#include "tests/unit/with_redis.h"

struct bench {
	struct audit_bench *audit;
	struct test_redis server;
	struct secret password;
	struct redis *redis;
	struct peers *peers;
	struct audit_statement statement; /* another node's */
	unsigned answers;
};

static bool is_up(void *context)
{
	return redis_is_up(((struct bench *)context)->redis);
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	begin_bench((void **)&bench->audit);
	start_audit(bench->audit);
	test_redis_start(&bench->server);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	struct redis_options options = { .server = bench->server.server, .user = "", .password = &bench->password };
	assert_int_equal(redis_create(bench->audit->loop, &options, &bench->redis), STATUS_OK);
	run_until(bench->audit->loop, is_up, bench);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	redis_free(&bench->redis);
	peers_free(&bench->peers);
	test_redis_stop(&bench->server);
	secret_wipe(&bench->password);
	end_bench((void **)&bench->audit);
	free(bench);
	return 0;
}

static void start_peers(struct bench *bench)
{
	assert_int_equal(peers_create(bench->audit->loop, bench->redis, bench->audit->audit, "test:", "node.example",
				      &bench->peers),
			 STATUS_OK);
}

static void sign_statement(struct bench *bench)
{
	unsigned char private_key[ED25519_KEY_SIZE], public_key[ED25519_KEY_SIZE];
	struct audit_statement *statement = &bench->statement;
	assert_int_equal(ed25519_generate(private_key, public_key), STATUS_OK);
	*statement = (struct audit_statement){ .number = 7, .chain = "0123456789abcdef", .count = 5 };
	memset(statement->head, '1', sizeof(statement->head) - 1);
	memset(statement->next, '2', sizeof(statement->next) - 1);
	hash_to_hex(public_key, sizeof(public_key), statement->key);
	assert_int_equal(audit_statement_sign(statement, private_key), STATUS_OK);
}

static void on_answer(void *context, enum status status, const struct redis_value *value)
{
	struct bench *bench = context;
	assert_int_equal(status, STATUS_OK);
	assert_int_not_equal(redis_value_type(value), REDIS_ERROR);
	bench->answers++;
}

/* As a node of this name would. */
static void put_statement(struct bench *bench, const char *node, const char *text)
{
	const struct span words[] = { SPAN("HSET"), SPAN("test:audit-heads:1"), span_of(node), span_of(text) };
	assert_int_equal(redis_call(bench->redis, words, 4, 30000, on_answer, bench), STATUS_OK);
}

static char *statement_text(const struct bench *bench)
{
	json_t *object = audit_statement_to_json(&bench->statement);
	char *text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	return text;
}

static json_t *peer_records(const struct bench *bench)
{
	size_t i;
	json_t *record, *found = json_array(), *all = read_all_records(bench->audit, true);
	json_array_foreach(all, i, record)
	{
		if (strcmp(json_string_value(json_object_get(record, "type")), "audit.peer") == 0)
			json_array_append(found, record);
	}
	json_decref(all);
	return found;
}

static bool has_recorded(void *context)
{
	json_t *found = peer_records(context);
	size_t count = json_array_size(found);
	json_decref(found);
	return count > 0;
}

static void another_nodes_statement_is_recorded_and_what_is_none_is_not(void **state)
{
	struct bench *bench = *state;
	struct audit_statement read;
	sign_statement(bench);
	char *text = statement_text(bench);
	put_statement(bench, "node.example", text); /* our own name */
	put_statement(bench, "a-liar", "{\"number\":1}");
	put_statement(bench, "another-liar", "no JSON");
	bench->statement.count++; /* the signature no longer fits */
	char *forged = statement_text(bench);
	put_statement(bench, "a-forger", forged);
	put_statement(bench, "other.example", text);
	start_peers(bench);
	run_until(bench->audit->loop, has_recorded, bench);
	json_t *found = peer_records(bench);
	assert_int_equal(json_array_size(found), 1);
	assert_string_equal(text_of(found, 0, "peer"), "other.example");
	assert_int_equal(audit_statement_from_json(json_object_get(json_array_get(found, 0), "checkpoint"), &read),
			 STATUS_OK);
	assert_int_equal(read.number, 7);
	json_decref(found);
	free(text);
	free(forged);
}

struct question {
	struct bench *bench;
	uint64_t number; /* as was read */
	bool is_asked, is_answered;
};

static void on_ours(void *context, enum status status, const struct redis_value *value)
{
	struct question *question = context;
	json_t *object = json_loadb(redis_value_text(value).data, redis_value_text(value).size, 0, NULL);
	assert_int_equal(status, STATUS_OK);
	question->number = (uint64_t)json_integer_value(json_object_get(object, "number"));
	question->is_answered = true;
	json_decref(object);
}

/* Asks again until the last of them is there. */
static bool is_last_one_there(void *context)
{
	struct question *question = context;
	const struct span words[] = { SPAN("HGET"), SPAN("test:audit-heads:1"), SPAN("node.example") };
	if (question->is_asked && !question->is_answered)
		return false;
	if (question->number == 9)
		return true;
	question->is_asked = true;
	question->is_answered = false;
	assert_int_equal(redis_call(question->bench->redis, words, 3, 30000, on_ours, question), STATUS_OK);
	return false;
}

static void our_latest_statement_reaches_redis_though_many_come_at_once(void **state)
{
	struct bench *bench = *state;
	struct question question = { .bench = bench };
	start_peers(bench);
	sign_statement(bench);
	for (bench->statement.number = 1; bench->statement.number <= 9; bench->statement.number++)
		peers_publish(bench->peers, &bench->statement);
	run_until(bench->audit->loop, is_last_one_there, &question);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(another_nodes_statement_is_recorded_and_what_is_none_is_not, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(our_latest_statement_reaches_redis_though_many_come_at_once, set_up,
						tear_down),
	};
	return cmocka_run_group_tests_name("relay peers", tests, NULL, NULL);
}
