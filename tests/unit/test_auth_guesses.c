/* Tries of passwords on two nodes that share a real Redis: at once, in turn, and without Redis. */
#include "guess_nodes.h"

/* ---- at once */

static void two_hundred_guesses_at_once_get_five_places(void **state)
{
	char password[16], address[32];
	(void)state;
	for (unsigned i = 0; i < TRIES; i++) {
		snprintf(password, sizeof(password), "guess %u", i);
		snprintf(address, sizeof(address), "198.51.100.%u", i % 20);
		begin_try(i, i % NODES, "anna", password, address);
	}
	await_answers(TRIES);
	assert_int_equal(count_answers(GUESS_MAY_ASK), 5);
	assert_int_equal(count_answers(GUESS_MAY_ASK) + count_answers(GUESS_USER_REFUSED) +
				 count_answers(GUESS_ADDRESS_REFUSED),
			 TRIES);
}

static void the_right_password_at_once_everywhere_is_no_guess(void **state)
{
	unsigned open = 12;
	(void)state;
	for (unsigned i = 0; i < open; i++)
		begin_try(i, i % NODES, "anna", "the right one", "198.51.100.1");
	for (unsigned settled = 0; settled < open;) {
		await_answers(settled + 1);
		for (unsigned i = 0; i < open; i++) {
			struct client *client = &nodes.clients[i];
			if (client->guess == NULL || client->answers == 0)
				continue;
			assert_int_equal(client->answer, GUESS_MAY_ASK);
			guess_settle(&client->guess, GUESS_RIGHT);
			settled++;
		}
	}
	sync_nodes();
	nodes.answered = 0;
	for (unsigned i = 0; i < 9; i++)
		begin_try(20 + i, 0, "anna", (char[]){ (char)('a' + (char)i), 0 }, "203.0.113.9");
	await_answers(9);
	assert_int_equal(count_answers(GUESS_MAY_ASK), open + 5);
}

static void a_wrong_password_at_once_everywhere_is_tried_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++)
		begin_try(i, i % NODES, "anna", "a stale one", "198.51.100.1");
	await_answers(1);
	for (unsigned i = 0; i < 20; i++)
		if (nodes.clients[i].answers)
			guess_settle(&nodes.clients[i].guess, GUESS_WRONG);
	await_answers(20);
	assert_int_equal(count_answers(GUESS_MAY_ASK), 1);
	assert_int_equal(count_answers(GUESS_WRONG_AGAIN), 19);
}

/* ---- clients that go away */

static void whoever_goes_while_redis_is_asked_leaves_no_guess(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		char password[16];
		snprintf(password, sizeof(password), "guess %u", i);
		begin_try(i, 0, "anna", password, "198.51.100.1");
	}
	for (unsigned i = 0; i < 20; i++)
		guess_forget(&nodes.clients[i].guess);
	sync_nodes(); /* the places come, and are given back */
	sync_nodes();
	assert_int_equal(nodes.answered, 0);
	for (unsigned i = 20; i < 25; i++) {
		char password[16];
		snprintf(password, sizeof(password), "guess %u", i);
		begin_try(i, 1, "anna", password, "198.51.100.1");
	}
	await_answers(5);
	assert_int_equal(count_answers(GUESS_MAY_ASK), 5);
}

static void whoever_waits_for_another_may_go(void **state)
{
	(void)state;
	begin_try(0, 0, "anna", "secret", "198.51.100.1");
	await_answers(1);
	begin_try(1, 0, "anna", "secret", "198.51.100.1");
	begin_try(2, 1, "anna", "secret", "198.51.100.1");
	sync_nodes();
	guess_forget(&nodes.clients[1].guess);
	guess_forget(&nodes.clients[2].guess);
	guess_settle(&nodes.clients[0].guess, GUESS_WRONG);
	sync_nodes();
	assert_int_equal(nodes.answered, 1);
}

/* ---- without Redis */

static void while_redis_is_away_each_node_counts_by_itself(void **state)
{
	(void)state;
	begin_try(0, 0, "anna", "before", "198.51.100.1");
	await_answers(1);
	guess_settle(&nodes.clients[0].guess, GUESS_WRONG);
	test_redis_stop(&redis_server);
	run_until(nodes.loop, redis_is_lost, NULL);
	for (unsigned i = 1; i < 41; i++) {
		char password[16];
		snprintf(password, sizeof(password), "guess %u", i / 2);
		begin_try(i, 0, "anna", password, "198.51.100.1");
		guess_settle(&nodes.clients[i].guess, GUESS_WRONG);
	}
	assert_int_equal(nodes.answered, 41);
	assert_int_equal(count_answers(GUESS_MAY_ASK), 5); /* the one before counts, too */
	test_redis_start(&redis_server);
}

