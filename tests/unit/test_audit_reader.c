/* The audit's files read again: their lines, plain and packed, in both directions, and what is searched for in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "audit/reader/lines.h"
#include "audit/reader/record.h"
#include "audit/reader/walk.h"

#define SEEN_SIZE 4096
#define PACKED_SIZE 8192

static char seen[SEEN_SIZE]; /* one letter, or the whole, of what came, each with a blank */

static int open_temporary(const void *bytes, size_t size)
{
	FILE *file = tmpfile();
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fflush(file), 0);
	int fd = dup(fileno(file));
	fclose(file);
	assert_true(fd >= 0);
	return fd;
}

static void add_seen(struct span text)
{
	size_t used = strlen(seen);
	snprintf(seen + used, sizeof(seen) - used, "%.*s ", SPAN_ARGS(text));
}

static enum status read_all(struct lines *lines)
{
	struct span line;
	enum status status;
	seen[0] = '\0';
	while ((status = lines_next(lines, &line)) == STATUS_OK)
		add_seen(line.size > 16 ? span_slice(line, 0, 1) : line);
	assert_int_equal(status == STATUS_END ? lines_next(lines, &line) : STATUS_END, STATUS_END);
	lines_close(&lines);
	return status;
}

static enum status read_forward(int fd)
{
	struct lines *lines;
	assert_int_equal(lines_open(fd, &lines), STATUS_OK);
	return read_all(lines);
}

static enum status read_backward(int fd)
{
	struct lines *lines;
	assert_int_equal(lines_open_backward(fd, &lines), STATUS_OK);
	return read_all(lines);
}

static size_t pack_gzip(struct span text, unsigned char out[PACKED_SIZE])
{
	z_stream stream = { 0 };
	assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	stream.next_in = (unsigned char *)(uintptr_t)text.data;
	stream.avail_in = (uInt)text.size;
	stream.next_out = out;
	stream.avail_out = PACKED_SIZE;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	deflateEnd(&stream);
	return PACKED_SIZE - stream.avail_out;
}

static size_t pack_zstd(struct span text, unsigned char out[PACKED_SIZE])
{
	size_t size = ZSTD_compress(out, PACKED_SIZE, text.data, text.size, 3);
	assert_false(ZSTD_isError(size));
	return size;
}

/* ---- lines */

static const struct {
	const char *text, *forward, *backward;
} files[] = {
	{ "", "", "" },
	{ "\n\n", "", "" },
	{ "a\nb\nc\n", "a b c ", "c b a " },
	{ "a\n\nb", "a b ", "b a " },
	{ "one", "one ", "one " },
};

static void lines_come_in_both_directions(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int fd = open_temporary(files[i].text, strlen(files[i].text));
		assert_int_equal(read_forward(fd), STATUS_END);
		assert_string_equal(seen, files[i].forward);
		assert_int_equal(read_backward(fd), STATUS_END);
		assert_string_equal(seen, files[i].backward);
		close(fd);
	}
}

/* Longer than a window, and longer than any record: that one is left out, and nothing beside it. */
static void long_lines_are_whole_and_endless_ones_left_out(void **state)
{
	(void)state;
	const size_t large = 3U << 20, endless = LINES_LINE_MAXIMUM + (1U << 20);
	size_t size = 2 + large + 1 + endless + 1 + 2;
	char *text = malloc(size);
	assert_non_null(text);
	memset(text, 'x', size);
	text[0] = 'a';
	text[1] = text[2 + large] = text[3 + large + endless] = text[size - 1] = '\n';
	text[2] = 'L';
	text[size - 2] = 'z';
	int fd = open_temporary(text, size);
	assert_int_equal(read_forward(fd), STATUS_END);
	assert_string_equal(seen, "a L z ");
	assert_int_equal(read_backward(fd), STATUS_END);
	assert_string_equal(seen, "z L a ");
	close(fd);
	free(text);
}

static void packed_files_are_unpacked_by_what_they_are(void **state)
{
	(void)state;
	size_t (*const packers[])(struct span, unsigned char *) = { pack_gzip, pack_zstd };
	for (size_t i = 0; i < sizeof(packers) / sizeof(packers[0]); i++) {
		unsigned char packed[2 * PACKED_SIZE];
		size_t size = packers[i](SPAN("a\nb\nc"), packed);
		size_t second = packers[i](SPAN("d\ne\n"), packed + size);
		int fd = open_temporary(packed, size + second);
		assert_int_equal(read_forward(fd), STATUS_END);
		assert_string_equal(seen, "a b cd e ");
		close(fd);
		/* Cut at any place, the whole of it is never taken for read. */
		for (size_t cut = 5; cut < size; cut++) {
			fd = open_temporary(packed, cut);
			assert_int_equal(read_forward(fd), STATUS_INVALID);
			close(fd);
		}
		packed[size / 2] ^= 0x5a;
		packed[size / 2 + 1] ^= 0x5a;
		fd = open_temporary(packed, size);
		assert_true(read_forward(fd) == STATUS_INVALID || strcmp(seen, "a b c ") != 0);
		close(fd);
	}
}

