/* What a node's audit says was sent today, out of its files. */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relay/recount.h"
#include "tests/unit/with_loop.h"

#include "tests/unit/failing_memory.h"

#define TODAY 1795910400U /* 2026-11-29T00:00:00Z */
#define FILES 2

struct bench {
	struct loop *loop;
	char folder[48];
	int fds[FILES];
	struct recount *recount;
	bool is_done;
	enum status status;
	size_t users;
	uint64_t now_s;
};

static void on_done(void *context, enum status status)
{
	struct bench *bench = context;
	bench->is_done = true;
	bench->status = status;
}

static bool is_done(void *context)
{
	return ((struct bench *)context)->is_done;
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	char path[64];
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	snprintf(bench->folder, sizeof(bench->folder), "/tmp/subgate-recount-XXXXXX");
	assert_non_null(mkdtemp(bench->folder));
	for (int i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "%s/%d", bench->folder, i);
		bench->fds[i] = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		assert_true(bench->fds[i] >= 0);
	}
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	char line[80];
	recount_free(&bench->recount);
	loop_free(bench->loop);
	for (int i = 0; i < FILES; i++)
		close(bench->fds[i]);
	snprintf(line, sizeof(line), "rm -r %s", bench->folder);
	assert_int_equal(system(line), 0);
	free(bench);
	return 0;
}

static void write_line(const struct bench *bench, int file, const char *line)
{
	assert_int_equal(dprintf(bench->fds[file], "%s\n", line), strlen(line) + 1);
}

/* A record of a message of alice's: two recipients, of whom one was refused. */
static void write_record(const struct bench *bench, int file, const char *ts, const char *type, const char *message)
{
	char line[512];
	snprintf(line, sizeof(line),
		 "{\"ts\":\"2026-11-%s\",\"type\":\"message.%s\",\"node\":\"one\",\"message\":\"%s\","
		 "\"user\":\"alice@example.com\",\"app_password_id\":\"AAAA\",\"attempt\":1,"
		 "\"rcpt_to\":[{\"address\":\"b@example.net\",\"code\":250},{\"address\":\"c@example.net\",\"code\":"
		 "550}],"
		 "\"size\":1000}",
		 ts, type, message);
	write_line(bench, file, line);
}

/* A message of one recipient, of somebody who shares a quota with others. */
static void write_shared(const struct bench *bench, const char *ts, const char *type, const char *message,
			 const char *user, const char *section)
{
	char line[512];
	snprintf(line, sizeof(line),
		 "{\"ts\":\"2026-11-%s\",\"type\":\"message.%s\",\"node\":\"one\",\"message\":\"%s\",\"user\":\"%s\","
		 "\"attempt\":1,\"rcpt_to\":[{\"address\":\"b@example.net\",\"code\":250}],\"size\":500,"
		 "\"shared_quota\":\"%s\"}",
		 ts, type, message, user, section);
	write_line(bench, 0, line);
}

static void count_user(void *context, const struct recount_user *user)
{
	struct bench *bench = context;
	bench->users += user->messages > 0;
}

static const struct recount_user *recount(struct bench *bench)
{
	const struct recount_options options = {
		.fds = bench->fds,
		.count = FILES,
		.since_s = TODAY,
		.now_s = bench->now_s,
		.on_done = on_done,
		.context = bench,
	};
	assert_int_equal(recount_start(bench->loop, &options, &bench->recount), STATUS_OK);
	run_until(bench->loop, is_done, bench);
	assert_int_equal(bench->status, STATUS_OK);
	recount_visit(bench->recount, count_user, bench);
	return recount_enter(bench->recount, SPAN("alice@example.com"));
}

