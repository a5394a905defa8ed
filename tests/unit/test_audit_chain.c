/* The chain and its checkpoints, as they come to be in the file: over starts, crashes and a full disk. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "audit/audit_link.h"
#include "audit/reader/verify.h"
#include "tests/unit/audit_signed.h"

static const json_t *chain_of(const json_t *records, size_t index)
{
	return json_object_get(json_array_get(records, index), "chain");
}

static uint64_t seq_of(const json_t *records, size_t index)
{
	return (uint64_t)json_integer_value(json_object_get(chain_of(records, index), "seq"));
}

static const char *chain_id_of(const json_t *records, size_t index)
{
	return json_string_value(json_object_get(chain_of(records, index), "id"));
}

static void each_record_holds_the_hash_of_the_one_before(void **state)
{
	struct audit_bench *bench = *state;
	char expected[HASH_SHA256_HEX_SIZE];
	size_t size;
	unsigned count = 0;
	start_audit(bench);
	for (int i = 0; i < 3; i++)
		submit_record(bench, AUDIT_MESSAGE_REFUSED, "m", 0);
	audit_free(&bench->audit);
	char *text = read_file(bench->file, &size);
	struct span rest = { text, size }, line;
	memcpy(expected, no_hash, sizeof(expected));
	while (rest.size && span_cut(&rest, '\n', &line)) {
		struct audit_link link;
		assert_int_equal(audit_link_read(line, &link), STATUS_OK);
		assert_int_equal(link.seq, ++count);
		assert_string_equal(link.prev, expected);
		assert_int_equal(audit_link_hash(line, expected), STATUS_OK);
	}
	assert_in_range(count, 6, 8); /* with audit.begin, audit.end and a checkpoint or more */
	free(text);
}

static void a_process_signs_at_its_start_and_at_its_end_and_each_names_the_next_key(void **state)
{
	struct audit_bench *bench = *state;
	start_audit(bench);
	wait_for_checkpoint(bench);
	char first[AUDIT_KEY_HEX_SIZE];
	memcpy(first, audit_public(bench->audit)->first, sizeof(first));
	assert_true(audit_public(bench->audit)->is_renewed);
	audit_free(&bench->audit);
	json_t *records = all_records(bench);
	assert_int_equal(json_array_size(records), 3);
	assert_string_equal(text_of(records, 0, "type"), "audit.begin");
	assert_string_equal(text_of(records, 1, "type"), "audit.checkpoint");
	assert_string_equal(text_of(records, 2, "type"), "audit.end");
	struct audit_statement one = statement_of(records, 1, "checkpoint");
	struct audit_statement two = statement_of(records, 2, "checkpoint");
	assert_int_equal(one.number, 1);
	assert_int_equal(one.count, 1);
	assert_string_equal(one.key, first);
	assert_int_equal(two.number, 2);
	assert_int_equal(two.count, 2);
	assert_string_equal(two.key, one.next);
	assert_string_equal(two.head, json_string_value(json_object_get(chain_of(records, 2), "prev")));
	json_decref(records);
}

static void a_record_is_signed_within_a_second_though_more_keep_coming(void **state)
{
	struct audit_bench *bench = *state;
	start_audit(bench);
	wait_for_checkpoint(bench);
	uint64_t before = audit_public(bench->audit)->last.number;
	for (unsigned i = 0; audit_public(bench->audit)->last.number == before; i++) {
		assert_true(i < 3000);
		submit_record(bench, AUDIT_MESSAGE_REFUSED, "m", 0);
		run_for(bench->loop, 10);
	}
	assert_true(audit_public(bench->audit)->last.count >= 3);
}