/* Far more bytes than any buffer: what is unpacked may wait for room while nothing is left to read. */
static void much_may_come_of_little(void **state)
{
	(void)state;
	static unsigned char packed[PACKED_SIZE];
	size_t count = 0, size = 6U << 20;
	char *text = malloc(size);
	assert_non_null(text);
	memset(text, 'x', size);
	for (size_t i = 99; i < size; i += 100)
		text[i] = '\n';
	int fd = open_temporary(packed, pack_zstd((struct span){ text, size }, packed));
	struct lines *lines;
	struct span line;
	assert_int_equal(lines_open(fd, &lines), STATUS_OK);
	while (lines_next(lines, &line) == STATUS_OK)
		count++;
	lines_close(&lines);
	close(fd);
	free(text);
	assert_int_equal(count, (size + 99) / 100);
}

/* ---- records */

#define RECORD(ts, type, rest) "{\"ts\":\"" ts "\",\"type\":\"" type "\"" rest "}"
#define TS "2026-11-23T08:15:30.123456Z"
#define SENT                                                                                                       \
	RECORD(TS, "message.sent",                                                                                 \
	       ",\"session\":\"1-7\",\"message\":\"1M8M8QBM\",\"user\":\"anna\",\"user_id\":\"corp:77\","          \
	       "\"client_address\":\"192.0.2.7\",\"mail_from\":\"Anna@Example.com\",\"header_from\":\"a@b.c\","    \
	       "\"rcpt_to\":[{\"address\":\"bob@example.net\"},{\"address\":\"eve@example.org\"}],"                \
	       "\"message_id\":\"<x\\\"1@y>\",\"relay\":\"gmail\",\"response\":{\"code\":250,\"text\":\"OK abc - " \
	       "gsmtp\"}")

static const struct {
	const char *request;
	bool matches;
} queries[] = {
	{ "{}", true },
	{ "{\"user\":\" ANNA\"}", true },
	{ "{\"user\":\"corp:77\"}", true },
	{ "{\"user\":\"ann\"}", false },
	{ "{\"to\":\"BOB@example.net\"}", true },
	{ "{\"to\":\"@example.org\"}", true },
	{ "{\"to\":\"@ample.org\"}", false },
	{ "{\"to\":\"anna@example.com\"}", false },
	{ "{\"from\":\"anna@example.com\"}", true },
	{ "{\"from\":\"@b.c\"}", true },
	{ "{\"from\":\"bob@example.net\"}", false },
	{ "{\"result\":\"sent\"}", true },
	{ "{\"result\":\"message.sent\"}", true },
	{ "{\"result\":\"failed\"}", false },
	{ "{\"id\":\"1M8M8QBM\"}", true },
	{ "{\"id\":\"1-7\"}", true },
	{ "{\"id\":\"1M8M8QB\"}", false },
	{ "{\"message-id\":\"<x\\\"1@y>\"}", true },
	{ "{\"message-id\":\"x\\\"1@y\"}", true },
	{ "{\"message-id\":\"1@y\"}", false },
	{ "{\"relay\":\"gmail\"}", true },
	{ "{\"relay\":\"office\"}", false },
	{ "{\"upstream-id\":\"abc - gsmtp\"}", true },
	{ "{\"upstream-id\":\"anna\"}", false },
	{ "{\"client\":\"192.0.2.7\"}", true },
	{ "{\"client\":\"192.0.2.0/24\"}", true },
	{ "{\"client\":\"::ffff:192.0.2.7\"}", true },
	{ "{\"client\":\"192.0.2.0/30\"}", false },
	{ "{\"text\":\"GSMTP\"}", true },
	{ "{\"text\":\"y>\"}", true },
	{ "{\"text\":\"nowhere\"}", false },
	{ "{\"since\":1795421730}", true },
	{ "{\"since\":1795421731}", false },
	{ "{\"until\":1795421731}", true },
	{ "{\"until\":1795421730}", false },
	{ "{\"user\":\"anna\",\"relay\":\"gmail\",\"to\":\"@example.net\"}", true },
	{ "{\"user\":\"anna\",\"relay\":\"office\"}", false },
};

static void a_query_s_criteria_all_hold(void **state)
{
	(void)state;
	json_t *record = json_loads(SENT, 0, NULL);
	assert_non_null(record);
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		struct query query;
		const char *fault;
		json_t *request = json_loads(queries[i].request, 0, NULL);
		assert_int_equal(query_read(request, &query, &fault), STATUS_OK);
		bool matches = query_may_match(&query, SPAN(SENT)) && query_matches(&query, record);
		if (matches != queries[i].matches)
			fail_msg("%s", queries[i].request);
		query_free(&query);
		json_decref(request);
	}
	json_decref(record);
}

