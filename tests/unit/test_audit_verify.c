/* The verifier on files that a chain wrote: over files and nodes, torn, of the former format, and changed. */
#include <sys/mman.h>
#include <unistd.h>

#include "verify_trial.h"

/* ---- files */

/* Three of them, each with a record and a checkpoint between the seams. */
static void write_three_files(struct trial *trial, const char *second_says, const char *third_says)
{
	struct node *node = &trial->one;
	struct buf *text = begin_next(trial, "a-1");
	put_record(node, "m1", text);
	put_file_end(node, text);
	text = begin_next(trial, "a-2");
	assert_int_equal(audit_chain_begin_file(&node->chain, second_says, text), STATUS_OK);
	put_record(node, "m2", text);
	put_file_end(node, text);
	text = begin_next(trial, "a");
	assert_int_equal(audit_chain_begin_file(&node->chain, third_says, text), STATUS_OK);
	put_record(node, "m3", text);
	put_checkpoint(node, text);
}

static void files_in_their_order_hold_together(void **state)
{
	struct trial *trial = *state;
	write_three_files(trial, "a-1", "a-2");
	const struct told *told = verify_trial_with(trial, (struct verify_options){ .keys = NULL });
	assert_well(told);
	assert_int_equal(told->notes, 0);
	assert_int_equal(told->last.records, 9);
	assert_int_equal(told->last.first.number, 1);
	assert_int_equal(told->last.last.number, 3);
	assert_int_equal(told->last.unsigned_records, 1); /* the checkpoint itself */
	assert_false(told->last.is_proven);
	char key[2 * AUDIT_KEY_HEX_SIZE];
	snprintf(key, sizeof(key), "ff,%s", told->last.first.key);
	assert_true(verify_trial_with(trial, (struct verify_options){ .keys = key })->last.is_proven);
	assert_well(&trial->told);
}

static void the_later_files_alone_hold_together_and_say_where_they_begin(void **state)
{
	struct trial *trial = *state;
	write_three_files(trial, "a-1", "a-2");
	buf_clear(&trial->text[0]);
	const struct told *told = verify_trial(trial);
	assert_well(told);
	assert_non_null(strstr(told->note, "begins with record 4 here"));
}

static void a_file_that_is_missing_between_two_is_noticed(void **state)
{
	struct trial *trial = *state;
	write_three_files(trial, "a-1", "a-2");
	buf_clear(&trial->text[1]);
	trial->names[1] = "empty";
	assert_fault(verify_trial(trial), "a", 1, "records 4 to 6 of chain");
}

static void files_whose_names_are_swapped_are_noticed_and_new_names_are_noted(void **state)
{
	struct trial *trial = *state;
	write_three_files(trial, "a-1", "a-1");
	assert_fault(verify_trial(trial), "a", 1, "the file before this one was a-1, and not a-2: they are swapped");
	trial->names[0] = "b";
	assert_well(verify_trial(trial));
	assert_non_null(strstr(trial->told.note, "the file before this one was called a-1"));
}

static void a_file_whose_beginning_is_cut_off_is_noticed(void **state)
{
	struct trial *trial = *state;
	write_three_files(trial, "a-1", "a-2");
	struct span line, rest = buf_span(&trial->text[0]);
	span_cut(&rest, '\n', &line);
	buf_consume(&trial->text[0], line.size + 1);
	assert_fault(verify_trial(trial), "a-1", 1, "the beginning of this file is missing");
}

static void records_after_the_end_of_a_file_are_noticed(void **state)
{
	struct trial *trial = *state;
	struct buf *text = begin_next(trial, "a-1");
	put_record(&trial->one, "m1", text);
	put_file_end(&trial->one, text);
	put_record(&trial->one, "m2", text);
	assert_fault(verify_trial(trial), "a-1", 4, "had left this file");
}

/* ---- processes */

