/* What an audit signs, as tests look at it: its checkpoints, when they come, and its keys. */
#ifndef TESTS_AUDIT_SIGNED_H
#define TESTS_AUDIT_SIGNED_H

#include <sys/stat.h>

#include "tests/unit/audit_fixture.h"

static const char no_hash[] = "0000000000000000000000000000000000000000000000000000000000000000";

static inline json_t *all_records(const struct audit_bench *bench)
{
	return read_all_records(bench, true);
}

static inline struct audit_statement statement_of(const json_t *records, size_t index, const char *name)
{
	struct audit_statement statement = { 0 };
	const json_t *object = json_object_get(json_array_get(records, index), name);
	assert_int_equal(audit_statement_from_json(object, &statement), STATUS_OK);
	assert_int_equal(audit_statement_verify(&statement), STATUS_OK);
	return statement;
}

/* The number of the first record of this type from `from` on. */
static inline size_t find_type(const json_t *records, size_t from, const char *type)
{
	while (from < json_array_size(records) && strcmp(text_of(records, from, "type"), type) != 0)
		from++;
	assert_true(from < json_array_size(records));
	return from;
}

/* The caller frees the text. */
static inline char *read_file(const char *path, size_t *out_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat file;
	assert_int_equal(fstat(fd, &file), 0);
	char *text = calloc(1, (size_t)file.st_size + 1);
	assert_int_equal(read(fd, text, (size_t)file.st_size), file.st_size);
	close(fd);
	*out_size = (size_t)file.st_size;
	return text;
}

/* A number of a checkpoint that is waited for. */
struct awaited {
	const struct audit_bench *bench;
	uint64_t number;
};

static inline bool was_signed(void *context)
{
	const struct awaited *awaited = context;
	return audit_public(awaited->bench->audit)->last.number >= awaited->number;
}

/* One more than is known of. */
static inline void wait_for_checkpoint(struct audit_bench *bench)
{
	struct awaited awaited = { bench, audit_public(bench->audit)->last.number + 1 };
	run_until(bench->loop, was_signed, &awaited);
}

static inline struct audit_keys *open_keys(struct audit_bench *bench, bool *out_renewed)
{
	struct audit_keys *keys = NULL;
	int fd = open(bench->keys_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(audit_keys_open(fd, &keys, out_renewed), STATUS_OK);
	return keys;
}

#endif
