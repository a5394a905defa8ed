/* The newest records of the audit that match, out of its files. */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "relay/recent.h"
#include "tests/unit/with_loop.h"

#define FILES 2

struct bench {
	struct loop *loop;
	char folder[48];
	int fds[FILES];
	struct recent *recent;
	bool is_done;
	enum status status;
	uint64_t limit_ms;
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
	snprintf(bench->folder, sizeof(bench->folder), "/tmp/subgate-recent-XXXXXX");
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
	recent_free(&bench->recent);
	loop_free(bench->loop);
	for (int i = 0; i < FILES; i++)
		close(bench->fds[i]);
	snprintf(line, sizeof(line), "rm -r %s", bench->folder);
	assert_int_equal(system(line), 0);
	free(bench);
	return 0;
}

static void write_record(const struct bench *bench, int file, unsigned second, const char *type, const char *user)
{
	assert_true(dprintf(bench->fds[file],
			    "{\"ts\":\"2026-11-29T10:00:%02u.000000Z\",\"type\":\"%s\",\"node\":\"one\",\"message\":"
			    "\"M%u\",\"user\":\"%s\"}\n",
			    second, type, second, user) > 0);
}

static enum status begin(struct bench *bench, const char *request, bool only_outcomes, const char **out_fault)
{
	json_t *asked = json_loads(request, 0, NULL);
	const struct recent_options options = {
		.fds = bench->fds,
		.count = FILES,
		.request = asked,
		.only_outcomes = only_outcomes,
		.limit_ms = bench->limit_ms,
		.on_done = on_done,
		.context = bench,
	};
	assert_non_null(asked);
	bench->is_done = false;
	enum status status = recent_start(bench->loop, &options, &bench->recent, out_fault);
	json_decref(asked);
	return status;
}

static json_t *read_answer(const struct bench *bench)
{
	struct span text = recent_answer(bench->recent);
	json_t *answer = json_loadb(text.data, text.size, 0, NULL);
	assert_true(json_is_true(json_object_get(answer, "ok")));
	return answer;
}

/* The ids of what is found, in their order, and "+" if there may be more. */
static void expect_found(struct bench *bench, const char *request, bool only_outcomes, const char *ids)
{
	char found[256] = "";
	int size = 0;
	const char *fault;
	size_t i;
	json_t *record;
	assert_int_equal(begin(bench, request, only_outcomes, &fault), STATUS_OK);
	run_until(bench->loop, is_done, bench);
	assert_int_equal(bench->status, STATUS_OK);
	json_t *answer = read_answer(bench);
	json_array_foreach(json_object_get(answer, "records"), i, record)
	{
		const char *id = json_string_value(json_object_get(record, "message"));
		size += snprintf(found + size, sizeof(found) - (size_t)size, "%s ", id);
	}
	if (json_is_true(json_object_get(answer, "more")))
		snprintf(found + size, sizeof(found) - (size_t)size, "+");
	json_decref(answer);
	recent_free(&bench->recent);
	assert_string_equal(found, ids);
}

static void the_newest_come_first_through_all_files(void **state)
{
	struct bench *bench = *state;
	write_record(bench, 0, 1, "message.sent", "a@example.com");
	write_record(bench, 0, 2, "message.refused", "b@example.com");
	write_record(bench, 1, 3, "message.leaving", "a@example.com");
	write_record(bench, 1, 4, "message.failed", "a@example.com");
	write_record(bench, 1, 5, "auth.failure", "a@example.com");
	expect_found(bench, "{}", true, "M4 M2 M1 ");
	write_record(bench, 1, 6, "audit.checkpoint", "");
	expect_found(bench, "{}", false, "M5 M4 M2 M1 ");
	expect_found(bench, "{\"id\":\"M3\"}", false, "M3 ");
	expect_found(bench, "{\"result\":\"audit.checkpoint\"}", false, "M6 ");
	expect_found(bench, "{\"user\":\"A@example.com\"}", true, "M4 M1 ");
	expect_found(bench, "{\"user\":\"a@example.co\"}", true, "");
	expect_found(bench, "{\"result\":\"refused\"}", false, "M2 ");
	expect_found(bench, "{\"limit\":2}", false, "M5 M4 +");
	expect_found(bench, "{\"limit\":4}", false, "M5 M4 M2 M1 ");
}