static void a_silent_redis_costs_a_try_its_time_out_and_no_more(void **state)
{
	(void)state;
	kill(redis_server.pid, SIGSTOP);
	for (unsigned i = 0; i < 9; i++) {
		char password[16];
		snprintf(password, sizeof(password), "guess %u", i);
		begin_try(i, 0, "anna", password, "198.51.100.1");
	}
	await_answers(9);
	assert_int_equal(count_answers(GUESS_MAY_ASK), 5);
	begin_try(9, 0, "bert", "secret", "198.51.100.1");
	assert_int_equal(nodes.answered, 10); /* at once, as it is known to be away */
	kill(redis_server.pid, SIGCONT);
}

/* ---- what is remembered here of what Redis refused */

static void an_address_that_goes_on_guessing_is_refused_here_as_well(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		char password[16];
		snprintf(password, sizeof(password), "guess %u", i);
		begin_try(i, 0, "anna", password, "198.51.100.1");
	}
	await_answers(100);
	assert_int_equal(count_answers(GUESS_MAY_ASK), 5);
	for (uint32_t gate = 0; gate < 4; gate++)
		assert_true(guesses_refuse_address(nodes.nodes[0], SPAN("198.51.100.1"), gate));
	assert_false(guesses_refuse_address(nodes.nodes[0], SPAN("198.51.100.2"), 0));
	assert_false(guesses_refuse_address(nodes.nodes[1], SPAN("198.51.100.1"), 0));
}

/* ---- what Redis holds is believed no more than a peer */

static void a_record_that_makes_no_sense_leaves_the_counting_to_memory(void **state)
{
	(void)state;
	const struct span garbage[] = { SPAN("SET"), SPAN(PREFIX "auth:1:{guesses}:user:anna"), SPAN("[1,{}") };
	bool done = false;
	assert_int_equal(redis_call(nodes.redis[0], garbage, 3, PATIENCE_MS, on_flushed, &done), STATUS_OK);
	run_until(nodes.loop, is_true, &done);
	for (unsigned i = 0; i < 9; i++) {
		char password[16];
		snprintf(password, sizeof(password), "guess %u", i);
		begin_try(i, 0, "anna", password, "198.51.100.1");
	}
	await_answers(9);
	assert_int_equal(count_answers(GUESS_MAY_ASK), 5);
}

/* ---- logins without a guess */

static void an_app_password_makes_its_place_known_on_all_nodes(void **state)
{
	const struct guess_try printer = {
		.user = "anna", .typed = "anna", .password = SPAN("app password"), .address = SPAN("192.0.2.1")
	};
	(void)state;
	exhaust_user("anna", "anna", "198.51.100.1");
	guesses_note_login(nodes.nodes[0], &printer);
	sync_nodes();
	nodes.answered = 0;
	begin_try(0, 1, "anna", "the right one", "192.0.2.7");
	begin_try(1, 1, "anna", "the right one", "192.0.3.7");
	await_answers(1);
	guess_settle(&nodes.clients[0].guess, GUESS_RIGHT);
	await_answers(2);
	assert_int_equal(nodes.clients[0].answer, GUESS_MAY_ASK);
}

static void a_place_that_became_known_without_redis_is_told_when_it_is_back(void **state)
{
	const struct guess_try device = {
		.user = "anna", .typed = "anna", .password = SPAN("app password"), .address = SPAN("192.0.2.1")
	};
	(void)state;
	test_redis_stop(&redis_server);
	run_until(nodes.loop, redis_is_lost, NULL);
	guesses_note_login(nodes.nodes[0], &device);
	test_redis_start(&redis_server);
	for (unsigned i = 0; i < NODES; i++)
		run_until(nodes.loop, redis_is_ready, &nodes.redis[i]);
	guesses_note_login(nodes.nodes[0], &device);
	exhaust_user("anna", "anna", "198.51.100.1");
	nodes.answered = 0;
	begin_try(0, 1, "anna", "the right one", "192.0.2.7");
	await_answers(1);
	assert_int_equal(nodes.clients[0].answer, GUESS_MAY_ASK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_NODES(two_hundred_guesses_at_once_get_five_places),
		ON_NODES(the_right_password_at_once_everywhere_is_no_guess),
		ON_NODES(a_wrong_password_at_once_everywhere_is_tried_once),
		ON_NODES(whoever_goes_while_redis_is_asked_leaves_no_guess),
		ON_NODES(whoever_waits_for_another_may_go),
		ON_NODES(while_redis_is_away_each_node_counts_by_itself),
		ON_NODES(a_silent_redis_costs_a_try_its_time_out_and_no_more),
		ON_NODES(an_address_that_goes_on_guessing_is_refused_here_as_well),
		ON_NODES(a_record_that_makes_no_sense_leaves_the_counting_to_memory),
		ON_NODES(a_place_that_became_known_without_redis_is_told_when_it_is_back),
		ON_NODES(an_app_password_makes_its_place_known_on_all_nodes),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, start_server, remove_server);
}
