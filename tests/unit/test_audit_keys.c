/* The keys that sign a chain: what is left of them on disk, and one row of them for two processes. */
#include <sys/wait.h>

#include "tests/unit/audit_signed.h"

static void submit_and_wait_for_checkpoint(struct audit_bench *bench, const char *message)
{
	struct awaited awaited = { bench, audit_public(bench->audit)->last.number + 1 };
	submit_record(bench, AUDIT_MESSAGE_REFUSED, message, 0);
	run_until(bench->loop, was_signed, &awaited);
}

/* At how many places of these bytes the private key of this public one stands. */
static unsigned count_private_keys(const char *bytes, size_t size, const char *public_hex)
{
	unsigned char public_key[ED25519_KEY_SIZE], signature[ED25519_SIGNATURE_SIZE];
	unsigned count = 0;
	assert_int_equal(audit_read_hex(span_of(public_hex), public_key, sizeof(public_key)), STATUS_OK);
	for (size_t at = 0; at + ED25519_KEY_SIZE <= size; at++) {
		assert_int_equal(ed25519_sign((const unsigned char *)bytes + at, SPAN("x"), signature), STATUS_OK);
		count += ed25519_verify(public_key, SPAN("x"), signature) == STATUS_OK;
	}
	return count;
}

static void a_key_that_has_signed_is_no_longer_in_the_file(void **state)
{
	struct audit_bench *bench = *state;
	struct audit_statement statement;
	bool renewed = false;
	size_t size, after_size;
	struct audit_keys *keys = open_keys(bench, &renewed);
	assert_true(renewed);
	char *before = read_file(bench->keys_file, &size);
	assert_int_equal(audit_keys_sign(keys, "0123456789abcdef", 7, no_hash, &statement), STATUS_OK);
	char *after = read_file(bench->keys_file, &after_size);
	assert_int_equal(size, after_size);
	assert_in_range(size, 200, 512); /* one sector, written whole or not at all */
	assert_int_equal(count_private_keys(before, size, statement.key), 1);
	assert_int_equal(count_private_keys(after, size, statement.key), 0);
	assert_int_equal(count_private_keys(after, size, statement.next), 1);
	free(before);
	free(after);
	audit_keys_free(&keys);
}

/* Killed after the key was used, before the record was written: the next process repeats the statement. */
static void a_statement_whose_record_was_never_written_is_repeated(void **state)
{
	struct audit_bench *bench = *state;
	struct audit_statement lost;
	bool renewed = true;
	start_audit(bench);
	wait_for_checkpoint(bench);
	audit_free(&bench->audit);
	struct audit_keys *keys = open_keys(bench, &renewed);
	assert_false(renewed);
	assert_int_equal(audit_keys_sign(keys, "0123456789abcdef", 7, no_hash, &lost), STATUS_OK);
	audit_keys_free(&keys);
	start_audit(bench);
	wait_for_checkpoint(bench);
	json_t *records = all_records(bench);
	size_t begin = find_type(records, 1, "audit.begin");
	struct audit_statement before = statement_of(records, begin, "before");
	struct audit_statement next = statement_of(records, begin + 1, "checkpoint");
	assert_string_equal(before.signature, lost.signature);
	assert_string_equal(next.key, lost.next);
	json_decref(records);
}

static void keys_that_cant_be_read_begin_a_new_row_and_say_so(void **state)
{
	struct audit_bench *bench = *state;
	bool renewed = false;
	struct audit_keys *keys = open_keys(bench, &renewed);
	audit_keys_free(&keys);
	int fd = open(bench->keys_file, O_RDWR);
	assert_int_equal(pwrite(fd, "x", 1, 100), 1);
	close(fd);
	renewed = false;
	keys = open_keys(bench, &renewed);
	assert_true(renewed);
	audit_keys_free(&keys);
	keys = open_keys(bench, &renewed);
	assert_false(renewed);
	audit_keys_free(&keys);
}

/* ---- two processes of a reload */

static void two_processes_sign_in_turns_with_one_row_of_keys(void **state)
{
	struct audit_bench *bench = *state;
	start_audit(bench);
	wait_for_checkpoint(bench);
	pid_t pid = fork();
	if (pid == 0) {
		bench->audit = NULL;
		if (loop_create(&bench->loop) != STATUS_OK)
			_exit(1);
		start_audit(bench);
		for (int i = 0; i < 3; i++) {
			submit_and_wait_for_checkpoint(bench, "theirs");
		}
		audit_free(&bench->audit);
		_exit(0);
	}
	for (int i = 0; i < 3; i++) {
		submit_and_wait_for_checkpoint(bench, "ours");
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	audit_free(&bench->audit);
	json_t *records = all_records(bench);
	struct audit_statement last = statement_of(records, 1, "checkpoint");
	unsigned repeated = 0;
	for (size_t i = 2; i < json_array_size(records); i++) {
		const json_t *record = json_array_get(records, i);
		if (json_object_get(record, "before")) {
			struct audit_statement before = statement_of(records, i, "before");
			assert_string_equal(before.signature, last.signature);
			repeated++;
		}
		if (json_object_get(record, "checkpoint") == NULL)
			continue;
		struct audit_statement next = statement_of(records, i, "checkpoint");
		assert_int_equal(next.number, last.number + 1);
		assert_string_equal(next.key, last.next);
		last = next;
	}
	assert_true(last.number >= 9); /* of each: at its start, three, at its end; some may sign two of them in one */
	assert_true(repeated >= 1);
	json_decref(records);
}

static void whoever_signs_keeps_others_from_it_until_the_record_is_written(void **state)
{
	struct audit_bench *bench = *state;
	struct audit_chain chain;
	struct buf out BUF_AUTO;
	bool renewed;
	int result;
	struct audit_keys *keys = open_keys(bench, &renewed);
	buf_init(&out, 1U << 20);
	assert_int_equal(audit_chain_begin(&chain, "node.example", keys), STATUS_OK);
	assert_int_equal(audit_chain_prepare(&chain, &out), STATUS_OK);
	assert_int_equal(audit_chain_checkpoint(&chain, &out), STATUS_OK);
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			struct audit_keys *theirs = open_keys(bench, &renewed);
			_exit(audit_keys_lock(theirs));
		}
		assert_int_equal(waitpid(pid, &result, 0), pid);
		assert_int_equal(WEXITSTATUS(result), i == 0 ? STATUS_AGAIN : STATUS_OK);
		audit_chain_release(&chain);
	}
	audit_chain_drop(&chain);
	audit_keys_free(&keys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(a_key_that_has_signed_is_no_longer_in_the_file),
		WITH_BENCH(a_statement_whose_record_was_never_written_is_repeated),
		WITH_BENCH(keys_that_cant_be_read_begin_a_new_row_and_say_so),
		WITH_BENCH(two_processes_sign_in_turns_with_one_row_of_keys),
		WITH_BENCH(whoever_signs_keeps_others_from_it_until_the_record_is_written),
	};
	return cmocka_run_group_tests_name("audit keys", tests, NULL, NULL);
}