/* Page after page; new records, and a file that got another name, change nothing of what is older. */
static void a_search_goes_on_where_another_ended(void **state)
{
	struct bench *bench = *state;
	static const char *const pages[] = { "M6 M5 ", "M4 M3 ", "M2 M1 " };
	char request[128] = "{\"limit\":2}", found[64];
	for (unsigned i = 1; i <= 6; i++)
		write_record(bench, i <= 3 ? 0 : 1, i, "message.sent", "a@example.com");
	for (size_t page = 0; page < 3; page++) {
		const char *fault;
		int size = 0;
		size_t i;
		json_t *record;
		assert_int_equal(begin(bench, request, false, &fault), STATUS_OK);
		run_until(bench->loop, is_done, bench);
		json_t *answer = read_answer(bench);
		json_array_foreach(json_object_get(answer, "records"), i, record)
		{
			size += snprintf(found + size, sizeof(found) - (size_t)size, "%s ",
					 json_string_value(json_object_get(record, "message")));
		}
		assert_string_equal(found, pages[page]);
		const char *older = json_string_value(json_object_get(answer, "older"));
		assert_true((page < 2) == (older != NULL));
		assert_true((page < 2) == json_is_true(json_object_get(answer, "more")));
		snprintf(request, sizeof(request), "{\"limit\":2,\"older\":\"%s\"}", older ? older : "");
		json_decref(answer);
		recent_free(&bench->recent);
		write_record(bench, 1, 7, "message.sent", "a@example.com");
	}
}

static void what_is_no_place_in_a_file_is_refused(void **state)
{
	struct bench *bench = *state;
	static const char *const places[] = { "x", "1", "1-", "-1", "1-x", "0-0", "99999999999-1", "1-1-1" };
	char request[96];
	struct stat about;
	write_record(bench, 1, 1, "message.sent", "a@example.com");
	assert_int_equal(fstat(bench->fds[1], &about), 0);
	for (size_t i = 0; i <= sizeof(places) / sizeof(places[0]); i++) {
		const char *fault = NULL;
		if (i < sizeof(places) / sizeof(places[0]))
			snprintf(request, sizeof(request), "{\"older\":\"%s\"}", places[i]);
		else
			snprintf(request, sizeof(request), "{\"older\":\"%llu-%llu\"}",
				 (unsigned long long)about.st_ino, (unsigned long long)about.st_size + 1);
		assert_int_equal(begin(bench, request, false, &fault), STATUS_INVALID);
		assert_string_equal(fault, "what is older is in no file that can be read here");
	}
}

static void a_record_that_fits_into_no_answer_keeps_none_from_those_before(void **state)
{
	struct bench *bench = *state;
	static char user[600U << 10];
	memset(user, 'a', sizeof(user) - 1);
	write_record(bench, 0, 1, "message.sent", "a@example.com");
	write_record(bench, 1, 2, "message.sent", user);
	write_record(bench, 1, 3, "message.sent", "a@example.com");
	expect_found(bench, "{}", false, "M3 M1 +");
}

static void what_is_being_written_or_is_no_record_is_left_out(void **state)
{
	struct bench *bench = *state;
	write_record(bench, 1, 1, "message.sent", "a@example.com");
	assert_true(dprintf(bench->fds[1], "\nno record\n{\"ts\":1}\n") > 0);
	write_record(bench, 1, 2, "message.sent", "a@example.com");
	assert_true(dprintf(bench->fds[1], "{\"ts\":\"2026-11-29T10:00:03.000000Z\",\"type\":\"message.se") > 0);
	expect_found(bench, "{}", true, "M2 M1 ");
}

static void a_packed_file_is_left_out_and_that_is_told(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(write(bench->fds[0], "\x1f\x8b\x08\0\0\0\0\0", 8), 8);
	write_record(bench, 1, 1, "message.sent", "a@example.com");
	expect_found(bench, "{}", true, "M1 +");
}

/* Where a search is to begin is of one file, and of no other. */
static void a_place_in_a_packed_file_is_taken_for_none_in_the_next(void **state)
{
	struct bench *bench = *state;
	char request[96];
	struct stat about;
	write_record(bench, 0, 1, "message.sent", "a@example.com");
	assert_int_equal(write(bench->fds[1], "\x1f\x8b\x08\0\0\0\0\0", 8), 8);
	assert_int_equal(ftruncate(bench->fds[1], 4096), 0);
	assert_int_equal(fstat(bench->fds[1], &about), 0);
	for (int end = 8; end <= 4096; end += 4088) {
		snprintf(request, sizeof(request), "{\"older\":\"%llu-%d\"}", (unsigned long long)about.st_ino, end);
		expect_found(bench, request, true, "M1 +");
	}
}

