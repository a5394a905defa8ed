/*
 * The chain, its keys and the verifier while memory runs out: each allocation fails once. A record that could not be
 * made is made the next time, and what was written verifies.
 */
#include "audit/reader/verify.h"
#include "audit_fixture.h"
#include "tests/unit/failing_memory.h"

#ifdef SUBGATE_SANITIZED
int main(void)
{
	return 0;
}
#else

#define FAILURES_MAXIMUM 2000

struct trial {
	char folder[64], keys[80], file[80];
	struct audit_keys *key_file;
	struct audit_chain chain;
	struct buf text;
	unsigned faults;
};

static int begin_trial(void **state)
{
	struct trial *trial = calloc(1, sizeof(*trial));
	snprintf(trial->folder, sizeof(trial->folder), "/tmp/subgate-chain-XXXXXX");
	assert_non_null(mkdtemp(trial->folder));
	snprintf(trial->keys, sizeof(trial->keys), "%s/k", trial->folder);
	snprintf(trial->file, sizeof(trial->file), "%s/a", trial->folder);
	buf_init(&trial->text, 16U << 20);
	*state = trial;
	return 0;
}

static int end_trial(void **state)
{
	struct trial *trial = *state;
	audit_chain_drop(&trial->chain);
	audit_keys_free(&trial->key_file);
	buf_free(&trial->text);
	unlink(trial->keys);
	unlink(trial->file);
	rmdir(trial->folder);
	free(trial);
	return 0;
}