static void what_was_sent_counts_as_it_was_charged(void **state)
{
	struct bench *bench = *state;
	write_record(bench, 0, "29T08:00:00.000000Z", "leaving", "a");
	write_record(bench, 0, "29T08:00:01.000000Z", "sent", "a");
	write_record(bench, 0, "29T09:00:00.000000Z", "leaving", "b");
	write_record(bench, 0, "29T09:00:01.000000Z", "unknown", "b");
	const struct recount_user *alice = recount(bench);
	assert_int_equal(alice->messages, 2);
	assert_int_equal(alice->recipients, 2);
	assert_int_equal(alice->bytes, 2000);
	assert_string_equal(alice->passwords->id, "AAAA");
	assert_int_equal(alice->passwords->messages, 2);
	assert_int_equal(bench->users, 1);
	assert_true(recount_has_charge(bench->recount, SPAN("alice@example.com"), SPAN("a")));
	assert_false(recount_has_charge(bench->recount, SPAN("alice@example.com"), SPAN("c")));
}

static void what_members_share_counts_as_theirs_and_as_shared(void **state)
{
	struct bench *bench = *state;
	write_shared(bench, "28T23:00:00.000000Z", "leaving", "before", "bob@example.com", "team");
	write_shared(bench, "29T08:00:00.000000Z", "leaving", "a", "alice@example.com", "team");
	write_shared(bench, "29T08:00:01.000000Z", "sent", "a", "alice@example.com", "team");
	write_shared(bench, "29T09:00:00.000000Z", "leaving", "b", "bob@example.com", "team");
	write_shared(bench, "29T09:00:01.000000Z", "failed", "b", "bob@example.com", "team");
	write_shared(bench, "29T09:00:02.000000Z", "leaving", "b", "bob@example.com", "team");
	write_shared(bench, "29T10:00:00.000000Z", "leaving", "c", "bob@example.com", "team");
	write_shared(bench, "29T10:00:01.000000Z", "failed", "c", "bob@example.com", "team");
	write_shared(bench, "29T11:00:00.000000Z", "leaving", "d", "carol@example.com", "alice@example.com");
	assert_int_equal(recount(bench)->messages, 1);
	assert_int_equal(recount_enter(bench->recount, SPAN("bob@example.com"))->messages, 1);
	const struct recount_user *team = recount_enter(bench->recount, SPAN("\tteam"));
	assert_int_equal(team->messages, 2);
	assert_int_equal(team->recipients, 2);
	assert_int_equal(team->bytes, 1000);
	assert_int_equal(recount_enter(bench->recount, SPAN("\talice@example.com"))->messages, 1);
	assert_true(recount_has_charge(bench->recount, SPAN("\tteam"), SPAN("b")));
	assert_false(recount_has_charge(bench->recount, SPAN("\tteam"), SPAN("c")));
}

static void a_record_of_before_names_nothing_shared(void **state)
{
	struct bench *bench = *state;
	write_record(bench, 0, "29T08:00:00.000000Z", "leaving", "a");
	write_shared(bench, "29T08:00:00.000000Z", "leaving", "b", "alice@example.com", "");
	write_line(bench, 0,
		   "{\"ts\":\"2026-11-29T08:00:00.000000Z\",\"type\":\"message.leaving\",\"message\":\"c\","
		   "\"user\":\"alice@example.com\",\"rcpt_to\":[],\"size\":7,\"shared_quota\":{\"a\":1}}");
	assert_int_equal(recount(bench)->messages, 3);
	assert_int_equal(bench->users, 1);
	assert_true(recount_has_charge(bench->recount, SPAN("alice@example.com"), SPAN("a")));
	assert_false(recount_has_charge(bench->recount, SPAN("\tteam"), SPAN("a")));
}

static void mail_of_the_relay_itself_counts_for_nobody(void **state)
{
	struct bench *bench = *state;
	write_shared(bench, "29T08:00:00.000000Z", "leaving", "a", "subgate notices", "");
	write_record(bench, 0, "29T08:00:01.000000Z", "sent", "a");
	(void)recount(bench);
	assert_int_equal(bench->users, 0);
	assert_false(recount_has_charge(bench->recount, SPAN("subgate notices"), SPAN("a")));
}

