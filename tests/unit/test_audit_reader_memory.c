/* The audit's files read while memory runs out: each allocation fails once. What fails says so, and leaves nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "audit/reader/walk.h"
#include "tests/unit/failing_memory.h"

#ifdef SUBGATE_SANITIZED
int main(void)
{
	return 0;
}
#else

#define PACKED_SIZE 1024
#define RECORD "{\"ts\":\"2026-11-2%uT08:00:00.000000Z\",\"type\":\"message.sent\",\"user\":\"anna\"}\n"

static char folder[] = "/tmp/subgate-reader-memory-XXXXXX";
static unsigned seen;

static void put_file(const char *name, const void *bytes, size_t size)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
}

static int make_files(void **state)
{
	char text[3][128], packed[PACKED_SIZE];
	(void)state;
	assert_non_null(mkdtemp(folder));
	for (unsigned i = 0; i < 3; i++)
		snprintf(text[i], sizeof(text[i]), RECORD, i);
	put_file("audit.jsonl", text[2], strlen(text[2]));
	put_file("audit.jsonl.1.zst", packed, ZSTD_compress(packed, sizeof(packed), text[1], strlen(text[1]), 1));
	char path[128];
	snprintf(path, sizeof(path), "%s/audit.jsonl.2.gz", folder);
	gzFile gzip = gzopen(path, "w");
	assert_int_equal(gzwrite(gzip, text[0], (unsigned)strlen(text[0])), strlen(text[0]));
	assert_int_equal(gzclose(gzip), Z_OK);
	return 0;
}

static int remove_files(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static bool see_record(void *context, struct span line, json_t *record)
{
	(void)context;
	(void)line;
	assert_int_equal(json_string_length(json_object_get(record, "ts")), sizeof("2026-11-20T08:00:00.000000Z") - 1);
	assert_string_equal(json_string_value(json_object_get(record, "type")), "message.sent");
	seen++;
	return true;
}

static void see_fault(void *context, const char *name, const char *what)
{
	(void)context;
	(void)name;
	(void)what;
}

static enum status read_files(const json_t *request, bool newest_first)
{
	char path[128];
	const char *fault;
	struct query query;
	struct audit_files files = { 0 };
	snprintf(path, sizeof(path), "%s/audit.jsonl", folder);
	enum status status = query_read(request, &query, &fault);
	if (status == STATUS_OK)
		status = audit_files_open(path, true, &files);
	if (status == STATUS_OK)
		status = audit_files_sort(&files);
	const struct walk walk = { &files, &query, newest_first, see_record, see_fault, NULL };
	if (status == STATUS_OK)
		status = walk_records(&walk);
	audit_files_close(&files);
	query_free(&query);
	return status;
}

static void nothing_is_left_out_unsaid_for_want_of_memory(void **state)
{
	bool newest_first = *(const bool *)*state;
	json_t *request = json_pack("{s:s}", "user", "anna");
	enum status status = STATUS_NO_MEMORY;
	assert_int_equal(read_files(request, newest_first), STATUS_OK); /* what libraries keep is there now */
	for (unsigned long n = 1; status != STATUS_OK || memory_left == 0; n++) {
		long living = memory_living;
		seen = 0;
		memory_left = n;
		memory_counts = true;
		status = read_files(request, newest_first);
		memory_counts = false;
		if (status == STATUS_OK)
			assert_int_equal(seen, 3);
		assert_int_equal(memory_living, living);
	}
	memory_left = 0;
	json_decref(request);
}

static bool forward = false, backward = true;

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(nothing_is_left_out_unsaid_for_want_of_memory, &forward),
		cmocka_unit_test_prestate(nothing_is_left_out_unsaid_for_want_of_memory, &backward),
	};
	return cmocka_run_group_tests(tests, make_files, remove_files);
}

#endif
