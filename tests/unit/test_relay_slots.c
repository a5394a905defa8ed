/* Slots: all processes that opened the file together hold no more than the limit of an account. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "relay/upstream/slots.h"

#define ONE 0x1111111111111111U
#define OTHER 0x2222222222222222U

static char folder[64];

static struct slots *open_slots(void)
{
	struct slots *slots = NULL;
	assert_int_equal(slots_create(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &slots), STATUS_OK);
	return slots;
}

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/slots-test-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	char path[128];
	(void)state;
	snprintf(path, sizeof(path), "%s/connections", folder);
	unlink(path);
	return rmdir(folder);
}

static void take_slot(struct slots *slots, uint64_t key, unsigned limit, unsigned expected)
{
	unsigned slot = 99;
	assert_int_equal(slots_take(slots, key, limit, &slot), STATUS_OK);
	assert_int_equal(slot, expected);
}

static void take_none(struct slots *slots, uint64_t key, unsigned limit)
{
	unsigned slot = 99;
	assert_int_equal(slots_take(slots, key, limit, &slot), STATUS_AGAIN);
	assert_int_equal(slot, 99);
}

static void old_and_new_keep_the_limit_together(void **state)
{
	struct slots *old = open_slots(), *new = open_slots();
	(void)state;
	take_slot(old, ONE, 3, 0);
	take_slot(old, ONE, 3, 1);
	take_slot(new, ONE, 3, 2);
	take_none(new, ONE, 3);
	take_none(old, ONE, 3);
	slots_give(old, ONE, 1);
	take_slot(new, ONE, 3, 1);
	take_none(old, ONE, 3);
	slots_free(&new);
	take_slot(old, ONE, 3, 1);
	slots_free(&old);
	assert_null(old);
}

static void accounts_do_not_share(void **state)
{
	struct slots *slots = open_slots(), *others = open_slots();
	(void)state;
	take_slot(slots, ONE, 1, 0);
	take_none(slots, ONE, 1);
	take_slot(slots, OTHER, 1, 0);
	take_none(others, OTHER, 1);
	slots_free(&slots);
	slots_free(&others);
}

static void a_process_that_dies_gives_its_slots_back(void **state)
{
	int ready[2];
	char byte;
	struct slots *slots = open_slots();
	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		unsigned slot;
		struct slots *own = NULL;
		if (slots_create(open(folder, O_RDONLY | O_DIRECTORY), &own) != STATUS_OK ||
		    slots_take(own, ONE, 1, &slot) != STATUS_OK || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	take_none(slots, ONE, 1);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	take_slot(slots, ONE, 1, 0);
	close(ready[0]);
	close(ready[1]);
	slots_free(&slots);
}

static void whoever_has_none_says_that_it_wants_one(void **state)
{
	struct slots *old = open_slots(), *middle = open_slots(), *new = open_slots();
	(void)state;
	take_slot(new, ONE, 1, 0);
	assert_false(slots_are_wanted(new, ONE));
	slots_want(old, ONE, true);
	slots_want(middle, ONE, true);
	assert_true(slots_are_wanted(new, ONE));
	assert_true(slots_are_wanted(old, ONE)); /* by the other */
	assert_false(slots_are_wanted(new, OTHER));
	slots_want(old, ONE, false);
	assert_true(slots_are_wanted(new, ONE));
	assert_false(slots_are_wanted(middle, ONE)); /* by itself alone */
	slots_free(&middle);                         /* as when its process dies */
	assert_false(slots_are_wanted(new, ONE));
	take_slot(old, OTHER, 1, 0); /* and nobody's slot is in the way */
	slots_free(&old);
	slots_free(&new);
}

static void alone_nobody_wants_one(void **state)
{
	struct slots *slots = NULL;
	(void)state;
	assert_int_equal(slots_create(-1, &slots), STATUS_OK);
	slots_want(slots, ONE, true);
	assert_false(slots_are_wanted(slots, ONE));
	slots_free(&slots);
}

static void without_a_folder_one_process_counts(void **state)
{
	struct slots *slots = NULL;
	(void)state;
	assert_int_equal(slots_create(-1, &slots), STATUS_OK);
	for (unsigned i = 0; i < 100; i++)
		take_slot(slots, ONE, 100, i);
	take_none(slots, ONE, 100);
	slots_give(slots, ONE, 17);
	slots_give(slots, ONE, 17); /* nothing */
	take_slot(slots, ONE, 100, 17);
	slots_free(&slots);
}

static void a_file_that_can_not_be_had_is_an_error(void **state)
{
	struct slots *slots = NULL;
	(void)state;
	assert_int_equal(slots_create(open("/proc", O_RDONLY | O_DIRECTORY), &slots), STATUS_SYSTEM);
	assert_null(slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(old_and_new_keep_the_limit_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(accounts_do_not_share, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_process_that_dies_gives_its_slots_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(whoever_has_none_says_that_it_wants_one, set_up, tear_down),
		cmocka_unit_test(alone_nobody_wants_one),
		cmocka_unit_test(without_a_folder_one_process_counts),
		cmocka_unit_test(a_file_that_can_not_be_had_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