static void what_failed_does_not_count_unless_another_try_succeeded(void **state)
{
	struct bench *bench = *state;
	write_record(bench, 0, "29T08:00:00.000000Z", "leaving", "a");
	write_record(bench, 0, "29T08:00:01.000000Z", "failed", "a");
	write_record(bench, 0, "29T09:00:00.000000Z", "leaving", "b");
	write_record(bench, 0, "29T09:00:01.000000Z", "failed", "b");
	write_record(bench, 0, "29T09:00:02.000000Z", "leaving", "b");
	write_record(bench, 0, "29T09:00:03.000000Z", "sent", "b");
	assert_int_equal(recount(bench)->messages, 1);
}

static void what_is_leaving_counts(void **state)
{
	struct bench *bench = *state;
	write_record(bench, 0, "29T09:00:00.000000Z", "leaving", "a");
	write_record(bench, 0, "29T09:00:00.000000Z", "leaving", "b");
	write_record(bench, 0, "29T09:00:01.000000Z", "failed", "b");
	write_record(bench, 0, "29T09:00:02.000000Z", "leaving", "b");
	assert_int_equal(recount(bench)->messages, 2);
}

static void the_day_before_does_not_count(void **state)
{
	struct bench *bench = *state;
	write_record(bench, 0, "28T23:59:59.999999Z", "leaving", "a");
	write_record(bench, 0, "29T00:00:00.000000Z", "sent", "a");
	write_record(bench, 0, "29T00:00:00.000000Z", "leaving", "b");
	assert_int_equal(recount(bench)->messages, 1);
}

/* A message of alice's of 10 bytes, and when the day ends that it was charged to. */
static void write_charged(const struct bench *bench, const char *ts, const char *message, const char *ends)
{
	char line[512];
	snprintf(
		line, sizeof(line),
		"{\"ts\":\"2026-11-%s\",\"type\":\"message.leaving\",\"message\":\"%s\",\"user\":\"alice@example.com\","
		"\"app_password_id\":\"AAAA\",\"size\":10,\"shared_quota\":\"team\","
		"\"quota\":{\"used\":1,\"limit\":5,\"resets_at\":\"%s\"}}",
		ts, message, ends);
	write_line(bench, 0, line);
}

/* Clocks step, and nodes begin days in different zones: what it was charged to counts, not when it left. */
static void what_was_charged_to_a_day_that_is_not_over_counts_whenever_it_left(void **state)
{
	struct bench *bench = *state;
	bench->now_s = TODAY + 12U * 3600U;
	write_charged(bench, "28T23:00:00.000000Z", "a", "2026-11-30T05:00:00Z");
	write_charged(bench, "30T23:00:00.000000Z", "b", "2026-11-30T00:00:00Z");
	write_charged(bench, "29T08:00:00.000000Z", "c", "2026-11-29T07:00:00Z"); /* of the day before */
	write_record(bench, 0, "30T23:00:01.000000Z", "failed", "b");
	write_record(bench, 0, "28T23:00:00.000000Z", "leaving", "d"); /* it doesn't say */
	write_record(bench, 0, "29T08:00:00.000000Z", "leaving", "e");
	const struct recount_user *alice = recount(bench);
	assert_int_equal(alice->messages, 2);
	assert_int_equal(alice->ends_s, TODAY + 29U * 3600U);
	assert_int_equal(alice->bytes, 1010); /* of "a" and "e" */
	assert_false(recount_has_charge(bench->recount, SPAN("alice@example.com"), SPAN("c")));
}

/* No day ends within 22 hours of the one before: it was begun anew in another zone after a loss, and is the same. */
static void a_day_whose_end_was_put_off_is_one(void **state)
{
	struct bench *bench = *state;
	bench->now_s = TODAY + 12U * 3600U;
	write_charged(bench, "28T23:00:00.000000Z", "a", "2026-11-29T11:00:00Z");
	write_charged(bench, "29T01:00:00.000000Z", "b", "2026-11-30T00:00:00Z");
	assert_int_equal(recount(bench)->messages, 2);
}

