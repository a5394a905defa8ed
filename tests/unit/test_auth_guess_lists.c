/* Who is refused for guessing, as two nodes that share a real Redis list it, and who is forgiven. */
#include "guess_nodes.h"

/* ---- lists */

static struct {
	unsigned rows, users;
	char typed[NAME_SIZE], name[NAME_SIZE];
	uint64_t failures, left_ms;
	bool done, answered;
	int64_t next;
	size_t cleared;
} list;

static void keep_row(void *context, const struct guess_row *row)
{
	(void)context;
	list.rows++;
	list.users += row->is_user;
	snprintf(list.typed, sizeof(list.typed), "%.*s", SPAN_ARGS(row->typed));
	snprintf(list.name, sizeof(list.name), "%.*s", SPAN_ARGS(row->name));
	list.failures = row->failures;
	list.left_ms = row->left_ms;
}

static void on_done(void *context, bool has_answered, int64_t next, size_t cleared)
{
	(void)context;
	list.done = true;
	list.answered = has_answered;
	list.next = next;
	list.cleared = cleared;
}

/* All pages; how many there were. */
static unsigned read_list(unsigned node)
{
	unsigned pages = 0;
	memset(&list, 0, sizeof(list));
	for (int64_t from = 0; from >= 0; from = list.next) {
		list.done = false;
		assert_int_equal(guesses_list(nodes.nodes[node], (uint64_t)from, keep_row, on_done, NULL), STATUS_OK);
		run_until(nodes.loop, is_true, &list.done);
		assert_true(list.answered);
		pages++;
	}
	return pages;
}

static size_t clear(unsigned node, const char *user, const char *address)
{
	memset(&list, 0, sizeof(list));
	assert_int_equal(guesses_clear(nodes.nodes[node], span_of(user), span_of(address), on_done, NULL), STATUS_OK);
	run_until(nodes.loop, is_true, &list.done);
	assert_true(list.answered);
	assert_int_equal(list.next, -1);
	return list.cleared;
}

static void whoever_is_refused_is_listed_as_they_were_typed(void **state)
{
	(void)state;
	exhaust_user("anna@example.com", "ANNA\"\\\xff", "198.51.100.1");
	begin_try(0, 0, "bert", "once", "198.51.100.1");
	for (unsigned node = 0; node < NODES; node++) {
		assert_int_equal(read_list(node), 1);
		assert_int_equal(list.rows, 1);
		assert_int_equal(list.users, 1);
		assert_string_equal(list.typed, "ANNA\"\\\xff");
		assert_string_equal(list.name, "anna@example.com");
		assert_int_equal(list.failures, 5);
		assert_in_range(list.left_ms, WINDOW_MS - 60000, WINDOW_MS);
	}
}

static void forgiven_on_one_node_is_forgiven_on_all(void **state)
{
	(void)state;
	exhaust_user("anna@example.com", "Anna.A", "198.51.100.1");
	exhaust_user("bert", "bert", "198.51.100.1");
	assert_int_equal(clear(1, "carl", NULL), 0);
	assert_int_equal(clear(1, "anna.a", NULL), 1); /* as it was typed */
	assert_int_equal(clear(1, "BERT", NULL), 1);
	assert_int_equal(read_list(0), 1);
	assert_int_equal(list.rows, 0);
	nodes.answered = 0;
	begin_try(0, 0, "anna@example.com", "another", "198.51.100.1");
	await_answers(1);
	assert_int_equal(nodes.clients[0].answer, GUESS_MAY_ASK);
}

static void an_address_is_forgiven_with_the_networks_around_it(void **state)
{
	(void)state;
	char user[16];
	for (unsigned i = 0; i < TRIES; i++) {
		snprintf(user, sizeof(user), "user%u", i);
		begin_try(i, 0, user, "x", "2001:db8:1:2::1");
	}
	await_answers(TRIES);
	sync_nodes();
	(void)read_list(0);
	assert_int_equal(list.rows, 1);
	assert_string_equal(list.name, "2001:db8:1:2::/64");
	assert_int_equal(clear(1, NULL, "2001:db8:1:2::9"), 1);
	(void)read_list(0);
	assert_int_equal(list.rows, 0);
}

static void lists_and_clearing_go_on_to_their_end(void **state)
{
	char password[16], user[16];
	(void)state;
	for (unsigned i = 0; i < 700; i++) { /* each a record, and few of them refused */
		struct client client = { .guess = NULL };
		snprintf(user, sizeof(user), "user%u", i);
		snprintf(password, sizeof(password), "%u", i);
		const struct guess_try try = {
			.user = user,
			.typed = user,
			.password = span_of(password),
			.address = span_of(user),
			.is_directory_asked = true,
		};
		assert_int_equal(guesses_begin(nodes.nodes[0], &try, on_answer, &client, &client.guess), STATUS_OK);
		await_answers(i + 1);
		guess_settle(&client.guess, GUESS_WRONG);
	}
	exhaust_user("anna", "anna", "198.51.100.1");
	exhaust_user("zoe", "zoe", "198.51.100.1");
	assert_int_equal(read_list(1), 3);
	assert_int_equal(list.rows, 2);
	assert_int_equal(clear(1, NULL, NULL), 2);
	assert_int_equal(read_list(1), 1);
	assert_int_equal(list.rows, 0);
}

static void without_redis_the_list_is_that_of_this_node(void **state)
{
	(void)state;
	exhaust_user("anna", "Anna", "198.51.100.1");
	test_redis_stop(&redis_server);
	run_until(nodes.loop, redis_is_lost, NULL);
	assert_int_equal(read_list(0), 1);
	assert_int_equal(list.rows, 1);
	assert_string_equal(list.typed, "Anna");
	assert_int_equal(clear(0, "anna", NULL), 1);
	assert_int_equal(read_list(0), 1);
	assert_int_equal(list.rows, 0);
	test_redis_start(&redis_server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_NODES(whoever_is_refused_is_listed_as_they_were_typed),
		ON_NODES(forgiven_on_one_node_is_forgiven_on_all),
		ON_NODES(an_address_is_forgiven_with_the_networks_around_it),
		ON_NODES(lists_and_clearing_go_on_to_their_end),
		ON_NODES(without_redis_the_list_is_that_of_this_node),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, start_server, remove_server);
}
