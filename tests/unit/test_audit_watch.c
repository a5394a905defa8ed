/* What administrators hear of the audit's disk: metrics, and a notice for each change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "relay/audit_watch.h"

#define MIB (1ULL << 20)

static struct {
	struct config config;
	struct services services;
	struct audit_watch watch;
	char heard[2000]; /* "kind:severity;" of each notice */
} world;

static void take_notice(void *context, const struct notice *notice)
{
	size_t used = strlen(world.heard);
	(void)context;
	snprintf(world.heard + used, sizeof(world.heard) - used, "%s:%s;", notice_kind_text(notice->kind),
		 notice_severity_text(notice->severity));
}

static const struct notice_sink sink = { .take = take_notice };

static int begin_world(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.config.audit.low_space = 1000 * MIB;
	world.services.config = &world.config;
	world.watch.services = &world.services;
	assert_int_equal(loop_create(&world.services.loop), STATUS_OK);
	assert_int_equal(stats_create_private(&world.services.stats), STATUS_OK);
	notices_begin(&world.services.notices, world.services.loop, world.services.stats, &sink, 1);
	return 0;
}

static int end_world(void **state)
{
	(void)state;
	stats_free_private(&world.services.stats);
	loop_free(world.services.loop);
	return 0;
}

static uint64_t value_of(enum stats_counter counter)
{
	return stats_sum(world.services.stats, 1, counter, 0);
}

static void tell_space(uint64_t free_bytes)
{
	const struct audit_health health = { .free_bytes = free_bytes };
	audit_watch_take_health(&world.watch, &health);
}

static void a_disk_that_is_nearly_full_is_told_once_and_once_more_when_it_has_room(void **state)
{
	(void)state;
	tell_space(1001 * MIB);
	assert_string_equal(world.heard, "");
	tell_space(999 * MIB);
	assert_int_equal(value_of(COUNTER_AUDIT_LOW_SPACE), 1);
	assert_int_equal(value_of(COUNTER_AUDIT_FREE), 999 * MIB);
	tell_space(1001 * MIB); /* a little more is no room yet */
	tell_space(998 * MIB);
	assert_string_equal(world.heard, "audit.low_space:warning;");
	tell_space(1101 * MIB);
	assert_int_equal(value_of(COUNTER_AUDIT_LOW_SPACE), 0);
	assert_string_equal(world.heard, "audit.low_space:warning;audit.low_space:information;");
}

static void of_a_disk_without_a_size_nothing_is_told(void **state)
{
	(void)state;
	tell_space(AUDIT_SPACE_UNKNOWN);
	assert_int_equal(value_of(COUNTER_AUDIT_FREE), 0);
	world.config.audit.low_space = 0;
	tell_space(0);
	assert_string_equal(world.heard, "");
}

static void trouble_and_its_end_are_told_and_counted(void **state)
{
	(void)state;
	struct audit_health health = { .error = 5, .is_sync = true, .sync_failures = 2, .free_bytes = 2000 * MIB };
	audit_watch_take_trouble(&world.watch, false, "Input/output error");
	audit_watch_take_health(&world.watch, &health);
	assert_int_equal(value_of(COUNTER_AUDIT_STUCK), 1);
	assert_int_equal(value_of(COUNTER_AUDIT_SYNC_FAILURES), 2);
	health = (struct audit_health){ .sync_failures = 3, .free_bytes = 2000 * MIB };
	audit_watch_take_trouble(&world.watch, true, "records are written again");
	audit_watch_take_health(&world.watch, &health);
	assert_int_equal(value_of(COUNTER_AUDIT_STUCK), 0);
	assert_int_equal(value_of(COUNTER_AUDIT_SYNC_FAILURES), 3);
	assert_string_equal(world.heard, "audit.trouble:alarm;audit.trouble:information;");
}

static void a_relay_that_drains_leaves_the_disk_to_the_next_one(void **state)
{
	(void)state;
	tell_space(999 * MIB);
	audit_watch_drain(&world.watch);
	assert_int_equal(value_of(COUNTER_AUDIT_FREE), 0);
	assert_int_equal(value_of(COUNTER_AUDIT_LOW_SPACE), 0);
	tell_space(998 * MIB);
	assert_int_equal(value_of(COUNTER_AUDIT_FREE), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin_world, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_disk_that_is_nearly_full_is_told_once_and_once_more_when_it_has_room),
		CASE(of_a_disk_without_a_size_nothing_is_told),
		CASE(trouble_and_its_end_are_told_and_counted),
		CASE(a_relay_that_drains_leaves_the_disk_to_the_next_one),
	};
	return cmocka_run_group_tests_name("audit watch", tests, NULL, NULL);
}