/* Redis's clock may step back into it. */
static void a_last_day_that_is_over_counts_with_its_end(void **state)
{
	struct bench *bench = *state;
	bench->now_s = TODAY + 60;
	write_charged(bench, "27T08:00:00.000000Z", "a", "2026-11-28T00:00:00Z");
	write_charged(bench, "28T08:00:00.000000Z", "b", "2026-11-29T00:00:00Z");
	write_charged(bench, "28T09:00:00.000000Z", "c", "2026-11-29T00:00:00Z");
	const struct recount_user *alice = recount(bench);
	const struct recount_user *team = recount_enter(bench->recount, SPAN("\tteam"));
	assert_int_equal(alice->messages, 2);
	assert_int_equal(alice->bytes, 20);
	assert_int_equal(alice->ends_s, TODAY);
	assert_int_equal(alice->passwords->messages, 2);
	assert_int_equal(team->messages, 2);
	assert_int_equal(team->ends_s, TODAY);
	assert_false(recount_has_charge(bench->recount, SPAN("alice@example.com"), SPAN("a")));
	assert_true(recount_has_charge(bench->recount, SPAN("\tteam"), SPAN("b")));
}

static void a_day_that_is_over_is_not_the_last_one_when_something_is_of_today(void **state)
{
	struct bench *bench = *state;
	bench->now_s = TODAY + 60;
	write_charged(bench, "28T08:00:00.000000Z", "a", "2026-11-29T00:00:00Z");
	write_record(bench, 0, "29T00:00:30.000000Z", "leaving", "b"); /* it doesn't say */
	const struct recount_user *alice = recount(bench);
	assert_int_equal(alice->messages, 1);
	assert_int_equal(alice->bytes, 1000);
	assert_int_equal(alice->ends_s, 0);
	assert_false(recount_has_charge(bench->recount, SPAN("alice@example.com"), SPAN("a")));
}

/* Its end came nearer once the clock was right again: it may be today. */
static void a_day_that_ends_in_a_year_hides_none(void **state)
{
	struct bench *bench = *state;
	bench->now_s = TODAY + 60;
	write_charged(bench, "28T08:00:00.000000Z", "a", "2027-11-29T00:00:00Z");
	write_charged(bench, "29T00:00:30.000000Z", "b", "2026-11-30T00:00:00Z");
	const struct recount_user *alice = recount(bench);
	assert_int_equal(alice->messages, 2);
	assert_int_equal(alice->ends_s, TODAY + 86400U);
}

static void files_may_come_in_any_order(void **state)
{
	struct bench *bench = *state;
	write_record(bench, 1, "29T08:00:00.000000Z", "leaving", "a");
	write_record(bench, 0, "29T08:00:01.000000Z", "failed", "a");
	write_record(bench, 1, "29T08:00:00.000000Z", "leaving", "b");
	write_record(bench, 0, "29T08:00:01.000000Z", "sent", "b");
	assert_int_equal(recount(bench)->messages, 1);
}

