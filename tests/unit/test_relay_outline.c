/* A search of the audit with an outline finds what one without it finds, whatever the files hold and become. */
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/reader/outline.h"
#include "relay/recent.h"
#include "tests/unit/with_loop.h"

#define FILES 2
#define LOCKED "{\"ts\":\"2026-11-29T10:00:00.000000Z\",\"type\":\"user.locked\""
#define RECORDS 6000 /* some ten blocks */

struct bench {
	struct loop *loop;
	char folder[48];
	int fds[FILES];
	struct outline *outline;
	struct recent *recent;
	bool is_done;
	unsigned number; /* of the last record */
};

static void on_done(void *context, enum status status)
{
	struct bench *bench = context;
	assert_int_equal(status, STATUS_OK);
	bench->is_done = true;
}

static bool is_done(void *context)
{
	return ((struct bench *)context)->is_done;
}

static int open_file(const struct bench *bench, int number)
{
	char path[80];
	snprintf(path, sizeof(path), "%s/%d", bench->folder, number);
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(outline_create(&bench->outline), STATUS_OK);
	snprintf(bench->folder, sizeof(bench->folder), "/tmp/subgate-outline-XXXXXX");
	assert_non_null(mkdtemp(bench->folder));
	for (int i = 0; i < FILES; i++)
		bench->fds[i] = open_file(bench, i);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	char line[80];
	recent_free(&bench->recent);
	outline_free(&bench->outline);
	loop_free(bench->loop);
	for (int i = 0; i < FILES; i++)
		close(bench->fds[i]);
	snprintf(line, sizeof(line), "rm -r %s", bench->folder);
	assert_int_equal(system(line), 0);
	free(bench);
	return 0;
}

/* ---- files */

/* `more` are further members, each with a comma before it. */
static void write_record(struct bench *bench, int file, const char *type, const char *user, const char *more)
{
	unsigned number = ++bench->number;
	assert_true(dprintf(bench->fds[file],
			    "{\"ts\":\"2026-11-29T10:%02u:%02u.000000Z\",\"type\":\"%s\",\"session\":\"S%u\","
			    "\"message\":\"M%u\",\"user\":\"%s\",\"user_id\":\"corp:%s\",\"helo\":\"%0300d\"%s}\n",
			    number / 60 % 60, number % 60, type, number / 5, number, user, user, 0, more) > 0);
}

static void write_usual(struct bench *bench, int file, unsigned count)
{
	char user[32];
	for (unsigned i = 0; i < count; i++) {
		snprintf(user, sizeof(user), "user%u@example.com", i % 50);
		write_record(bench, file, i % 2 ? "message.sent" : "auth.success", user, "");
	}
}

/* ---- searches */

static json_t *search_audit(struct bench *bench, const char *request, struct outline *outline)
{
	json_t *asked = json_loads(request, 0, NULL);
	const char *fault;
	const struct recent_options options = {
		.fds = bench->fds,
		.count = FILES,
		.request = asked,
		.outline = outline,
		.on_done = on_done,
		.context = bench,
	};
	assert_non_null(asked);
	bench->is_done = false;
	assert_int_equal(recent_start(bench->loop, &options, &bench->recent, &fault), STATUS_OK);
	json_decref(asked);
	run_until(bench->loop, is_done, bench);
	struct span text = recent_answer(bench->recent);
	json_t *answer = json_loadb(text.data, text.size, 0, NULL);
	assert_non_null(answer);
	recent_free(&bench->recent);
	return answer;
}

/* So many, with the outline as without it, and once more when all of its blocks are known. */
static void expect_alike(struct bench *bench, const char *request, size_t count)
{
	json_t *whole = search_audit(bench, request, NULL);
	assert_int_equal(json_array_size(json_object_get(whole, "records")), count);
	for (unsigned i = 0; i < 2; i++) {
		json_t *outlined = search_audit(bench, request, bench->outline);
		if (!json_equal(whole, outlined))
			fail_msg("%s", request);
		json_decref(outlined);
	}
	json_decref(whole);
}

