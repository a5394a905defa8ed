/* Two relay processes of one node, as in a reload: they share an account's connections, and none of them starves. */
#include "with_upstream.h"

static struct upstream_test t;
static char folder[64];
static struct slots *other_slots;
static struct upstream_pool *other;

static struct slots *open_slots(void)
{
	struct slots *slots = NULL;
	assert_int_equal(slots_create(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &slots), STATUS_OK);
	return slots;
}

/* t.pool is the newest process', with `connections` for all; `other` the one before, which drains. */
static void begin_pool(uint64_t connections)
{
	snprintf(folder, sizeof(folder), "/tmp/neighbours-test-XXXXXX");
	assert_non_null(mkdtemp(folder));
	upstream_test_begin(&t);
	t.config.connections = connections;
	t.options.neighbours_ms = 60000;
	slots_free(&t.slots);
	t.slots = open_slots();
	upstream_test_open(&t);
	struct upstream_options options = t.options;
	other_slots = open_slots();
	options.slots = other_slots;
	assert_int_equal(upstream_pool_create(t.loop, &options, &other), STATUS_OK);
	upstream_pool_drain(other);
}

static void end_pool(void)
{
	char path[128];
	upstream_pool_free(&other);
	slots_free(&other_slots);
	upstream_test_end(&t);
	snprintf(path, sizeof(path), "%s/connections", folder);
	unlink(path);
	rmdir(folder);
}

/* Of the pool that drains. */
static void begin_other(struct sending *s)
{
	struct upstream_pool *newest = t.pool;
	t.pool = other;
	begin_sending(&t, s);
	t.pool = newest;
}

/* The credentials that `other` asks for go to t.pool otherwise. */
static void without_login(void)
{
	t.config.auth = RELAY_AUTH_NONE;
	t.mechanism = "none";
}

static void drop_sending(struct sending *s)
{
	upstream_abort(&s->upstream);
	spool_message_free(&s->message);
}

static void idle_connections_make_room_for_one_that_has_none(void **state)
{
	struct sending kept[2], late;
	(void)state;
	begin_pool(2);
	without_login();
	for (size_t i = 0; i < 2; i++)
		open_sending(&t, &kept[i]);
	for (size_t i = 0; i < 2; i++)
		drop_sending(&kept[i]);
	run_for(t.loop, 50);
	assert_int_equal(upstream_pool_size(t.pool), 2); /* they would be kept for a minute */
	begin_other(&late);
	run_until(t.loop, is_answered, &late);
	assert_int_equal(late.done, 0);
	assert_int_equal(upstream_pool_size(t.pool), 1);
	drop_sending(&late);
	end_pool();
}

/* Whatever the newest has to do. */
struct crowd {
	struct sending sendings[6];
	unsigned sent;
	struct sending *late;
};

static bool goes_on_until_late_is_answered(void *context)
{
	struct crowd *crowd = context;
	for (size_t i = 0; i < 6; i++) {
		struct sending *s = &crowd->sendings[i];
		if (s->replies == 0 && s->done == 0)
			continue;
		assert_int_equal(s->done, 0);
		drop_sending(s);
		begin_sending(&t, s);
		crowd->sent++;
	}
	return is_answered(crowd->late);
}

static void go_on_beside(uint64_t connections)
{
	struct crowd crowd = { 0 };
	struct sending late;
	begin_pool(connections);
	without_login();
	crowd.late = &late;
	for (size_t i = 0; i < 6; i++)
		begin_sending(&t, &crowd.sendings[i]);
	run_for(t.loop, 20);
	begin_other(&late);
	run_until(t.loop, goes_on_until_late_is_answered, &crowd);
	assert_int_equal(late.done, 0);
	assert_true(crowd.sent > 0);
	drop_sending(&late); /* it drains: its connection ends, and the newest has all again */
	late = (struct sending){ 0 };
	unsigned sent = crowd.sent;
	for (unsigned i = 0; i < 500 && crowd.sent < sent + 20; i++) {
		run_for(t.loop, 10);
		(void)goes_on_until_late_is_answered(&crowd);
	}
	assert_true(crowd.sent >= sent + 20);
	for (size_t i = 0; i < 6; i++)
		drop_sending(&crowd.sendings[i]);
	end_pool();
}

static void busy_ones_give_one_up_for_one_that_has_none(void **state)
{
	(void)state;
	go_on_beside(3);
}

static void the_only_one_of_an_account_goes_from_hand_to_hand(void **state)
{
	(void)state;
	go_on_beside(1);
}

/* The auth role of the one that drains is gone. */
static void refuse_credential(void *context, const char *relay, const char *mailbox, uint64_t ticket)
{
	const struct upstream_credential none = { .reason = SPAN("auth role not running") };
	(void)context;
	(void)relay;
	(void)mailbox;
	upstream_pool_credential(other, ticket, &none);
}

static void keep_waiting(void *context, const char *relay, const char *mailbox, uint64_t ticket)
{
	bool *is_asked = context;
	(void)relay;
	(void)mailbox;
	(void)ticket;
	*is_asked = true;
}

static void reopen_other(upstream_ask_credential *ask, void *context)
{
	struct upstream_options options = t.options;
	options.slots = other_slots;
	options.ask_credential = ask;
	options.context = context;
	upstream_pool_free(&other);
	assert_int_equal(upstream_pool_create(t.loop, &options, &other), STATUS_OK);
	upstream_pool_drain(other);
}

static void what_one_process_lacks_holds_back_no_other(void **state)
{
	struct sending lost, sent;
	(void)state;
	begin_pool(2);
	reopen_other(refuse_credential, NULL);
	begin_other(&lost);
	run_until(t.loop, is_done, &lost);
	assert_string_equal(lost.reason, "no credentials: auth role not running");
	send_whole(&t, &sent);
	assert_accepted(&sent);
	begin_other(&lost);
	run_until(t.loop, is_done, &lost);
	assert_string_equal(lost.reason,
			    "no new connection, by a fault of our own: no credentials: auth role not running");
	end_pool();
}

static bool is_set(void *context)
{
	return *(const bool *)context;
}

static void a_connection_that_nobody_waits_for_is_not_made_ready_in_a_drain(void **state)
{
	bool is_asked = false;
	struct sending gone;
	(void)state;
	begin_pool(2);
	reopen_other(keep_waiting, &is_asked);
	begin_other(&gone);
	run_until(t.loop, is_set, &is_asked);
	assert_int_equal(upstream_pool_size(other), 1);
	drop_sending(&gone);
	run_for(t.loop, 20);
	assert_int_equal(upstream_pool_size(other), 0);
	end_pool();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_connections_make_room_for_one_that_has_none),
		cmocka_unit_test(busy_ones_give_one_up_for_one_that_has_none),
		cmocka_unit_test(the_only_one_of_an_account_goes_from_hand_to_hand),
		cmocka_unit_test(what_one_process_lacks_holds_back_no_other),
		cmocka_unit_test(a_connection_that_nobody_waits_for_is_not_made_ready_in_a_drain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
