/* Mail of the relay itself: it goes the way of all mail, but for nobody's quota; when it is tried again. */
#include "relay/own_mail.h"

#include "relay_world.h"

#include "relay/notice_mail.h"
#include "role/role.h"
#include "smtp/body.h"

static const struct role_context role = { .node = "mx.example.com" };
static char *administrators[] = { "ada@example.com", "bob@example.org" };
static struct own_mail *own;

static int own_begin(void **state)
{
	world_begin(state);
	services.role = &role;
	config.notify.from = "postmaster@example.com";
	config.limits.message_size = 1 << 20;
	assert_int_equal(own_mail_create(&services, deliveries, &own), STATUS_OK);
	return 0;
}

static int own_end(void **state)
{
	own_mail_free(&own);
	return world_end(state);
}

static void send_to(const char *to)
{
	const struct own_letter letter = { .to = span_of(to), .subject = SPAN("Hear"), .text = SPAN("this\n.dot\n") };
	own_mail_send(own, &letter);
}

/* A letter is asked for, accepted, and goes up to its dot. */
static void bring_letter_to_dot(const char *asked)
{
	pass_time(1);
	expect_trace(asked);
	upstream_says("250 2.1.5 OK");
	pass_time(1);
	expect_trace("message.leaving 1; send");
	assert_string_equal(world.begin_from, "postmaster@example.com");
	audit_says(STATUS_OK);
	upstream_holds();
	expect_trace("DOT");
}