static void what_a_process_says_of_those_before_it_is_compared(void **state)
{
	struct trial *trial = *state;
	struct buf *text = begin_next(trial, "a");
	char path[128];
	put_record(&trial->one, "m1", text);
	put_checkpoint(&trial->one, text);
	put_record(&trial->one, "m2", text);
	verify_trial(trial); /* writes the file */
	snprintf(path, sizeof(path), "%s/a", trial->folder);
	start_process(trial, &trial->one, "one");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(audit_chain_continue(&trial->one.chain, fd), STATUS_OK);
	close(fd);
	struct buf next BUF_AUTO;
	buf_init(&next, 1U << 20);
	put_checkpoint(&trial->one, &next);
	for (int cut = 0; cut < 2; cut++) {
		assert_int_equal(buf_append(text, buf_span(&next)), STATUS_OK);
		if (cut)
			assert_fault(verify_trial(trial), "a", 4, "the end of chain");
		else
			assert_well(verify_trial(trial));
		cut_lines(text, 3); /* the next process, and "m2" */
	}
}

static void put_records_and_checkpoints(struct node *node, unsigned count, struct buf *out)
{
	while (count--) {
		put_record(node, "later", out);
		put_checkpoint(node, out);
	}
}

static void records_after_the_end_of_a_process_are_noticed(void **state)
{
	struct trial *trial = *state;
	struct buf *text = begin_next(trial, "a");
	put_record(&trial->one, "m1", text);
	assert_int_equal(audit_chain_prepare(&trial->one.chain, text), STATUS_OK);
	assert_int_equal(audit_chain_end(&trial->one.chain, text), STATUS_OK);
	audit_chain_release(&trial->one.chain);
	assert_well(verify_trial(trial));
	put_record(&trial->one, "m2", text);
	assert_fault(verify_trial(trial), "a", 4, "had ended with audit.end: added");
}

static void a_whole_chain_of_which_nothing_tells_is_noticed(void **state)
{
	struct trial *trial = *state;
	struct buf *text = begin_next(trial, "a");
	struct node forger = { .name = "forger" };
	put_records_and_checkpoints(&trial->one, 1, text);
	start_process(trial, &forger, "forger");
	forger.name = forger.chain.node = trial->one.name;
	put_record(&forger, "m1", text);
	put_records_and_checkpoints(&trial->one, 2, text); /* a process that just began may sign later */
	assert_well(verify_trial(trial));
	put_checkpoint(&trial->one, text);
	assert_fault(verify_trial(trial), "a", 5, "are added: no checkpoint tells of them");
	audit_chain_drop(&forger.chain);
	audit_keys_free(&forger.keys);
	remove_file(trial, "keys-forger");
}

/* Killed amid a reload, it may have written so; somebody else may, too. */
static void the_end_of_a_process_that_nothing_tells_of_is_noted(void **state)
{
	struct trial *trial = *state;
	struct buf *text = begin_next(trial, "a");
	put_records_and_checkpoints(&trial->one, 1, text);
	struct node killed = { .name = trial->one.name, .chain = trial->one.chain };
	start_process(trial, &trial->one, "one");
	put_records_and_checkpoints(&trial->one, 1, text);
	put_record(&killed, "m1", text);
	put_record(&killed, "m2", text);
	put_records_and_checkpoints(&trial->one, 3, text);
	assert_well(verify_trial(trial));
	assert_int_equal(trial->told.notes, 1);
	assert_non_null(strstr(trial->told.note, "records 4 to 5 of chain"));
}

static void a_statement_whose_record_was_never_written_is_found_in_the_next(void **state)
{
	struct trial *trial = *state;
	struct buf *text = begin_next(trial, "a");
	put_record(&trial->one, "m1", text);
	put_checkpoint(&trial->one, text);
	put_checkpoint(&trial->one, text);
	cut_lines(text, 1);
	start_process(trial, &trial->one, "one");
	put_checkpoint(&trial->one, text);
	assert_well(verify_trial(trial));
	assert_int_equal(trial->told.last.last.number, 3);
}