static void an_answer_fits_into_a_frame(void **state)
{
	struct bench *bench = *state;
	char user[2048];
	memset(user, 'a', sizeof(user) - 1);
	user[sizeof(user) - 1] = '\0';
	for (unsigned i = 0; i < 400; i++)
		write_record(bench, 1, i % 60, "message.sent", user);
	const char *fault;
	assert_int_equal(begin(bench, "{\"limit\":500}", true, &fault), STATUS_OK);
	run_until(bench->loop, is_done, bench);
	json_t *answer = read_answer(bench);
	assert_true(recent_answer(bench->recent).size < 600U << 10);
	assert_true(json_array_size(json_object_get(answer, "records")) > 200);
	assert_true(json_is_true(json_object_get(answer, "more")));
	json_decref(answer);
}

/* So that the loop, which mail waits for, writes none of them anew. */
static void a_record_is_answered_as_it_stands_in_the_file(void **state)
{
	static const char record[] =
		"{\"ts\": \"2026-11-29T10:00:01.000000Z\", \"type\": \"message.sent\", \"size\": 1.50}";
	struct bench *bench = *state;
	const char *fault;
	char wanted[512];
	assert_true(dprintf(bench->fds[1], "%s\n%s\n", record, record) > 0);
	assert_int_equal(begin(bench, "{}", true, &fault), STATUS_OK);
	run_until(bench->loop, is_done, bench);
	snprintf(wanted, sizeof(wanted), "{\"ok\":true,\"records\":[%s,%s]}", record, record);
	assert_true(span_equal(recent_answer(bench->recent), span_of(wanted)));
}

static void so_far_back_and_no_further(void **state)
{
	struct bench *bench = *state;
	static char filler[1U << 20];
	write_record(bench, 0, 1, "message.sent", "a@example.com");
	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\n';
	for (unsigned i = 0; i < 15; i++)
		assert_int_equal(write(bench->fds[1], filler, sizeof(filler)), sizeof(filler));
	expect_found(bench, "{}", true, "M1 ");
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(write(bench->fds[1], filler, sizeof(filler)), sizeof(filler));
	expect_found(bench, "{}", true, "+");
	expect_found(bench, "{}", false, "M1 ");
}

/* Where the time is over, another search goes on, and all of them together find all. */
static void so_long_and_no_longer(void **state)
{
	struct bench *bench = *state;
	static char filler[1U << 20];
	write_record(bench, 0, 1, "message.sent", "a@example.com");
	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\n';
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(write(bench->fds[1], filler, sizeof(filler)), sizeof(filler));
	write_record(bench, 1, 2, "message.sent", "b@example.com");
	expect_found(bench, "{}", false, "M2 M1 ");
	bench->limit_ms = 1;
	expect_found(bench, "{}", false, "M2 +");
	char request[128] = "{}";
	unsigned searches = 0, found = 0;
	for (bool has_more = true; has_more; searches++) {
		const char *fault;
		assert_int_equal(begin(bench, request, false, &fault), STATUS_OK);
		run_until(bench->loop, is_done, bench);
		json_t *answer = read_answer(bench);
		recent_free(&bench->recent);
		found += (unsigned)json_array_size(json_object_get(answer, "records"));
		const char *older = json_string_value(json_object_get(answer, "older"));
		has_more = older != NULL;
		snprintf(request, sizeof(request), "{\"older\":\"%s\"}", older ? older : "");
		json_decref(answer);
	}
	assert_int_equal(found, 2);
	assert_in_range(searches, 2, 3); /* 16 MiB each at least */
}

static void what_cant_be_searched_for_is_told(void **state)
{
	struct bench *bench = *state;
	const char *fault = NULL;
	assert_int_equal(begin(bench, "{\"client\":\"nowhere\"}", false, &fault), STATUS_INVALID);
	assert_non_null(fault);
	assert_null(bench->recent);
}

static void a_search_can_be_given_up_at_any_time(void **state)
{
	struct bench *bench = *state;
	const char *fault;
	for (unsigned i = 0; i < 1000; i++)
		write_record(bench, 1, i % 60, "message.sent", "a@example.com");
	assert_int_equal(begin(bench, "{\"text\":\"nothing like it\"}", false, &fault), STATUS_OK);
	recent_free(&bench->recent);
	assert_false(bench->is_done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_newest_come_first_through_all_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_search_goes_on_where_another_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_place_in_a_file_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_record_that_fits_into_no_answer_keeps_none_from_those_before, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_being_written_or_is_no_record_is_left_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_packed_file_is_left_out_and_that_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_place_in_a_packed_file_is_taken_for_none_in_the_next, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(an_answer_fits_into_a_frame, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_record_is_answered_as_it_stands_in_the_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(so_far_back_and_no_further, set_up, tear_down),
		cmocka_unit_test_setup_teardown(so_long_and_no_longer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_cant_be_searched_for_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_search_can_be_given_up_at_any_time, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
