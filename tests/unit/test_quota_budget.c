/* Budgets against a real redis-server: nodes that share an account never pass its limit, and return the unused rest. */
#include "quota/budget.h"
#include "tests/unit/with_redis.h"

#define NODES 3

struct bench {
	struct test_redis server;
	struct loop *loop;
	struct secret password;
	struct redis *redis;
	struct budget *nodes[NODES];
};

/* One message that asks a node's budget. */
struct mail {
	struct budget_claim claim;
	enum budget_verdict verdict;
	unsigned answers;
};

static bool is_up(void *context)
{
	return redis_is_up(((struct bench *)context)->redis);
}

static void make_nodes(struct bench *bench, struct budget_limits limits)
{
	for (size_t i = 0; i < NODES; i++)
		assert_int_equal(budget_create(bench->loop, bench->redis, "test:", SPAN("relay@example.com"), &limits,
					       &bench->nodes[i]),
				 STATUS_OK);
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	test_redis_let_clock_shift(&bench->server);
	test_redis_start(&bench->server);
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(secret_from_span(SPAN(TEST_REDIS_PASSWORD), &bench->password), STATUS_OK);
	struct redis_options options = { .server = bench->server.server, .user = "", .password = &bench->password };
	assert_int_equal(redis_create(bench->loop, &options, &bench->redis), STATUS_OK);
	run_until(bench->loop, is_up, bench);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	for (size_t i = 0; i < NODES; i++)
		budget_free(&bench->nodes[i]);
	redis_free(&bench->redis);
	secret_wipe(&bench->password);
	loop_free(bench->loop);
	test_redis_remove(&bench->server);
	free(bench);
	return 0;
}

static void on_verdict(void *context, enum budget_verdict verdict)
{
	struct mail *mail = context;
	mail->answers++;
	mail->verdict = verdict;
}

static bool is_answered(void *context)
{
	return ((struct mail *)context)->verdict != BUDGET_ASKED;
}

static void begin_claim(struct budget *node, uint64_t recipients, struct mail *mail)
{
	*mail = (struct mail){ 0 };
	mail->verdict = budget_take(node, recipients, &mail->claim, on_verdict, mail);
}

static enum budget_verdict take_claim(struct bench *bench, struct budget *node, uint64_t recipients, struct mail *mail)
{
	begin_claim(node, recipients, mail);
	bool asked = mail->verdict == BUDGET_ASKED;
	run_until(bench->loop, is_answered, mail);
	assert_int_equal(mail->answers, asked ? 1 : 0);
	return mail->verdict;
}

/* Sends until the node has no more; how many it sent. */
static unsigned send_all(struct bench *bench, struct budget *node, unsigned most)
{
	struct mail mail;
	for (unsigned i = 0; i < most; i++) {
		enum budget_verdict verdict = take_claim(bench, node, 1, &mail);
		if (verdict != BUDGET_TAKEN) {
			assert_int_equal(verdict, BUDGET_SPENT);
			return i;
		}
		budget_spend(&mail.claim);
	}
	return most;
}

static bool has_given_back(void *context)
{
	struct budget_state state;
	budget_show(((struct bench *)context)->nodes[0], &state);
	return !budget_is_calling(((struct bench *)context)->nodes[0]);
}

static uint64_t messages_used(struct bench *bench)
{
	struct budget_state state;
	budget_drain(bench->nodes[0]);
	run_until(bench->loop, has_given_back, bench);
	budget_show(bench->nodes[0], &state);
	return state.messages;
}

static void one_node_sends_exactly_its_budget(void **state)
{
	struct bench *bench = *state;
	make_nodes(bench, (struct budget_limits){ .messages_per_day = 50 });
	assert_int_equal(send_all(bench, bench->nodes[0], 60), 50);
	assert_true(budget_is_spent(bench->nodes[0]));
}

static void three_nodes_together_send_exactly_one_budget(void **state)
{
	struct bench *bench = *state;
	struct mail mail;
	unsigned sent = 0, refused = 0;
	make_nodes(bench, (struct budget_limits){ .messages_per_day = 50 });
	for (unsigned i = 0; i < 90; i++) {
		struct budget *node = bench->nodes[i % NODES];
		if (take_claim(bench, node, 1, &mail) == BUDGET_TAKEN)
			sent++;
		else
			refused++;
		budget_spend(&mail.claim);
	}
	/* What one node still holds when the others find nothing left is sent by it. */
	assert_int_equal(sent, 50);
	assert_int_equal(refused, 40);
}

static void a_block_costs_one_call_and_its_rest_comes_back(void **state)
{
	struct bench *bench = *state;
	struct mail mail;
	make_nodes(bench, (struct budget_limits){ .messages_per_day = 1000 });
	for (unsigned i = 0; i < 3; i++) {
		begin_claim(bench->nodes[0], 1, &mail);
		assert_int_equal(mail.verdict, i == 0 ? BUDGET_ASKED : BUDGET_TAKEN);
		run_until(bench->loop, is_answered, &mail);
		budget_spend(&mail.claim);
	}
	assert_int_equal(messages_used(bench), 3);
}

static void what_was_not_sent_may_be_sent_again(void **state)
{
	struct bench *bench = *state;
	struct mail mail;
	make_nodes(bench, (struct budget_limits){ .messages_per_day = 2, .messages_per_minute = 2 });
	assert_int_equal(take_claim(bench, bench->nodes[0], 1, &mail), BUDGET_TAKEN);
	budget_give_back(&mail.claim);
	budget_give_back(&mail.claim); /* holds nothing any more */
	assert_int_equal(send_all(bench, bench->nodes[0], 5), 2);
	assert_int_equal(messages_used(bench), 2);
}