static void a_network_that_is_none_is_refused(void **state)
{
	(void)state;
	struct query query;
	const char *fault;
	json_t *request = json_loads("{\"client\":\"192.0.2.1/24\"}", 0, NULL);
	assert_int_equal(query_read(request, &query, &fault), STATUS_INVALID);
	assert_non_null(strstr(fault, "--client"));
	query_free(&query);
	json_decref(request);
}

static void bytes_are_found_wherever_they_stand(void **state)
{
	(void)state;
	assert_true(record_has(SPAN("abc"), SPAN("")));
	assert_true(record_has(SPAN("abc"), SPAN("ABC")));
	assert_true(record_has(SPAN("xx@a@b"), SPAN("a@b")));
	assert_true(record_has(SPAN("aXb"), SPAN("x")));
	assert_true(record_has(SPAN("12.3"), SPAN(".3")));
	assert_false(record_has(SPAN("ab"), SPAN("abc")));
	assert_false(record_has(SPAN("@@@a"), SPAN("a@")));
	assert_false(record_has(SPAN(""), SPAN("a")));
}

/* ---- files */

struct folder {
	char path[64], audit[96];
};

static void put_file(const struct folder *folder, const char *name, struct span bytes)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
	assert_int_equal(fclose(file), 0);
}

static int make_folder(void **state)
{
	static struct folder folder;
	unsigned char packed[PACKED_SIZE];
	snprintf(folder.path, sizeof(folder.path), "/tmp/subgate-reader-XXXXXX");
	assert_non_null(mkdtemp(folder.path));
	snprintf(folder.audit, sizeof(folder.audit), "%s/audit.jsonl", folder.path);
	/* Names in another order than times. */
	put_file(&folder, "audit.jsonl",
		 SPAN(RECORD("2026-11-23T09:00:00.000000Z", "e", "") "\n" RECORD("2026-11-23T10:00:00.000000Z", "f",
										 "")));
	put_file(&folder, "audit.jsonl.1", SPAN("nonsense\n" RECORD("2026-11-22T08:00:00.000000Z", "d", "") "\n"));
	struct span old = SPAN(RECORD("2026-11-20T08:00:00.000000Z", "a", "") "\n" RECORD("2026-11-20T09:00:00.000000Z",
											  "b", "") "\n");
	put_file(&folder, "audit.jsonl-9.gz", (struct span){ (char *)packed, pack_gzip(old, packed) });
	struct span later = SPAN(RECORD("2026-11-21T08:00:00.000000Z", "c", "") "\n");
	put_file(&folder, "audit.jsonl-2.zst", (struct span){ (char *)packed, pack_zstd(later, packed) });
	put_file(&folder, "audit.jsonl.1.gz", SPAN("half of it"));
	put_file(&folder, "audit.jsonl.3.gz.tmp", SPAN("half of it"));
	put_file(&folder, "audit.jsonlx", SPAN(RECORD(TS, "x", "")));
	*state = &folder;
	return 0;
}

static int remove_folder(void **state)
{
	struct folder *folder = *state;
	char command[128];
	snprintf(command, sizeof(command), "rm -r %s", folder->path);
	return system(command);
}

static bool see_type(void *context, struct span line, json_t *record)
{
	(void)record;
	add_seen(record_read_type(line));
	return context == NULL || strlen(seen) < 6;
}

static void see_fault(void *context, const char *name, const char *what)
{
	(void)context;
	(void)what;
	add_seen(span_of(name));
}

static enum status walk_folder(const struct folder *folder, const char *wanted, bool newest_first, bool some)
{
	struct audit_files opened;
	struct query query;
	const char *fault;
	json_t *request = json_loads(wanted, 0, NULL);
	seen[0] = '\0';
	assert_int_equal(query_read(request, &query, &fault), STATUS_OK);
	assert_int_equal(audit_files_open(folder->audit, true, &opened), STATUS_OK);
	assert_int_equal(audit_files_sort(&opened), STATUS_OK);
	const struct walk walk = { &opened, &query, newest_first, see_type, see_fault, some ? seen : NULL };
	enum status status = walk_records(&walk);
	audit_files_close(&opened);
	query_free(&query);
	json_decref(request);
	return status;
}