/* How many blocks of a file such a search passes over. */
static unsigned count_passed(struct bench *bench, size_t file, const char *request)
{
	struct query query;
	const char *fault;
	unsigned count = 0;
	json_t *asked = json_loads(request, 0, NULL);
	assert_int_equal(query_read(asked, &query, &fault), STATUS_OK);
	assert_int_equal(outline_begin(bench->outline, bench->fds, FILES), STATUS_OK);
	for (uint64_t block = 0; block < 64; block++)
		count += outline_lacks(bench->outline, file, block, &query);
	query_free(&query);
	json_decref(asked);
	return count;
}

static unsigned count_blocks(const struct bench *bench, size_t file)
{
	struct stat about;
	assert_int_equal(fstat(bench->fds[file], &about), 0);
	return (unsigned)((uint64_t)about.st_size / OUTLINE_BLOCK_SIZE);
}

/* ---- cases */

static void what_is_rare_is_found_without_reading_the_rest(void **state)
{
	struct bench *bench = *state;
	static const char *const requests[] = { "{\"result\":\"user.locked\"}", "{\"user\":\"ANNA@example.com\"}",
						"{\"user\":\"corp:anna@example.com\"}", "{\"id\":\"m6001\"}",
						"{\"id\":\"M6001\",\"user\":\"anna@example.com\"}" };
	write_usual(bench, 0, RECORDS);
	write_record(bench, 0, "user.locked", "anna@example.com", "");
	write_usual(bench, 0, RECORDS);
	write_usual(bench, 1, RECORDS);
	assert_true(count_blocks(bench, 0) > 15);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		expect_alike(bench, requests[i], 1);
		for (size_t file = 0; file < FILES; file++)
			assert_true(count_passed(bench, file, requests[i]) >= count_blocks(bench, file) * 3 / 4);
	}
	expect_alike(bench, "{\"id\":\"nobody's\"}", 0);
	expect_alike(bench, "{\"user\":\"anna@example.com\",\"result\":\"sent\"}", 0);
	expect_alike(bench, "{\"user\":\"user7@example.com\",\"limit\":500}", 6000 / 50 * 3);
	expect_alike(bench, "{\"result\":\"sent\",\"limit\":33}", 33);
	expect_alike(bench, "{\"text\":\"anna\"}", 1);
	assert_int_equal(count_passed(bench, 0, "{\"text\":\"anna\"}"), 0);
}

/* One session's records, of which each place in a block is some record's. */
static void a_record_on_the_edge_of_a_block_is_found(void **state)
{
	struct bench *bench = *state;
	char request[64];
	write_usual(bench, 0, 2000);
	for (unsigned number = 1; number <= 2000; number++) {
		snprintf(request, sizeof(request), "{\"id\":\"M%u\"}", number);
		json_t *answer = search_audit(bench, request, bench->outline);
		assert_int_equal(json_array_size(json_object_get(answer, "records")), 1);
		json_decref(answer);
	}
}

static void pages_go_on_across_what_is_passed_over(void **state)
{
	struct bench *bench = *state;
	char request[160] = "{\"user\":\"anna@example.com\",\"limit\":2}", found[64] = "";
	for (unsigned i = 0; i < 5; i++) {
		write_usual(bench, i < 3 ? 0 : 1, RECORDS / 2);
		write_record(bench, i < 3 ? 0 : 1, "message.sent", "anna@example.com", "");
	}
	for (unsigned page = 0; page < 3; page++) {
		size_t i;
		json_t *record, *answer = search_audit(bench, request, bench->outline);
		json_array_foreach(json_object_get(answer, "records"), i, record)
		{
			snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s ",
				 json_string_value(json_object_get(record, "message")));
		}
		const char *older = json_string_value(json_object_get(answer, "older"));
		assert_true((page < 2) == (older != NULL));
		snprintf(request, sizeof(request), "{\"user\":\"anna@example.com\",\"limit\":2,\"older\":\"%s\"}",
			 older ? older : "");
		json_decref(answer);
	}
	assert_string_equal(found, "M15005 M12004 M9003 M6002 M3001 ");
}

