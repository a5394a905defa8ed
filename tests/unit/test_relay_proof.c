/* Whether the audit is as it was written, found out while others go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relay/proof.h"
#include "tests/unit/with_loop.h"

struct bench {
	struct loop *loop;
	struct proof *proof;
	int fd;
};

static int set_up(void **state)
{
	char path[] = "/tmp/subgate-proof-XXXXXX";
	struct bench *bench = calloc(1, sizeof(*bench));
	assert_int_equal(loop_create(&bench->loop), STATUS_OK);
	assert_int_equal(proof_create(bench->loop, &bench->proof), STATUS_OK);
	bench->fd = mkstemp(path);
	assert_true(bench->fd >= 0);
	assert_int_equal(unlink(path), 0);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	proof_free(&bench->proof);
	loop_free(bench->loop);
	close(bench->fd);
	free(bench);
	return 0;
}

static void refresh(struct bench *bench, size_t count)
{
	static const struct audit_statement nothing;
	const struct proof_options options = { &bench->fd, count, "one", &nothing };
	proof_refresh(bench->proof, &options);
}

static bool has_ended(void *context)
{
	json_t *answer = proof_describe(((struct bench *)context)->proof);
	assert_non_null(answer);
	bool ended = json_is_false(json_object_get(answer, "running"));
	json_decref(answer);
	return ended;
}

static void expect_state(const struct bench *bench, const char *state, json_int_t faults)
{
	json_t *answer = proof_describe(bench->proof);
	assert_true(json_is_true(json_object_get(answer, "ok")));
	assert_string_equal(json_string_value(json_object_get(answer, "state")), state);
	assert_int_equal(json_integer_value(json_object_get(answer, "faults")), faults);
	json_decref(answer);
}

static void nothing_is_said_before_anything_was_verified(void **state)
{
	struct bench *bench = *state;
	expect_state(bench, "never", 0);
	refresh(bench, 0);
	assert_true(has_ended(bench));
	expect_state(bench, "never", 0);
}

static void what_has_no_checkpoint_proves_nothing(void **state)
{
	struct bench *bench = *state;
	refresh(bench, 1);
	run_until(bench->loop, has_ended, bench);
	expect_state(bench, "unproven", 0);
}

static void a_line_that_is_no_record_is_told_with_its_place(void **state)
{
	struct bench *bench = *state;
	assert_true(dprintf(bench->fd, "no record\n{}\n") > 0);
	refresh(bench, 1);
	run_until(bench->loop, has_ended, bench);
	expect_state(bench, "broken", 2);
	json_t *answer = proof_describe(bench->proof);
	assert_string_equal(json_string_value(json_object_get(answer, "fault")),
			    "file 1, line 1: this is no record: added, or changed");
	json_decref(answer);
	refresh(bench, 1); /* not so soon again */
	assert_true(has_ended(bench));
}

/* Whoever tampers with the audit must not blind what tells of it. */
static void a_damaged_time_leaves_the_result_one_that_can_be_told(void **state)
{
	struct bench *bench = *state;
	assert_true(dprintf(bench->fd, "{\"ts\":\"\xff"
				       "026-11-30T12:00:00.000000Z\",\"type\":\"message.sent\"}\nno record\n") > 0);
	refresh(bench, 1);
	run_until(bench->loop, has_ended, bench);
	expect_state(bench, "broken", 1);
}

/* A terabyte without a line: there is no first record to sort by, and no line to stop at. */
static void one_that_reads_a_file_without_lines_can_be_ended(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(ftruncate(bench->fd, (off_t)1 << 40), 0);
	refresh(bench, 1);
	proof_free(&bench->proof);
	assert_null(bench->proof);
}

static void one_that_is_under_way_can_be_ended(void **state)
{
	struct bench *bench = *state;
	static char lines[1U << 20];
	memset(lines, '\n', sizeof(lines));
	for (size_t i = 0; i + 2 < sizeof(lines); i += 3)
		memcpy(lines + i, "{}\n", 3);
	for (int i = 0; i < 16; i++)
		assert_int_equal(write(bench->fd, lines, sizeof(lines)), sizeof(lines));
	refresh(bench, 1);
	proof_free(&bench->proof);
	assert_null(bench->proof);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_said_before_anything_was_verified, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_has_no_checkpoint_proves_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_line_that_is_no_record_is_told_with_its_place, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_time_leaves_the_result_one_that_can_be_told, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_reads_a_file_without_lines_can_be_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_is_under_way_can_be_ended, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
