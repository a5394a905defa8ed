/* An audit on files of its own, in a folder that goes away with it, and what it has told. */
#ifndef TESTS_AUDIT_FIXTURE_H
#define TESTS_AUDIT_FIXTURE_H

#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/audit_private.h"
#include "tests/unit/with_loop.h"

struct audit_bench {
	char folder[64], file[100], state_file[80], keys_file[80];
	struct loop *loop;
	struct audit *audit;
	bool is_unchained;
	unsigned told;
	enum status written;
	char trouble[128];
};

static inline void on_written(void *context, enum status written)
{
	struct audit_bench *bench = context;
	bench->told++;
	bench->written = written;
}

static inline void on_trouble(void *context, bool is_well, const char *what)
{
	struct audit_bench *bench = context;
	(void)is_well;
	snprintf(bench->trouble, sizeof(bench->trouble), "%s", what);
}

static inline bool was_told(void *context)
{
	return ((struct audit_bench *)context)->told > 0;
}

static inline void start_audit_with(struct audit_bench *bench, int fd)
{
	struct audit_options options = {
		.fd = fd,
		.state_fd = open(bench->state_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600),
		.keys_fd = bench->is_unchained ? -1 : open(bench->keys_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600),
		.sync = AUDIT_SYNC_ALWAYS,
		.node = "node.example",
		.on_trouble = on_trouble,
		.context = bench,
	};
	assert_int_equal(audit_create(bench->loop, &options, &bench->audit), STATUS_OK);
}

static inline void start_audit(struct audit_bench *bench)
{
	start_audit_with(bench, open(bench->file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
}

static inline int begin_bench(void **state)
{
	struct audit_bench *bench = calloc(1, sizeof(*bench));
	snprintf(bench->folder, sizeof(bench->folder), "/tmp/subgate-audit-XXXXXX");
	assert_non_null(mkdtemp(bench->folder));
	snprintf(bench->file, sizeof(bench->file), "%s/a", bench->folder);
	snprintf(bench->state_file, sizeof(bench->state_file), "%s/s", bench->folder);
	snprintf(bench->keys_file, sizeof(bench->keys_file), "%s/k", bench->folder);
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	*state = bench;
	return 0;
}

static inline int end_bench(void **state)
{
	struct audit_bench *bench = *state;
	audit_free(&bench->audit);
	loop_free(bench->loop);
	unlink(bench->file);
	unlink(bench->state_file);
	unlink(bench->keys_file);
	rmdir(bench->folder);
	free(bench);
	return 0;
}

static inline bool is_of_chain(const json_t *record)
{
	const char *type = json_string_value(json_object_get(record, "type"));
	return type && strncmp(type, "audit.", 6) == 0;
}

/*
 * The records of the file, with or without those of the chain itself; each line must be JSON, except one that a dead
 * process left torn.
 */
static inline json_t *read_all_records(const struct audit_bench *bench, bool with_chain)
{
	json_t *records = json_array();
	FILE *file = fopen(bench->file, "r");
	char *line = NULL;
	size_t room = 0;
	assert_non_null(file);
	while (getline(&line, &room, file) > 0) {
		json_t *record = json_loads(line, 0, NULL);
		if (record == NULL)
			assert_string_equal(line, "torn{\n");
		else if (with_chain || !is_of_chain(record))
			json_array_append(records, record);
		json_decref(record);
	}
	free(line);
	fclose(file);
	return records;
}

static inline json_t *read_records(const struct audit_bench *bench)
{
	return read_all_records(bench, false);
}

static inline const char *text_of(const json_t *records, size_t index, const char *name)
{
	return json_string_value(json_object_get(json_array_get(records, index), name));
}

static inline struct audit_event message_event(enum audit_type type, const char *message, unsigned attempt)
{
	return (struct audit_event){
		.type = type,
		.message = span_of(message),
		.attempt = attempt,
		.user = SPAN("alice@example.com"),
		.has_mail_from = true,
		.mail_from = SPAN("alice@example.com"),
		.shared_quota = SPAN("team"),
	};
}

static inline void submit_record(struct audit_bench *bench, enum audit_type type, const char *message, unsigned attempt)
{
	struct audit_event event = message_event(type, message, attempt);
	bench->told = 0;
	assert_int_equal(audit_submit(bench->audit, &event, on_written, bench), STATUS_OK);
	assert_int_equal(bench->told, 0);
	run_until(bench->loop, was_told, bench);
	assert_int_equal(bench->written, STATUS_OK);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, begin_bench, end_bench)

#endif