static void what_is_no_record_is_skipped(void **state)
{
	struct bench *bench = *state;
	static const char *const lines[] = {
		"",
		"{",
		"{\"ts\":\"2026-11-29T08:00:00.000000Z\",\"type\":\"message.sent\"}",
		"{\"ts\":\"2026-11-29T08:00:00.000000Z\",\"type\":\"message.leaving\",\"message\":\"x\"}",
		"{\"ts\":\"2026-11-29T08:00:00.000000Z\",\"type\":\"message.leaving\",\"message\":\"y\",\"user\":7,"
		"\"rcpt_to\":{},\"size\":\"a\"}",
		"{\"ts\":\"2026-11-29T08:00:00.000000Z\",\"type\":\"message.leaving\",\"message\":\"z\",\"user\":\"ali",
		"{\"ts\":\"2026-11-29T08:00:00.000000Z\",\"type\":\"auth.success\",\"user\":\"alice@example.com\"}",
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		write_line(bench, 0, lines[i]);
	assert_int_equal(recount(bench)->messages, 0);
	assert_int_equal(bench->users, 0);
}

/* A writer that appends moves the descriptor's own place. */
static void it_can_be_read_while_it_is_written(void **state)
{
	struct bench *bench = *state;
	char id[16];
	for (int i = 0; i < 20000; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		write_record(bench, 0, "29T08:00:00.000000Z", "leaving", id);
	}
	const struct recount_options options = {
		.fds = bench->fds, .count = FILES, .since_s = TODAY, .on_done = on_done, .context = bench
	};
	assert_int_equal(recount_start(bench->loop, &options, &bench->recount), STATUS_OK);
	for (int i = 0; i < 2000; i++)
		write_line(bench, 0, "{}");
	run_until(bench->loop, is_done, bench);
	assert_int_equal(recount_enter(bench->recount, SPAN("alice@example.com"))->messages, 20000);
}

static void it_can_be_given_up(void **state)
{
	struct bench *bench = *state;
	const struct recount_options options = {
		.fds = bench->fds, .count = FILES, .since_s = TODAY, .on_done = on_done, .context = bench
	};
	assert_int_equal(recount_start(bench->loop, &options, &bench->recount), STATUS_OK);
	recount_free(&bench->recount);
	run_for(bench->loop, 20);
	assert_false(bench->is_done);
}

#ifndef SUBGATE_SANITIZED

static json_malloc_t allocate;

/* Of any thread, jansson's allocations alone. */
static void *allocate_for_json(size_t size)
{
	memory_counts = true;
	void *memory = allocate(size);
	memory_counts = false;
	return memory;
}

/* Each of jansson's allocations fails once: none takes a message, or a letter of a name, out of the count. */
static void nothing_is_left_out_for_want_of_memory(void **state)
{
	struct bench *bench = *state;
	const struct recount_options options = {
		.fds = bench->fds, .count = FILES, .since_s = TODAY, .on_done = on_done, .context = bench
	};
	json_free_t release;
	write_record(bench, 0, "29T10:00:00.000000Z", "leaving", "m1");
	write_record(bench, 0, "29T10:00:01.000000Z", "sent", "m1");
	json_get_alloc_funcs(&allocate, &release);
	json_set_alloc_funcs(allocate_for_json, release);
	bool has_failed = true;
	for (unsigned long n = 1; has_failed; n++) {
		bench->is_done = false;
		memory_left = n;
		assert_int_equal(recount_start(bench->loop, &options, &bench->recount), STATUS_OK);
		run_until(bench->loop, is_done, bench);
		has_failed = memory_left == 0;
		memory_left = 0;
		assert_int_equal(bench->status, has_failed ? STATUS_NO_MEMORY : STATUS_OK);
		if (!has_failed)
			assert_int_equal(recount_enter(bench->recount, SPAN("alice@example.com"))->messages, 1);
		recount_free(&bench->recount);
	}
	json_set_alloc_funcs(allocate, release);
}

#endif

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(what_was_sent_counts_as_it_was_charged),
		WITH_BENCH(what_members_share_counts_as_theirs_and_as_shared),
		WITH_BENCH(a_record_of_before_names_nothing_shared),
		WITH_BENCH(mail_of_the_relay_itself_counts_for_nobody),
		WITH_BENCH(what_failed_does_not_count_unless_another_try_succeeded),
		WITH_BENCH(what_is_leaving_counts),
		WITH_BENCH(the_day_before_does_not_count),
		WITH_BENCH(what_was_charged_to_a_day_that_is_not_over_counts_whenever_it_left),
		WITH_BENCH(a_day_whose_end_was_put_off_is_one),
		WITH_BENCH(a_last_day_that_is_over_counts_with_its_end),
		WITH_BENCH(a_day_that_is_over_is_not_the_last_one_when_something_is_of_today),
		WITH_BENCH(a_day_that_ends_in_a_year_hides_none),
		WITH_BENCH(files_may_come_in_any_order),
		WITH_BENCH(what_is_no_record_is_skipped),
		WITH_BENCH(it_can_be_read_while_it_is_written),
		WITH_BENCH(it_can_be_given_up),
#ifndef SUBGATE_SANITIZED
		WITH_BENCH(nothing_is_left_out_for_want_of_memory),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
