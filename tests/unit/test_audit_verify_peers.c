/* The verifier on what nodes, and the running daemon, say of other nodes' statements. */
#include <malloc.h>

#include "verify_trial.h"

static void an_end_that_was_cut_off_is_found_in_the_file_of_another_node(void **state)
{
	struct trial *trial = *state;
	struct buf *text = begin_next(trial, "one"), *other = begin_next(trial, "other");
	put_record(&trial->one, "m1", text);
	put_checkpoint(&trial->one, text);
	put_record(&trial->one, "m2", text);
	put_checkpoint(&trial->one, text);
	put_record(&trial->other, "n1", other);
	put_peer(&trial->other, &trial->one, other);
	put_checkpoint(&trial->other, other);
	assert_well(verify_trial(trial));
	assert_int_equal(trial->told.nodes, 2);
	cut_lines(text, 2);
	assert_fault(verify_trial(trial), "other", 3, "other saw checkpoint 2 of one");
	assert_non_null(strstr(trial->told.fault, "cut off"));
	trial->count = 1; /* its own files don't show it */
	assert_well(verify_trial(trial));
}

static void what_the_daemon_signed_last_must_be_there(void **state)
{
	struct trial *trial = *state;
	struct buf *text = begin_next(trial, "a");
	struct verify_options options = { .known = &trial->one.chain.statement, .known_node = "one" };
	put_record(&trial->one, "m1", text);
	put_checkpoint(&trial->one, text);
	put_checkpoint(&trial->one, text);
	assert_well(verify_trial_with(trial, options));
	cut_lines(text, 1);
	assert_fault(verify_trial_with(trial, options), "", 0, "the running daemon saw checkpoint 2 of one");
}

/* Of `statements` checkpoints, each seen by the other node, the last two are lost. */
static void make_seen_statements(struct trial *trial, unsigned statements)
{
	struct buf *text = begin_next(trial, "one"), *other = begin_next(trial, "other");
	put_record(&trial->other, "n1", other);
	for (unsigned i = 0; i < statements; i++) {
		put_record(&trial->one, "m", text);
		put_checkpoint(&trial->one, text);
		put_peer(&trial->other, &trial->one, other);
		put_peer(&trial->other, &trial->one, other); /* it may see the same one for long */
	}
	put_checkpoint(&trial->other, other);
	assert_well(verify_trial(trial));
	cut_lines(text, 4);
}

static void what_nodes_saw_is_settled_in_as_many_readings_as_it_takes(void **state)
{
	static const size_t at_once[] = { 0, 1, 2, 3, 7, 19, 20, 21 };
	struct trial *trial = *state;
	make_seen_statements(trial, 10);
	for (size_t i = 0; i < sizeof(at_once) / sizeof(at_once[0]); i++) {
		const struct verify_options options = { .claims_at_once = at_once[i] };
		assert_fault(verify_trial_with(trial, options), "other", 19, "other saw checkpoint 9 of one");
		assert_int_equal(trial->told.faults, 4);
	}
}

static struct {
	size_t before, after;
} held; /* bytes of the heap */

static size_t measure_heap(void)
{
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd;
}

static void measure_at_end(void *context, const struct verify_node *node)
{
	(void)context;
	(void)node;
	held.after = measure_heap();
}

static void ignore_fault(void *context, const char *file, uint64_t line, const char *what)
{
	(void)context, (void)file, (void)line;
	fail_msg("%s", what);
}

static void what_nodes_saw_takes_little_memory(void **state)
{
	enum { CLAIMS = 15000, BYTES_A_CLAIM = 80 };
	struct trial *trial = *state;
	struct audit_files files;
	struct buf *other = begin_next(trial, "other");
	put_record(&trial->other, "n1", other);
	put_checkpoint(&trial->one, begin_next(trial, "one")); /* whose files are not at hand */
	for (unsigned i = 0; i < CLAIMS; i++)
		put_peer(&trial->other, &trial->one, other);
	put_checkpoint(&trial->other, other);
	add_file(trial, 0, &files);
	const struct verify_options options = { .on_fault = ignore_fault,
						.on_note = ignore_fault,
						.on_node = measure_at_end };
	held.before = measure_heap();
	assert_int_equal(verify_files(&files, &options), STATUS_OK);
	audit_files_close(&files);
	assert_in_range(held.after - held.before, 0, CLAIMS * BYTES_A_CLAIM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TRIAL(an_end_that_was_cut_off_is_found_in_the_file_of_another_node),
		WITH_TRIAL(what_the_daemon_signed_last_must_be_there),
		WITH_TRIAL(what_nodes_saw_is_settled_in_as_many_readings_as_it_takes),
		WITH_TRIAL(what_nodes_saw_takes_little_memory),
	};
	return cmocka_run_group_tests_name("audit verify, peers", tests, NULL, NULL);
}
