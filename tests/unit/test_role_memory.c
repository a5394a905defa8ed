/* A role's memory: kept while it works, given back once it rests, and not looked for again before it has worked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "role/role_memory.h"

#define CLIENTS 2000
#define MOMENT 3000 /* bytes: what a client needs while it logs in */
#define LASTING 100 /* what stays as long as it */
#define WORK 1000   /* turns in a second */

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

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_role_that_rests_after_work_gives_back),
#ifndef SUBGATE_SANITIZED
		cmocka_unit_test(holes_between_what_stays_cost_nothing_at_rest),
#endif
	};
	role_memory_begin();
	return cmocka_run_group_tests_name("role: memory", tests, NULL, NULL);
}