static void recipients_and_minutes_count_too(void **state)
{
	struct bench *bench = *state;
	struct mail mail;
	make_nodes(bench, (struct budget_limits){ .recipients_per_day = 10 });
	assert_int_equal(take_claim(bench, bench->nodes[0], 7, &mail), BUDGET_TAKEN);
	budget_spend(&mail.claim);
	assert_int_equal(take_claim(bench, bench->nodes[0], 4, &mail), BUDGET_SPENT);
	assert_false(budget_is_spent(bench->nodes[0])); /* for fewer recipients it is not */
	assert_int_equal(take_claim(bench, bench->nodes[0], 3, &mail), BUDGET_TAKEN);
	budget_spend(&mail.claim);
	assert_int_equal(take_claim(bench, bench->nodes[0], 1, &mail), BUDGET_SPENT);
	assert_true(budget_is_spent(bench->nodes[0]));
}

static void a_minute_has_a_limit_of_its_own(void **state)
{
	struct bench *bench = *state;
	make_nodes(bench, (struct budget_limits){ .messages_per_day = 100, .messages_per_minute = 7 });
	assert_int_equal(send_all(bench, bench->nodes[0], 20), 7);
}

static bool all_answered(void *context)
{
	struct mail *mails = context;
	for (size_t i = 0; i < 200; i++)
		if (mails[i].verdict == BUDGET_ASKED)
			return false;
	return true;
}

static void two_hundred_at_once_share_what_there_is(void **state)
{
	struct bench *bench = *state;
	struct mail *mails = calloc(200, sizeof(*mails));
	unsigned taken = 0;
	make_nodes(bench, (struct budget_limits){ .messages_per_day = 50, .recipients_per_day = 1000 });
	for (size_t i = 0; i < 200; i++)
		begin_claim(bench->nodes[i % NODES], 1 + i % 3, &mails[i]);
	run_until(bench->loop, all_answered, mails);
	for (size_t i = 0; i < 200; i++) {
		taken += mails[i].verdict == BUDGET_TAKEN;
		assert_true(mails[i].answers <= 1);
		budget_spend(&mails[i].claim);
	}
	assert_true(taken <= 50);
	assert_true(taken >= 40);
	free(mails);
}

static void a_claim_given_up_while_it_waits_is_not_called(void **state)
{
	struct bench *bench = *state;
	struct mail gone, stays;
	make_nodes(bench, (struct budget_limits){ .messages_per_day = 1 });
	begin_claim(bench->nodes[0], 1, &gone);
	begin_claim(bench->nodes[0], 1, &stays);
	budget_give_back(&gone.claim);
	run_until(bench->loop, is_answered, &stays);
	assert_int_equal(stays.verdict, BUDGET_TAKEN);
	assert_int_equal(gone.answers, 0);
	budget_spend(&stays.claim);
}

static void on_planted(void *context, enum status status, const struct redis_value *value)
{
	assert_int_equal(status, STATUS_OK);
	*(bool *)context = redis_value_type(value) == REDIS_INTEGER;
}

static bool is_planted(void *context)
{
	return *(bool *)context;
}

/* So many messages were lent two hours ago. */
static void lend_before(struct bench *bench, const char *count)
{
	char slot[32];
	bool planted = false;
	snprintf(slot, sizeof(slot), "m:%ld", (long)(time(NULL) - 7200) / 600);
	const struct span line[] = { SPAN("HSET"), SPAN("test:budget:{relay@example.com}"), span_of(slot),
				     span_of(count) };
	assert_int_equal(redis_call(bench->redis, line, 4, PATIENCE_MS, on_planted, &planted), STATUS_OK);
	run_until(bench->loop, is_planted, &planted);
}

static void a_clock_of_redis_that_steps_makes_no_second_budget(void **state)
{
	struct bench *bench = *state;
	struct budget_limits limits = { .messages_per_day = 5 };
	lend_before(bench, "5");
	static const long hours[] = { 23, -23, 365 * 24, 0 };
	for (size_t i = 0; i < sizeof(hours) / sizeof(hours[0]); i++) {
		struct budget *node = NULL; /* another one, which doesn't remember that it is spent */
		struct mail mail;
		test_redis_shift_clock(&bench->server, hours[i] * 3600);
		assert_int_equal(
			budget_create(bench->loop, bench->redis, "test:", SPAN("relay@example.com"), &limits, &node),
			STATUS_OK);
		assert_int_equal(take_claim(bench, node, 1, &mail), hours[i] > 24 ? BUDGET_UNKNOWN : BUDGET_SPENT);
		budget_free(&node);
	}
}

static void without_redis_nothing_is_taken(void **state)
{
	struct bench *bench = *state;
	struct mail mail;
	make_nodes(bench, (struct budget_limits){ .messages_per_day = 10 });
	test_redis_stop(&bench->server);
	assert_int_equal(take_claim(bench, bench->nodes[0], 1, &mail), BUDGET_UNKNOWN);
	test_redis_start(&bench->server);
	run_until(bench->loop, is_up, bench);
	assert_int_equal(take_claim(bench, bench->nodes[0], 1, &mail), BUDGET_TAKEN);
	budget_spend(&mail.claim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_node_sends_exactly_its_budget, set_up, tear_down),
		cmocka_unit_test_setup_teardown(three_nodes_together_send_exactly_one_budget, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_block_costs_one_call_and_its_rest_comes_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_not_sent_may_be_sent_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(recipients_and_minutes_count_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_minute_has_a_limit_of_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_hundred_at_once_share_what_there_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_claim_given_up_while_it_waits_is_not_called, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_clock_of_redis_that_steps_makes_no_second_budget, set_up, tear_down),
		cmocka_unit_test_setup_teardown(without_redis_nothing_is_taken, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