static void new_keys_in_place_of_lost_ones_are_noticed(void **state)
{
	struct trial *trial = *state;
	struct buf *text = begin_next(trial, "a");
	put_record(&trial->one, "m1", text);
	put_checkpoint(&trial->one, text);
	remove_file(trial, "keys-one");
	start_process(trial, &trial->one, "one");
	put_checkpoint(&trial->one, text);
	put_checkpoint(&trial->one, text);
	assert_fault(verify_trial(trial), "a", 5, "a new row of keys begins after checkpoint 1");
	assert_int_equal(trial->told.faults, 1);
}

/* ---- other lines */

static void a_torn_record_is_noted_and_other_lines_are_faults(void **state)
{
	struct trial *trial = *state;
	struct buf *text = begin_next(trial, "a");
	put_record(&trial->one, "m1", text);
	assert_int_equal(buf_append_text(text, "{\"ts\":\"2026-11-29T20:00:00.000000Z\",\"ty\n"), STATUS_OK);
	put_checkpoint(&trial->one, text);
	assert_well(verify_trial(trial));
	assert_non_null(strstr(trial->told.note, "torn"));
	assert_int_equal(buf_append_text(text, "{}\n"), STATUS_OK);
	assert_fault(verify_trial(trial), "a", 5, "no record");
}

static void records_of_the_former_format_may_only_come_before(void **state)
{
	static const char former[] =
		"{\"ts\":\"2026-11-28T20:00:00.000000Z\",\"type\":\"auth.failure\",\"node\":\"one\",\"chain\":{\"id\":"
		"\"00000000000000aa\",\"seq\":7,\"mac\":"
		"\"00000000000000000000000000000000000000000000000000000000000000aa\"}}\n";
	struct trial *trial = *state;
	struct buf *text = begin_next(trial, "a");
	assert_int_equal(buf_append_text(text, former), STATUS_OK);
	put_record(&trial->one, "m1", text);
	put_checkpoint(&trial->one, text);
	assert_well(verify_trial(trial));
	assert_non_null(strstr(trial->told.note, "former format"));
	assert_int_equal(trial->told.last.former, 1);
	assert_int_equal(buf_append_text(text, former), STATUS_OK);
	assert_fault(verify_trial(trial), "a", 5, "former format after linked ones");
}

static bool ends_at_the_third(void *context)
{
	return ++*(int *)context == 3;
}

static void a_file_without_lines_can_be_left(void **state)
{
	(void)state;
	int asked = 0;
	const struct verify_options options = { .has_to_end = ends_at_the_third, .context = &asked };
	struct audit_file_entry entry = { .name = (char[]){ "1" }, .fd = memfd_create("audit", MFD_CLOEXEC) };
	const struct audit_files files = { .list = &entry, .count = 1 };
	assert_int_equal(ftruncate(entry.fd, 4 << 20), 0);
	assert_int_equal(verify_files(&files, &options), STATUS_REFUSED);
	assert_int_equal(asked, 3);
	close(entry.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TRIAL(files_in_their_order_hold_together),
		WITH_TRIAL(the_later_files_alone_hold_together_and_say_where_they_begin),
		WITH_TRIAL(a_file_that_is_missing_between_two_is_noticed),
		WITH_TRIAL(files_whose_names_are_swapped_are_noticed_and_new_names_are_noted),
		WITH_TRIAL(a_file_whose_beginning_is_cut_off_is_noticed),
		WITH_TRIAL(records_after_the_end_of_a_file_are_noticed),
		WITH_TRIAL(what_a_process_says_of_those_before_it_is_compared),
		WITH_TRIAL(records_after_the_end_of_a_process_are_noticed),
		WITH_TRIAL(a_whole_chain_of_which_nothing_tells_is_noticed),
		WITH_TRIAL(the_end_of_a_process_that_nothing_tells_of_is_noted),
		WITH_TRIAL(a_statement_whose_record_was_never_written_is_found_in_the_next),
		WITH_TRIAL(new_keys_in_place_of_lost_ones_are_noticed),
		WITH_TRIAL(a_torn_record_is_noted_and_other_lines_are_faults),
		WITH_TRIAL(records_of_the_former_format_may_only_come_before),
		cmocka_unit_test(a_file_without_lines_can_be_left),
	};
	return cmocka_run_group_tests_name("audit verify", tests, NULL, NULL);
}
