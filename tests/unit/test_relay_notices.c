/* Notices: which are told, which are left out, and what a sink is given. */
#include "relay/notices.h"

#include <stdio.h>
#include <string.h>

#include "with_loop.h"

#define TOLD 0
#define LEFT_OUT 1

/* A loop whose clock the test moves would need another loop; what is remembered is moved back in time instead. */
static struct {
	struct loop *loop;
	struct stats *stats;
	struct notices notices;
	struct notice_sink sinks[2];
	unsigned taken[2];
	char subject[2 * NOTICE_SUBJECT_MAXIMUM], text[2 * NOTICE_TEXT_MAXIMUM];
	uint64_t time_us;
} world;

static void copy_span(char *out, struct span text)
{
	snprintf(out, text.size + 1, "%.*s", (int)text.size, text.size ? text.data : "");
}

static void take_notice(void *context, const struct notice *notice)
{
	(*(unsigned *)context)++;
	copy_span(world.subject, notice->subject);
	copy_span(world.text, notice->text);
	world.time_us = notice->time_us;
}

static int begin_world(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.sinks[0] = (struct notice_sink){ take_notice, &world.taken[0] };
	assert_int_equal(loop_create(&world.loop), STATUS_OK);
	assert_int_equal(stats_create_private(&world.stats), STATUS_OK);
	notices_begin(&world.notices, world.loop, world.stats, world.sinks, 2);
	return 0;
}

static int end_world(void **state)
{
	(void)state;
	loop_free(world.loop);
	stats_free_private(&world.stats);
	return 0;
}

static void raise_about(struct span user, struct span subject)
{
	const struct notice notice = { .kind = NOTICE_QUOTA_LOST,
				       .severity = NOTICE_ALARM,
				       .user = user,
				       .subject = subject,
				       .text = SPAN("a\nb") };
	notices_raise(&world.notices, &notice);
}

static uint64_t count_of(unsigned label)
{
	return stats_sum(world.stats, 1, COUNTER_NOTICES, label);
}

static void every_sink_takes_each_notice_once(void **state)
{
	(void)state;
	world.sinks[1] = (struct notice_sink){ take_notice, &world.taken[1] };
	raise_about((struct span){ 0 }, SPAN("counts are lost"));
	assert_int_equal(world.taken[0], 1);
	assert_int_equal(world.taken[1], 1);
	assert_string_equal(world.subject, "counts are lost");
	assert_string_equal(world.text, "a\nb");
	assert_true(world.time_us > 1700000000ULL * 1000000);
	assert_int_equal(count_of(TOLD), 1);
}

static void a_time_that_is_given_stays(void **state)
{
	(void)state;
	const struct notice notice = { .kind = NOTICE_AUDIT_TROUBLE, .subject = SPAN("then"), .time_us = 42 };
	notices_raise(&world.notices, &notice);
	assert_int_equal(world.time_us, 42);
}

static void the_same_is_told_once_an_hour(void **state)
{
	(void)state;
	raise_about(SPAN("anna@example.com"), SPAN("locked"));
	raise_about(SPAN("anna@example.com"), SPAN("locked"));
	assert_int_equal(world.taken[0], 1);
	assert_int_equal(count_of(LEFT_OUT), 1);
	world.notices.recent[0].told_ms -= NOTICE_REPEAT_MS; /* an hour later */
	raise_about(SPAN("anna@example.com"), SPAN("locked"));
	raise_about(SPAN("anna@example.com"), SPAN("locked"));
	assert_int_equal(world.taken[0], 2);
}

static void another_user_subject_or_kind_is_another_notice(void **state)
{
	(void)state;
	const struct notice other = { .kind = NOTICE_AUDIT_TROUBLE, .user = SPAN("anna"), .subject = SPAN("locked") };
	raise_about(SPAN("anna"), SPAN("locked"));
	raise_about(SPAN("ben"), SPAN("locked"));
	raise_about(SPAN("anna"), SPAN("unlocked"));
	notices_raise(&world.notices, &other);
	assert_int_equal(world.taken[0], 4);
}

static void raise_many(unsigned count)
{
	char subject[32];
	for (unsigned i = 0; i < count; i++) {
		snprintf(subject, sizeof(subject), "number %u", i);
		raise_about((struct span){ 0 }, span_of(subject));
	}
}

static void an_hour_has_so_many_and_the_next_one_again(void **state)
{
	(void)state;
	raise_many(NOTICES_AN_HOUR + 50);
	assert_int_equal(world.taken[0], NOTICES_AN_HOUR);
	assert_int_equal(count_of(LEFT_OUT), 50);
	world.notices.hour_began_ms -= 3600000;
	raise_about((struct span){ 0 }, SPAN("an hour later"));
	assert_int_equal(world.taken[0], NOTICES_AN_HOUR + 1);
}

static void what_is_long_is_cut(void **state)
{
	static char longest[2 * NOTICE_TEXT_MAXIMUM];
	(void)state;
	memset(longest, 'x', sizeof(longest));
	const struct notice notice = {
		.kind = NOTICE_AUDIT_TROUBLE,
		.user = { longest, sizeof(longest) },
		.subject = { longest, sizeof(longest) },
		.text = { longest, sizeof(longest) },
	};
	notices_raise(&world.notices, &notice);
	assert_int_equal(strlen(world.subject), NOTICE_SUBJECT_MAXIMUM);
	assert_int_equal(strlen(world.text), NOTICE_TEXT_MAXIMUM);
}

static void a_zeroed_one_drops_all(void **state)
{
	struct notices none = { 0 };
	const struct notice notice = { .kind = NOTICE_AUDIT_TROUBLE, .subject = SPAN("nobody hears") };
	(void)state;
	notices_raise(&none, &notice);
}

static void every_kind_and_severity_has_a_text(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < NOTICE_KINDS; kind++)
		assert_string_not_equal(notice_kind_text((enum notice_kind)kind), "other");
	assert_string_equal(notice_severity_text(NOTICE_INFORMATION), "information");
	assert_string_equal(notice_severity_text(NOTICE_WARNING), "warning");
	assert_string_equal(notice_severity_text(NOTICE_ALARM), "alarm");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin_world, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_sink_takes_each_notice_once),
		CASE(a_time_that_is_given_stays),
		CASE(the_same_is_told_once_an_hour),
		CASE(another_user_subject_or_kind_is_another_notice),
		CASE(an_hour_has_so_many_and_the_next_one_again),
		CASE(what_is_long_is_cut),
		CASE(a_zeroed_one_drops_all),
		CASE(every_kind_and_severity_has_a_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