/* However a program may write JSON; and what no program writes hides nothing. */
static void no_way_to_write_a_name_hides_it(void **state)
{
	struct bench *bench = *state;
	static const char *const lines[] = {
		LOCKED ",\"user\":\"DOMAIN\\\\anna\"}",
		LOCKED ",\"us\\u0065r\":\"anna\"}",
		LOCKED ",\"x\":\"anna\",\"user\":\"\\u0061nna\"}",
		"{ \"ts\": \"2026-11-29T10:00:00.000000Z\" ,\t\"type\":\t\"user.locked\" , \"user\" :\t\"anna\" }\r",
		LOCKED ",\"x\":{\"user\":\"b\"},\"user\":\"anna\"}",
		LOCKED ",\"x\":\"\\\\\\\"\",\"user\":\"anna\"}",
		LOCKED ",\"x\":[\"user\"],\"user\":\"anna\"}",
	};
	write_usual(bench, 0, RECORDS);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_true(dprintf(bench->fds[0], "no \\record\"\n\"\n{\"user\":\n%s\n", lines[i]) > 0);
		write_usual(bench, 0, 1000);
	}
	expect_alike(bench, "{\"user\":\"anna\"}", 6);
	expect_alike(bench, "{\"user\":\"domain\\\\ANNA\"}", 1);
	expect_alike(bench, "{\"result\":\"user.locked\"}", 7);
}

static void a_line_of_many_blocks_hides_nothing(void **state)
{
	struct bench *bench = *state;
	size_t size = 3 * OUTLINE_BLOCK_SIZE;
	char *more = malloc(size + 16);
	snprintf(more, size + 16, ",\"x\":\"%0*d\"", (int)size, 0);
	write_record(bench, 0, "user.locked", "anna@example.com", "");
	write_usual(bench, 0, 1000);
	write_record(bench, 0, "user.locked", "anna@example.com", more);
	write_record(bench, 0, "user.locked", "anna@example.com", "");
	write_usual(bench, 0, 1000);
	more[20000] = '\0';
	more[19999] = '"';
	write_record(bench, 0, "user.locked", "anna@example.com", more);
	write_usual(bench, 0, 1000);
	free(more);
	expect_alike(bench, "{\"user\":\"anna@example.com\"}", 3);
}

static void what_is_written_since_is_found(void **state)
{
	struct bench *bench = *state;
	for (unsigned i = 1; i <= 40; i++) {
		write_usual(bench, 1, 300);
		assert_true(dprintf(bench->fds[1], "%s", "{\"ts\":\"2026-11-29T10:00:00.000000Z\",") > 0);
		expect_alike(bench, "{\"user\":\"anna@example.com\"}", i - 1);
		assert_true(dprintf(bench->fds[1], "%s", "\"type\":\"message.sent\",\"user\":\"anna@example.com\"}\n") >
			    0);
		expect_alike(bench, "{\"user\":\"anna@example.com\"}", i);
	}
}

/* A rotation that copies and cuts, another file in its place, files that change places. */
static void no_file_is_taken_for_another(void **state)
{
	struct bench *bench = *state;
	write_usual(bench, 0, RECORDS);
	write_usual(bench, 1, RECORDS);
	expect_alike(bench, "{\"user\":\"anna@example.com\"}", 0);
	assert_true(count_passed(bench, 0, "{\"user\":\"anna@example.com\"}") > 5);
	assert_int_equal(ftruncate(bench->fds[0], 0), 0);
	write_record(bench, 0, "message.sent", "anna@example.com", "");
	write_usual(bench, 0, RECORDS);
	expect_alike(bench, "{\"user\":\"anna@example.com\"}", 1);

	assert_int_equal(dup3(open_file(bench, FILES), bench->fds[1], O_CLOEXEC), bench->fds[1]);
	write_usual(bench, 1, RECORDS / 2);
	write_record(bench, 1, "message.sent", "anna@example.com", "");
	write_usual(bench, 1, RECORDS / 2);
	expect_alike(bench, "{\"user\":\"anna@example.com\"}", 2);

	int first = bench->fds[0];
	bench->fds[0] = bench->fds[1];
	bench->fds[1] = first;
	expect_alike(bench, "{\"user\":\"anna@example.com\"}", 2);
	assert_int_equal(ftruncate(bench->fds[0], (off_t)OUTLINE_BLOCK_SIZE), 0);
	expect_alike(bench, "{\"user\":\"anna@example.com\"}", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_rare_is_found_without_reading_the_rest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_record_on_the_edge_of_a_block_is_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(pages_go_on_across_what_is_passed_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_way_to_write_a_name_hides_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_line_of_many_blocks_hides_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_written_since_is_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_file_is_taken_for_another, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
