/* More of the audit's files than there are descriptors: all of them are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/reader/walk.h"

#define FILES 5000

static const char record[] = "{\"ts\":\"2026-11-20T08:30:00.000000Z\",\"type\":\"session.open\"}\n";

static char folder[64], audit[100];

static void put_file(const char *name)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(record, file);
	assert_int_equal(fclose(file), 0);
}

static int make_files(void **state)
{
	char name[32];
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/subgate-many-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(audit, sizeof(audit), "%s/a", folder);
	put_file("a");
	for (unsigned i = 1; i < FILES; i++) {
		snprintf(name, sizeof(name), "a-%u", i);
		put_file(name);
	}
	return 0;
}

static int remove_files(void **state)
{
	char command[100];
	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

static bool count_record(void *context, struct span line, json_t *json)
{
	(void)line;
	(void)json;
	++*(unsigned *)context;
	return true;
}

static void see_fault(void *context, const char *name, const char *what)
{
	(void)context;
	fprintf(stderr, "%s: %s\n", name, what);
}

/* How many records there are; 0: it failed. */
static unsigned count_records(const struct audit_files *files)
{
	unsigned seen = 0;
	const char *fault;
	struct query query;
	json_t *request = json_object();
	const struct walk walk = {
		.files = files, .query = &query, .on_record = count_record, .on_fault = see_fault, .context = &seen
	};
	bool is_read = query_read(request, &query, &fault) == STATUS_OK && walk_records(&walk) == STATUS_OK;
	query_free(&query);
	json_decref(request);
	return is_read ? seen : 0;
}

/* With descriptors for a few files. One of them is packed after it was found: its name changes. */
static int read_with_few_descriptors(void)
{
	const struct rlimit few = { 100, 100 };
	struct audit_files files;
	char from[400], to[400];
	if (setrlimit(RLIMIT_NOFILE, &few) != 0 || audit_files_open(audit, true, &files) != STATUS_OK)
		return 1;
	const struct audit_file_entry *last = &files.list[files.count - 1];
	snprintf(from, sizeof(from), "%s/%s", folder, last->name);
	snprintf(to, sizeof(to), "%s/%s.gz", folder, last->name);
	if (files.count != FILES || last->fd >= 0 || rename(from, to) != 0)
		return 2;
	unsigned count = audit_files_sort(&files) == STATUS_OK ? count_records(&files) : 0;
	audit_files_close(&files);
	return count == FILES ? 0 : 3;
}

static void no_number_of_files_is_too_large(void **state)
{
	int status;
	(void)state;
	pid_t child = fork(); /* as nobody but root gets a limit back */
	if (child == 0)
		_exit(read_with_few_descriptors());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_number_of_files_is_too_large, make_files, remove_files),
	};
	return cmocka_run_group_tests_name("audit, many files", tests, NULL, NULL);
}