static void a_letter_goes_audited_and_uncharged(void **state)
{
	(void)state;
	send_to("ada@example.com");
	bring_letter_to_dot("A: ada@example.com");
	assert_non_null(strstr(world.record, GRANT_OWN_USER "/A/"));
	upstream_ends_with(UPSTREAM_ACCEPTED, "250 2.0.0 ok", true);
	expect_trace("count ok; message.sent 1");
	pass_time(1);
	assert_int_equal(own_mail_count(own), 0);
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void neither_quota_nor_recheck_nor_loss_of_redis_stops_it(void **state)
{
	(void)state;
	config.auth.recheck = 1;
	world.quota_exhausted = world.quota_broken = true;
	send_to("ada@example.com");
	bring_letter_to_dot("A: ada@example.com");
}

static void letters_go_one_after_the_other(void **state)
{
	(void)state;
	send_to("ada@example.com");
	send_to("bob@example.org");
	bring_letter_to_dot("A: ada@example.com");
	pass_time(1);
	expect_trace("");
	upstream_ends_with(UPSTREAM_ACCEPTED, "250 2.0.0 ok", true);
	expect_trace("count ok; message.sent 1");
	bring_letter_to_dot("A: bob@example.org");
}

static void an_address_in_utf8_is_said_to_be_one(void **state)
{
	(void)state;
	send_to("zo\xC3\xAB@example.com");
	pass_time(1);
	expect_trace("A: zo\xC3\xAB@example.com");
}

static void a_recipient_refused_for_good_is_given_up(void **state)
{
	(void)state;
	send_to("gone@example.com");
	pass_time(1);
	upstream_says("550 5.1.1 no such user");
	pass_time(1);
	expect_trace("A: gone@example.com; message.refused; abort");
	assert_int_equal(own_mail_count(own), 0);
	assert_int_equal(deliveries_count(deliveries), 0);
}

static void what_fails_for_now_is_tried_again_after_a_minute(void **state)
{
	(void)state;
	send_to("ada@example.com");
	pass_time(1);
	upstream_says("450 4.2.1 later");
	pass_time(1);
	expect_trace("A: ada@example.com; message.refused; abort");
	assert_int_equal(own_mail_count(own), 1);
	pass_time(58000);
	expect_trace("");
	pass_time(2000);
	expect_trace("A: ada@example.com");
	upstream_says("250 2.1.5 OK");
	pass_time(1);
	expect_trace("message.leaving 1; send");
}

static void one_that_waits_lets_others_pass(void **state)
{
	(void)state;
	send_to("slow@example.com");
	pass_time(1);
	upstream_says("450 4.2.1 later");
	send_to("ada@example.com");
	pass_time(1);
	expect_trace("A: slow@example.com; message.refused; abort; A: ada@example.com");
}

static void after_the_last_try_it_is_given_up(void **state)
{
	(void)state;
	unsigned tries = 0;
	send_to("ada@example.com");
	for (pass_time(1); own_mail_count(own) && tries < 100; tries++) {
		upstream_says("450 4.2.1 later");
		pass_time(1);
		pass_time(24 * 3600000ULL);
	}
	assert_int_equal(tries, 6);
}

static void an_unknown_outcome_is_not_sent_again(void **state)
{
	(void)state;
	send_to("ada@example.com");
	bring_letter_to_dot("A: ada@example.com");
	upstream_ends_with(UPSTREAM_UNKNOWN, "", true);
	pass_time(1);
	expect_trace("count unknown; message.unknown 1");
	assert_int_equal(own_mail_count(own), 0);
}

static void without_a_sender_nothing_is_sent(void **state)
{
	(void)state;
	config.notify.from = "";
	send_to("ada@example.com");
	pass_time(1);
	expect_trace("");
	assert_int_equal(own_mail_count(own), 0);
}

static void so_many_wait_and_no_more(void **state)
{
	(void)state;
	for (unsigned i = 0; i < OWN_MAIL_WAITING + 10; i++)
		send_to("ada@example.com");
	assert_int_equal(own_mail_count(own), OWN_MAIL_WAITING);
}

static void a_drain_tries_once_more_and_not_again(void **state)
{
	(void)state;
	send_to("ada@example.com");
	pass_time(1);
	upstream_says("450 4.2.1 later");
	pass_time(1);
	expect_trace("A: ada@example.com; message.refused; abort");
	own_mail_drain(own);
	pass_time(1);
	upstream_says("450 4.2.1 later");
	pass_time(1);
	expect_trace("A: ada@example.com; message.refused; abort");
	assert_int_equal(own_mail_count(own), 0);
}

static void a_cut_ends_what_is_under_way(void **state)
{
	(void)state;
	send_to("ada@example.com");
	bring_letter_to_dot("A: ada@example.com");
	deliveries_cut(deliveries);
	own_mail_drain(own);
	pass_time(1);
	assert_int_equal(own_mail_count(own), 0);
}

static void administrators_get_each_notice(void **state)
{
	(void)state;
	struct notice_mail mail = { &services, own };
	const struct notice notice = {
		.kind = NOTICE_QUOTA_LOST, .severity = NOTICE_ALARM, .subject = SPAN("counts are lost"), .time_us = 1
	};
	notice_mail_take(&mail, &notice);
	assert_int_equal(own_mail_count(own), 0);
	config.notify.administrators = (struct config_list){ administrators, 2 };
	notice_mail_take(&mail, &notice);
	assert_int_equal(own_mail_count(own), 2);
	pass_time(1);
	expect_trace("A: ada@example.com");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, own_begin, own_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_letter_goes_audited_and_uncharged),
		CASE(neither_quota_nor_recheck_nor_loss_of_redis_stops_it),
		CASE(letters_go_one_after_the_other),
		CASE(an_address_in_utf8_is_said_to_be_one),
		CASE(a_recipient_refused_for_good_is_given_up),
		CASE(what_fails_for_now_is_tried_again_after_a_minute),
		CASE(one_that_waits_lets_others_pass),
		CASE(after_the_last_try_it_is_given_up),
		CASE(an_unknown_outcome_is_not_sent_again),
		CASE(without_a_sender_nothing_is_sent),
		CASE(so_many_wait_and_no_more),
		CASE(a_drain_tries_once_more_and_not_again),
		CASE(a_cut_ends_what_is_under_way),
		CASE(administrators_get_each_notice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
