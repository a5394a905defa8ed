/* A role's memory: kept while it works, given back once it rests, and not looked for again before it has worked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "role/role.h"
#include "role/role_memory.h"

#define CLIENTS 2000
#define MOMENT 3000 /* bytes: what a client needs while it logs in */
#define LASTING 100 /* what stays as long as it */
#define WORK 1000   /* turns in a second */
#define PIECES 160  /* of a large message */
#define PIECE 65536 /* bytes */

static void a_role_that_rests_after_work_gives_back(void **state)
{
	static const struct {
		const char *what;
		unsigned turns;
		bool gives;
	} beats[] = {
		{ "it has never worked", 1, false }, { "it works", WORK, false },
		{ "it goes on", WORK, false },       { "it rests", 1, true },
		{ "it still does", 5, false },       { "it works again", WORK, false },
		{ "it rests again", 0, true },
	};
	struct role_memory memory = { 0 };
	uint64_t turns = 0;
	(void)state;
	for (size_t i = 0; i < sizeof(beats) / sizeof(*beats); i++) {
		turns += beats[i].turns;
		if (role_memory_beat(&memory, turns) != beats[i].gives)
			fail_msg("%s", beats[i].what);
	}
}

#ifndef SUBGATE_SANITIZED /* has an allocator of its own */

static size_t resident_bytes(void)
{
	unsigned long whole, resident;
	FILE *file = fopen("/proc/self/statm", "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu %lu", &whole, &resident), 2);
	fclose(file);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static char *make_block(size_t size)
{
	char *block = malloc(size);
	assert_non_null(block);
	memset(block, 'x', size);
	return block;
}

static void holes_between_what_stays_cost_nothing_at_rest(void **state)
{
	static char *moment[CLIENTS], *lasting[CLIENTS];
	struct role_memory memory = { 0 };
	(void)state;
	for (size_t i = 0; i < CLIENTS; i++) {
		moment[i] = make_block(MOMENT);
		if (i % 10 == 0)
			lasting[i] = make_block(LASTING);
	}
	for (size_t i = 0; i < CLIENTS; i++)
		free(moment[i]);
	size_t held = resident_bytes();
	assert_false(role_memory_beat(&memory, WORK));
	assert_true(resident_bytes() > held - MOMENT * 100); /* the next clients find it */
	assert_true(role_memory_beat(&memory, WORK));
	assert_true(resident_bytes() < held - (size_t)MOMENT * CLIENTS / 2);
	for (size_t i = 0; i < CLIENTS; i++)
		free(lasting[i]);
}

/* How often the kernel has to be asked for a page while a large message comes and goes. */
static long count_faults(void)
{
	static char *pieces[PIECES];
	struct rusage before, after;
	getrusage(RUSAGE_SELF, &before);
	for (size_t i = 0; i < PIECES; i++)
		pieces[i] = make_block(PIECE);
	for (size_t i = PIECES; i > 0; i--)
		free(pieces[i - 1]);
	getrusage(RUSAGE_SELF, &after);
	return after.ru_minflt - before.ru_minflt;
}

static void what_a_role_keeps_the_next_message_finds(void **state)
{
	struct role_memory memory = { 0 };
	(void)state;
	assert_int_equal(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), 0); /* or a fault brings as much as the kernel likes */
	count_faults();
	assert_true(count_faults() > 1000); /* the kernel got it back */
	role_keep_memory((size_t)2 * PIECES * PIECE);
	count_faults();
	assert_true(count_faults() < 10);
	assert_false(role_memory_beat(&memory, WORK));
	assert_true(role_memory_beat(&memory, WORK)); /* at rest */
	assert_true(count_faults() > 1000);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_role_that_rests_after_work_gives_back),
#ifndef SUBGATE_SANITIZED
		cmocka_unit_test(holes_between_what_stays_cost_nothing_at_rest),
		cmocka_unit_test(what_a_role_keeps_the_next_message_finds),
#endif
	};
	role_memory_begin();
	return cmocka_run_group_tests_name("role: memory", tests, NULL, NULL);
}