/* What a child wrote in this state and did not end. */
static void run_and_die(struct audit_bench *bench)
{
	pid_t pid = fork();
	if (pid == 0) {
		if (loop_create(&bench->loop) != STATUS_OK)
			_exit(1);
		start_audit(bench);
		wait_for_checkpoint(bench);
		submit_record(bench, AUDIT_MESSAGE_REFUSED, "last words", 1);
		kill(getpid(), SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void a_process_names_the_last_record_of_one_that_died(void **state)
{
	struct audit_bench *bench = *state;
	run_and_die(bench);
	json_t *left = all_records(bench);
	size_t last = json_array_size(left) - 1;
	start_audit(bench);
	wait_for_checkpoint(bench);
	assert_false(audit_public(bench->audit)->is_renewed);
	audit_free(&bench->audit);
	json_t *records = all_records(bench);
	size_t begin = find_type(records, 1, "audit.begin");
	const json_t *former = json_object_get(json_array_get(records, begin), "former");
	assert_int_equal(json_array_size(former), 1);
	const json_t *head = json_array_get(former, 0);
	assert_string_equal(json_string_value(json_object_get(head, "chain")), chain_id_of(left, last));
	assert_int_equal(json_integer_value(json_object_get(head, "count")), seq_of(left, last));
	struct audit_statement before = statement_of(records, begin, "before");
	struct audit_statement next = statement_of(records, begin + 1, "checkpoint");
	assert_int_equal(next.number, before.number + 1);
	assert_string_equal(next.key, before.next);
	assert_null(json_object_get(json_array_get(records, begin + 1), "before"));
	json_decref(left);
	json_decref(records);
}

/* ---- a full disk */

static void on_fault(void *context, const char *file, uint64_t line, const char *what)
{
	(void)context;
	fail_msg("%s:%lu: %s", file, (unsigned long)line, what);
}

static void on_note(void *context, const char *file, uint64_t line, const char *what)
{
	(void)context, (void)file, (void)line, (void)what;
}

static void on_node(void *context, const struct verify_node *node)
{
	*(uint64_t *)context = node->last.number;
}

/* Gives the number of the last checkpoint. */
static uint64_t verify_bench(const struct audit_bench *bench)
{
	struct audit_files files;
	uint64_t last = 0;
	const struct verify_options options = {
		.on_fault = on_fault, .on_note = on_note, .on_node = on_node, .context = &last
	};
	assert_int_equal(audit_files_open(bench->file, false, &files), STATUS_OK);
	assert_int_equal(verify_files(&files, &options), STATUS_OK);
	audit_files_close(&files);
	return last;
}

static void let_files_grow_by(const struct audit_bench *bench, uint64_t bytes)
{
	struct stat file;
	assert_int_equal(stat(bench->file, &file), 0);
	struct rlimit limit = { (rlim_t)file.st_size + bytes, RLIM_INFINITY };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* At each of so many bytes the disk is full when a process ends, or starts: nothing is signed that is not there. */
static void what_a_full_disk_did_not_take_is_not_signed(void **state)
{
	struct audit_bench *bench = *state;
	const struct audit_event event = message_event(AUDIT_MESSAGE_REFUSED, "lost", 1);
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	uint64_t last = 0;
	signal(SIGXFSZ, SIG_IGN);
	for (unsigned bytes = 0; bytes < 2400; bytes += 300) {
		start_audit(bench);
		wait_for_checkpoint(bench);
		let_files_grow_by(bench, bytes);
		assert_int_equal(audit_submit(bench->audit, &event, NULL, NULL), STATUS_OK);
		assert_int_equal(audit_submit(bench->audit, &event, NULL, NULL), STATUS_OK);
		audit_free(&bench->audit);
		let_files_grow_by(bench, bytes / 2);
		start_audit(bench); /* and ends before it could write much */
		audit_free(&bench->audit);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
		assert_true(verify_bench(bench) > last);
		last = verify_bench(bench);
	}
}

/* ---- files, and no chain */

static void files_name_each_other(void **state)
{
	struct audit_bench *bench = *state;
	struct audit_chain chain;
	struct buf out BUF_AUTO;
	bool renewed;
	struct audit_keys *keys = open_keys(bench, &renewed);
	buf_init(&out, 1U << 20);
	assert_int_equal(audit_chain_begin(&chain, "node.example", keys), STATUS_OK);
	assert_int_equal(audit_chain_begin_file(&chain, "none", &out), STATUS_OK);
	assert_int_equal(buf_size(&out), 0); /* the first record is audit.begin, whatever file it comes into */
	assert_int_equal(audit_chain_prepare(&chain, &out), STATUS_OK);
	assert_int_equal(audit_chain_end_file(&chain, "audit.jsonl", &out), STATUS_OK);
	assert_int_equal(audit_chain_begin_file(&chain, "audit.jsonl-20261129", &out), STATUS_OK);
	assert_int_equal(audit_chain_begin_file(&chain, NULL, &out), STATUS_OK);
	audit_chain_release(&chain);
	audit_chain_drop(&chain);
	FILE *file = fopen(bench->file, "w");
	fwrite(buf_span(&out).data, 1, buf_size(&out), file);
	fclose(file);
	json_t *records = all_records(bench);
	assert_int_equal(json_array_size(records), 4);
	assert_string_equal(text_of(records, 1, "type"), "audit.file_end");
	assert_string_equal(text_of(records, 1, "next_file"), "audit.jsonl");
	assert_string_equal(text_of(records, 2, "type"), "audit.file_begin");
	assert_string_equal(text_of(records, 2, "previous_file"), "audit.jsonl-20261129");
	assert_null(text_of(records, 3, "previous_file"));
	struct audit_statement end = statement_of(records, 1, "checkpoint");
	struct audit_statement begin = statement_of(records, 2, "before");
	assert_string_equal(begin.signature, end.signature);
	json_decref(records);
	audit_keys_free(&keys);
}

static void without_a_chain_records_are_only_numbered(void **state)
{
	struct audit_bench *bench = *state;
	bench->is_unchained = true;
	start_audit(bench);
	submit_record(bench, AUDIT_MESSAGE_REFUSED, "m", 0);
	audit_free(&bench->audit);
	json_t *records = all_records(bench);
	assert_int_equal(json_array_size(records), 1);
	assert_int_equal(seq_of(records, 0), 1);
	assert_null(json_object_get(chain_of(records, 0), "prev"));
	json_decref(records);
}

static void a_line_that_does_not_end_as_a_record_is_none(void **state)
{
	static const struct {
		const char *line;
		enum status expected;
	} cases[] = {
		{ "{\"ts\":\"x\",\"chain\":{\"id\":\"0123456789abcdef\",\"seq\":1}}", STATUS_OK },
		{ "{\"ts\":\"x\",\"chain\":{\"id\":\"0123456789abcdef\",\"seq\":0}}", STATUS_INVALID },
		{ "{\"ts\":\"x\",\"chain\":{\"id\":\"0123456789abcdef\",\"seq\":}}", STATUS_INVALID },
		{ "{\"ts\":\"x\",\"chain\":{\"id\":\"0123456789ABCDEF\",\"seq\":1}}", STATUS_INVALID },
		{ "{\"ts\":\"x\",\"chain\":{\"id\":\"0123456789abcde\",\"seq\":1}}", STATUS_INVALID },
		{ "{\"ts\":\"x\",\"chain\":{\"id\":\"0123456789abcdef\",\"seq\":1}} ", STATUS_INVALID },
		{ "{\"ts\":\"x\",\"chain\":{\"id\":\"0123456789abcdef\",\"seq\":1,\"prev\":\"00\"}}", STATUS_INVALID },
		{ "{\"ts\":\"x\",\"chain\":{\"id\":\"0123456789abcdef\",\"seq\":18446744073709551616}}",
		  STATUS_INVALID },
		{ "{\"ts\":\"x\"}", STATUS_INVALID },
		{ "", STATUS_INVALID },
	};
	struct audit_link link;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(audit_link_read(span_of(cases[i].line), &link), cases[i].expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_BENCH(each_record_holds_the_hash_of_the_one_before),
		WITH_BENCH(a_process_signs_at_its_start_and_at_its_end_and_each_names_the_next_key),
		WITH_BENCH(a_record_is_signed_within_a_second_though_more_keep_coming),
		WITH_BENCH(a_process_names_the_last_record_of_one_that_died),
		WITH_BENCH(what_a_full_disk_did_not_take_is_not_signed),
		WITH_BENCH(files_name_each_other),
		WITH_BENCH(without_a_chain_records_are_only_numbered),
		cmocka_unit_test(a_line_that_does_not_end_as_a_record_is_none),
	};
	return cmocka_run_group_tests_name("audit chain", tests, NULL, NULL);
}