static void start_process(struct trial *trial)
{
	bool renewed;
	audit_chain_drop(&trial->chain);
	audit_keys_free(&trial->key_file);
	int fd = open(trial->keys, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(audit_keys_open(fd, &trial->key_file, &renewed), STATUS_OK);
	assert_int_equal(audit_chain_begin(&trial->chain, "node", trial->key_file), STATUS_OK);
}

static enum status append_record(struct audit_chain *chain, struct buf *out)
{
	return audit_chain_link(chain, SPAN("{\"ts\":\"2026-11-29T20:00:00.000000Z\",\"type\":\"x\",\"node\":\"node\""),
				out);
}

static enum status append_checkpoint(struct audit_chain *chain, struct buf *out)
{
	TRY(audit_chain_prepare(chain, out));
	return audit_chain_checkpoint(chain, out);
}

static enum status append_file_end(struct audit_chain *chain, struct buf *out)
{
	TRY(audit_chain_prepare(chain, out));
	return audit_chain_end_file(chain, "b", out);
}

static enum status append_end(struct audit_chain *chain, struct buf *out)
{
	TRY(audit_chain_prepare(chain, out));
	return audit_chain_end(chain, out);
}

/* Once more where it failed, as the writer's thread would. True: it failed. */
static bool append_with_a_failure(struct trial *trial,
				  enum status (*append)(struct audit_chain *chain, struct buf *out),
				  unsigned long failing)
{
	const struct audit_chain_end before = trial->chain.end;
	struct buf line BUF_AUTO;
	buf_init(&line, 1U << 20);
	memory_counts = true;
	memory_left = failing;
	enum status status = append(&trial->chain, &line);
	bool failed = failing && memory_left == 0;
	memory_left = 0;
	memory_counts = false;
	if (status != STATUS_OK) {
		assert_true(failed);
		trial->chain.end = before; /* what was prepared is dropped, too */
		buf_clear(&line);
		assert_int_equal(append(&trial->chain, &line), STATUS_OK);
	}
	audit_chain_release(&trial->chain);
	assert_int_equal(buf_append(&trial->text, buf_span(&line)), STATUS_OK);
	return failed;
}

static void on_fault(void *context, const char *file, uint64_t line, const char *what)
{
	struct trial *trial = context;
	trial->faults++;
	print_error("%s:%lu: %s\n", file, (unsigned long)line, what);
}

static void on_note(void *context, const char *file, uint64_t line, const char *what)
{
	(void)context, (void)file, (void)line, (void)what;
}

static void on_node(void *context, const struct verify_node *node)
{
	(void)context, (void)node;
}

static enum status verify_file(struct trial *trial, unsigned long failing)
{
	struct audit_files files;
	const struct verify_options options = {
		.on_fault = on_fault, .on_note = on_note, .on_node = on_node, .context = trial
	};
	assert_int_equal(audit_files_open(trial->file, false, &files), STATUS_OK);
	memory_counts = true;
	memory_left = failing;
	enum status status = verify_files(&files, &options);
	memory_counts = false;
	audit_files_close(&files);
	return status;
}

static void write_file(const struct trial *trial)
{
	FILE *file = fopen(trial->file, "w");
	assert_int_equal(fwrite(buf_span(&trial->text).data, 1, buf_size(&trial->text), file), buf_size(&trial->text));
	fclose(file);
}

static enum status (*const appends[])(struct audit_chain *chain, struct buf *out) = {
	append_record, append_checkpoint, append_record, append_file_end, append_end,
};

/* Every process makes one of its records at the second try, after the n-th allocation failed. */
static void a_record_that_failed_is_made_the_next_time_and_all_verifies(void **state)
{
	struct trial *trial = *state;
	unsigned failures = 0;
	for (size_t which = 0; which < 3; which++) {
		bool failed = true;
		for (unsigned long n = 1; failed && n < FAILURES_MAXIMUM; n++) {
			start_process(trial);
			for (size_t i = 0; i < 3; i++)
				failed = append_with_a_failure(trial, appends[i], i == which ? n : 0) ||
					 (i > which && failed);
			failures += failed;
		}
		assert_false(failed);
	}
	write_file(trial);
	assert_true(failures > 20);
	assert_int_equal(verify_file(trial, 0), STATUS_OK);
	assert_int_equal(trial->faults, 0);
}

static void the_end_of_a_file_and_of_a_process_too(void **state)
{
	struct trial *trial = *state;
	for (size_t which = 3; which < sizeof(appends) / sizeof(appends[0]); which++) {
		bool failed = true;
		for (unsigned long n = 1; failed && n < FAILURES_MAXIMUM; n++) {
			start_process(trial);
			(void)append_with_a_failure(trial, append_record, 0);
			failed = append_with_a_failure(trial, appends[which], n);
		}
		assert_false(failed);
	}
	write_file(trial);
	assert_int_equal(verify_file(trial, 0), STATUS_OK);
	assert_int_equal(trial->faults, 0);
}

/* What it tells then may be wrong, as jansson drops bytes of some texts that it has no room for; the status is not. */
static void the_verifier_says_so_and_keeps_nothing(void **state)
{
	struct trial *trial = *state;
	unsigned refused = 0;
	start_process(trial);
	for (size_t i = 0; i < 4; i++)
		(void)append_with_a_failure(trial, appends[i], 0);
	write_file(trial);
	enum status status = verify_file(trial, 0); /* what OpenSSL makes once */
	long living = memory_living;
	unsigned long n = 1;
	for (bool failed = true; failed && n < FAILURES_MAXIMUM; n += failed) {
		trial->faults = 0;
		status = verify_file(trial, n);
		failed = memory_left == 0;
		refused += status != STATUS_OK;
	}
	memory_left = 0;
	assert_int_equal(status, STATUS_OK);
	assert_int_equal(trial->faults, 0);
	assert_in_range(n, 20, FAILURES_MAXIMUM - 1);
	assert_true(refused > 10);
	assert_in_range(memory_living - living + 8, 0, 16); /* some of OpenSSL's errors have texts of their own */
}

#define WITH_TRIAL(test) cmocka_unit_test_setup_teardown(test, begin_trial, end_trial)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TRIAL(a_record_that_failed_is_made_the_next_time_and_all_verifies),
		WITH_TRIAL(the_end_of_a_file_and_of_a_process_too),
		WITH_TRIAL(the_verifier_says_so_and_keeps_nothing),
	};
	return cmocka_run_group_tests_name("audit chain memory", tests, NULL, NULL);
}
#endif