static void files_are_read_in_the_order_of_time(void **state)
{
	assert_int_equal(walk_folder(*state, "{}", false, false), STATUS_OK);
	assert_string_equal(seen, "a b c d e f ");
	assert_int_equal(walk_folder(*state, "{}", true, false), STATUS_OK);
	assert_string_equal(seen, "f e d c b a ");
	assert_int_equal(walk_folder(*state, "{}", true, true), STATUS_OK);
	assert_string_equal(seen, "f e d ");
	assert_int_equal(walk_folder(*state, "{\"result\":\"c\"}", true, false), STATUS_OK);
	assert_string_equal(seen, "c ");
	/* 2026-11-20T08:30Z to 2026-11-23T09:30Z */
	assert_int_equal(walk_folder(*state, "{\"since\":1795163400,\"until\":1795426200}", false, false), STATUS_OK);
	assert_string_equal(seen, "b c d e ");
}

static void a_damaged_file_is_named_and_the_others_read(void **state)
{
	put_file(*state, "audit.jsonl-5.gz", SPAN("\x1f\x8b\x08nonsense"));
	assert_int_equal(walk_folder(*state, "{}", false, false), STATUS_INVALID);
	assert_string_equal(seen, "a b c d e f audit.jsonl-5.gz ");
	assert_int_equal(walk_folder(*state, "{}", true, false), STATUS_INVALID);
	assert_string_equal(seen, "audit.jsonl-5.gz f e d c b a ");
}

static void what_is_no_file_is_refused(void **state)
{
	struct folder *folder = *state;
	struct audit_files opened;
	assert_int_equal(audit_files_open(folder->path, false, &opened), STATUS_SYSTEM);
	assert_non_null(strstr(opened.fault, "no regular file"));
	audit_files_close(&opened);
	char link[128];
	snprintf(link, sizeof(link), "%s/audit.jsonl.7", folder->path);
	assert_int_equal(symlink("/etc/passwd", link), 0);
	assert_int_equal(audit_files_open(folder->audit, true, &opened), STATUS_SYSTEM);
	assert_non_null(strstr(opened.fault, "audit.jsonl.7"));
	audit_files_close(&opened);
}

static void *end_rotation(void *path)
{
	usleep(100000);
	int fd = creat(path, 0600);
	assert_true(fd >= 0);
	close(fd);
	return NULL;
}

static size_t count_opened(const char *path)
{
	struct audit_files opened;
	assert_int_equal(audit_files_open(path, true, &opened), STATUS_OK);
	size_t count = opened.count;
	audit_files_close(&opened);
	return count;
}

static void a_rotation_under_way_hides_nothing(void **state)
{
	struct folder *folder = *state;
	char rotated[128];
	pthread_t other;
	size_t count = count_opened(folder->audit);
	snprintf(rotated, sizeof(rotated), "%s.9", folder->audit);
	assert_int_equal(rename(folder->audit, rotated), 0);
	assert_int_equal(pthread_create(&other, NULL, end_rotation, folder->audit), 0);
	assert_int_equal(count_opened(folder->audit), count + 1);
	pthread_join(other, NULL);
}

/* As when it is renamed between the look for it and the look for the others. */
static void a_file_of_two_names_is_read_once(void **state)
{
	struct folder *folder = *state;
	char other[128];
	size_t count = count_opened(folder->audit);
	snprintf(other, sizeof(other), "%s.9", folder->audit);
	assert_int_equal(link(folder->audit, other), 0);
	assert_int_equal(count_opened(folder->audit), count);
}

static bool ends_at_the_third(void *context)
{
	return ++*(int *)context == 3;
}

static void a_look_for_the_first_record_can_be_ended(void **state)
{
	struct folder *folder = *state;
	struct audit_files opened;
	size_t size = 4U << 20;
	char *nothing = calloc(1, size);
	int asked = 0;
	assert_non_null(nothing);
	put_file(folder, "audit.jsonl", (struct span){ nothing, size });
	free(nothing);
	assert_int_equal(audit_files_open(folder->audit, false, &opened), STATUS_OK);
	opened.has_to_end = ends_at_the_third;
	opened.context = &asked;
	assert_int_equal(audit_files_sort(&opened), STATUS_REFUSED);
	assert_int_equal(asked, 3);
	opened.has_to_end = NULL;
	assert_int_equal(audit_files_sort(&opened), STATUS_OK);
	audit_files_close(&opened);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_in_both_directions),
		cmocka_unit_test(long_lines_are_whole_and_endless_ones_left_out),
		cmocka_unit_test(packed_files_are_unpacked_by_what_they_are),
		cmocka_unit_test(much_may_come_of_little),
		cmocka_unit_test_setup_teardown(a_look_for_the_first_record_can_be_ended, make_folder, remove_folder),
		cmocka_unit_test(a_query_s_criteria_all_hold),
		cmocka_unit_test(a_network_that_is_none_is_refused),
		cmocka_unit_test(bytes_are_found_wherever_they_stand),
		cmocka_unit_test_setup_teardown(files_are_read_in_the_order_of_time, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_damaged_file_is_named_and_the_others_read, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(what_is_no_file_is_refused, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_rotation_under_way_hides_nothing, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_file_of_two_names_is_read_once, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
