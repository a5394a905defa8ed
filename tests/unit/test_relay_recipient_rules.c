/* To whom users may send: which rule is theirs, whom it allows, and what a refused recipient means for its message. */
#include "relay_world.h"

#include "relay/recipient_rules.h"

#define ITEMS(...)                                                                            \
	{                                                                                     \
		(char *[]){ __VA_ARGS__ }, sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *) \
	}

static struct config_recipients rules[] = {
	{ .name = "default",
	  .deny = ITEMS("@competitor.example",
			"@b\xc3\xbc"
			"cher.test",
			"@.xn--bcher-kva.test") },
	{ .name = "interns",
	  .groups = ITEMS("cn=interns"),
	  .allow = ITEMS("@example.com", "@.example.com", "bob@x", "press@example.org"),
	  .deny = ITEMS("ceo@example.com", "@secret.example.com") },
	{ .name = "boss", .users = ITEMS("boss@example.com"), .groups = ITEMS("cn=interns"), .allow = ITEMS("*") },
};

/* ---- whom a rule allows */

struct rule_case {
	const char *what, *user, *group, *recipient, *rule; /* rule: that refuses it; NULL: none does */
};

static const struct rule_case rule_cases[] = {
	{ "default is for all others", "ann@example.com", "", "eve@competitor.example", "default" },
	{ "without a list of what is allowed, the others are", "ann@example.com", "", "bob@x", NULL },
	{ "a denied domain is itself alone", "ann@example.com", "", "eve@sub.competitor.example", NULL },
	{ "a domain in letters", "ann@example.com", "",
	  "eve@B\xc3\x9c"
	  "cher.test",
	  "default" },
	{ "is the one in ASCII", "ann@example.com", "", "eve@xn--bcher-kva.test", "default" },
	{ "below it, too", "ann@example.com", "",
	  "eve@sub.b\xc3\xbc"
	  "cher.test",
	  "default" },
	{ "no domain hides below it by a sign that names can't have", "ann@example.com", "",
	  "eve@\xe2\x98\x83.xn--bcher-kva.test", "default" },
	{ "and in any case of letters", "ann@example.com", "", "eve@Competitor.EXAMPLE", "default" },
	{ "the first rule that names a group of the user's counts", "boss@example.com", "cn=interns", "eve@y",
	  "interns" },
	{ "a rule may name the user", "boss@example.com", "", "eve@competitor.example", NULL },
	{ "an allowed domain", "ann@example.com", "cn=interns", "bob@example.com", NULL },
	{ "one below it", "ann@example.com", "cn=interns", "bob@a.b.example.com", NULL },
	{ "not one that only ends like it", "ann@example.com", "cn=interns", "bob@badexample.com", "interns" },
	{ "not one that begins like it", "ann@example.com", "cn=interns", "bob@example.com.evil", "interns" },
	{ "an allowed address", "ann@example.com", "cn=interns", "press@example.org", NULL },
	{ "by content", "ann@example.com", "cn=interns", "\"press\"@example.org", NULL },
	{ "a tag makes another address of it", "ann@example.com", "cn=interns", "press+x@example.org", "interns" },
	{ "a denied address, although its domain is allowed", "ann@example.com", "cn=interns", "ceo@example.com",
	  "interns" },
	{ "in quotes", "ann@example.com", "cn=interns", "\"c\\eo\"@example.com", "interns" },
	{ "with a tag", "ann@example.com", "cn=interns", "ceo+x@example.com", "interns" },
	{ "a denied domain below an allowed one", "ann@example.com", "cn=interns", "a@secret.example.com", "interns" },
	{ "no domain is allowed by none", "ann@example.com", "cn=interns", "postmaster", "interns" },
};

static struct grant make_grant(const char *user, struct span *group)
{
	struct grant made = { .user = span_of(user), .groups = { group, group->size ? 1 : 0 } };
	made.rule = recipient_rules_find(&config, &made);
	return made;
}

static void the_first_rule_for_the_user_decides(void **state)
{
	(void)state;
	config.recipients.items = rules;
	config.recipients.count = sizeof(rules) / sizeof(*rules);
	for (size_t i = 0; i < sizeof(rule_cases) / sizeof(*rule_cases); i++) {
		const struct rule_case *c = &rule_cases[i];
		char reply[RECIPIENT_RULE_TEXT_SIZE] = "", quoted[64];
		struct span group = span_of(c->group);
		struct grant of = make_grant(c->user, &group);
		print_message("  %s: %s to %s\n", c->what, c->user, c->recipient);
		assert_int_equal(recipient_rules_check(&config, &of, span_of(c->recipient), reply),
				 c->rule ? RECIPIENT_REFUSED : RECIPIENT_ALLOWED);
		snprintf(quoted, sizeof(quoted), "the rule \"%s\"", c->rule ? c->rule : "");
		assert_true(c->rule == NULL || strstr(reply, quoted));
		assert_true(c->rule == NULL || strncmp(reply, "550 5.7.1 ", 10) == 0);
	}
}

static void without_a_rule_anybody_is_allowed(void **state)
{
	(void)state;
	char reply[RECIPIENT_RULE_TEXT_SIZE];
	struct span group = SPAN("cn=interns");
	config.recipients.items = rules + 2;
	config.recipients.count = 1;
	struct grant of = make_grant("ann@example.com", &(struct span){ 0 });
	assert_null(of.rule);
	assert_int_equal(recipient_rules_check(&config, &of, SPAN("eve@y"), reply), RECIPIENT_ALLOWED);
	of = make_grant("ann@example.com", &group);
	assert_string_equal(of.rule->name, "boss");
}

static void what_a_login_is_limited_to_binds_besides_the_rule(void **state)
{
	(void)state;
	char reply[RECIPIENT_RULE_TEXT_SIZE];
	struct config_recipients audited = { .name = "audited", .deny = ITEMS("*"), .mode = RECIPIENTS_AUDIT };
	struct span own[] = { SPAN("@example.com"), SPAN("bob@x") };
	struct grant of = { .user = SPAN("ann@example.com"), .recipients = { own, 2 }, .rule = &rules[1] };
	assert_int_equal(recipient_rules_check(&config, &of, SPAN("bob@x"), reply), RECIPIENT_ALLOWED);
	assert_int_equal(recipient_rules_check(&config, &of, SPAN("ceo@example.com"), reply), RECIPIENT_REFUSED);
	assert_non_null(strstr(reply, "interns"));
	assert_int_equal(recipient_rules_check(&config, &of, SPAN("press@example.org"), reply), RECIPIENT_REFUSED);
	assert_non_null(strstr(reply, "this app password"));
	of.rule = &audited;
	assert_int_equal(recipient_rules_check(&config, &of, SPAN("eve@y"), reply), RECIPIENT_REFUSED);
	assert_int_equal(recipient_rules_check(&config, &of, SPAN("bob@x"), reply), RECIPIENT_NOTED);
}

/* ---- in a delivery */

static struct config_recipients strict = { .name = "strict", .users = ITEMS("ann@example.com"), .allow = ITEMS("@x") };

static void set_rule(enum config_recipients_mode mode)
{
	strict.mode = mode;
	config.recipients.items = &strict;
	config.recipients.count = 1;
	grant = log_in(1, SPAN("ann@example.com"));
}

#define STRICT "550 5.7.1 Recipient not allowed: not among those of the rule \"strict\" for you"

static void a_refused_recipient_is_not_asked_for_and_the_others_get_the_message(void **state)
{
	(void)state;
	set_rule(RECIPIENTS_ENFORCE);
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x eve@y"), STATUS_OK);
	upstream_says("250 ok");
	assert_string_equal(world.envelope_reply, "250 ok|" STRICT);
	say_data(101, MESSAGE_TEXT, true);
	quota_says(QUOTA_GRANTED);
	expect_trace("A: bob@x; replies; charge; message.leaving 1; send");
	assert_int_equal(world.charged_recipients, 1);
	assert_string_equal(world.record, "ann@example.com/A/0 /bob@x 250/eve@y 550/");
}

static void a_message_for_none_but_refused_ones_is_recorded_once_it_is_given_up(void **state)
{
	(void)state;
	const struct door_transaction_aborted aborted = { .session = 1, .transaction = 101 };
	set_rule(RECIPIENTS_ENFORCE);
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "eve@y"), STATUS_OK);
	expect_trace("replies");
	deliveries_abort(deliveries, &gate, grant, &aborted);
	expect_trace("message.refused");
	assert_string_equal(world.record, "ann@example.com//0 /eve@y 550/recipient not allowed by a rule");
}

static void in_audit_mode_it_passes_and_is_noted(void **state)
{
	(void)state;
	set_rule(RECIPIENTS_AUDIT);
	config.sender.envelope = SENDER_AUDIT;
	assert_int_equal(say_envelope(grant, 1, "boss@example.com", "bob@x eve@y"), STATUS_OK);
	upstream_says("250 ok|250 ok");
	say_data(101, MESSAGE_TEXT, true);
	quota_says(QUOTA_GRANTED);
	expect_trace("A: bob@x eve@y; replies; charge; message.leaving 1; send");
	assert_string_equal(world.record,
			    "ann@example.com/A/0 /bob@x 250/eve@y 250/sender <boss@example.com> not owned by the "
			    "user; recipient <eve@y> not allowed by the rule \"strict\"");
}

/* ---- redirected */

static struct config_recipients staging = { .name = "default", .deny = ITEMS("eve@y"), .redirect = "test@z" };

static void redirect_all(void)
{
	config.recipients.items = &staging;
	config.recipients.count = 1;
	grant = log_in(1, SPAN("ann@example.com"));
}

static void a_relay_is_asked_for_the_one_mailbox_alone(void **state)
{
	(void)state;
	redirect_all();
	world.rcpt_parameters = "ORCPT=rfc822;bob@x";
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x eve@y cy@x"), STATUS_OK);
	expect_trace("A: test@z");
	assert_string_equal(world.begin_parameters, "||");
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "dan@x"), STATUS_OK);
	expect_trace("");
	upstream_says("250 yes");
	expect_trace("replies; replies");
	assert_string_equal(world.envelope_reply, "250 yes");
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "fay@x"), STATUS_OK);
	expect_trace("replies");
	assert_string_equal(world.envelope_reply, "250 yes");
}

static void the_header_and_the_audit_name_whom_it_was_for(void **state)
{
	(void)state;
	redirect_all();
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x eve@y cy@x"), STATUS_OK);
	upstream_says("250 yes");
	assert_string_equal(world.envelope_reply,
			    "250 yes|550 5.7.1 Recipient not allowed: denied by the rule \"default\"|250 yes");
	say_data(101, MESSAGE_TEXT, true);
	quota_says(QUOTA_GRANTED);
	expect_trace("A: test@z; replies; charge; add X-Original-Recipients: <bob@x>,\r\n <cy@x>\r\n");
	assert_int_equal(world.charged_recipients, 2);
	rewriting_says(STATUS_OK, 40);
	expect_trace("message.leaving 1; send");
	assert_int_equal(world.send_size, strlen(MESSAGE_TEXT) + 40);
	assert_string_equal(world.record, "ann@example.com/A/0 /bob@x 250/eve@y 550/cy@x 250/ to test@z");
}

static void what_the_mailbox_is_refused_with_is_said_to_all(void **state)
{
	(void)state;
	redirect_all();
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x cy@x"), STATUS_OK);
	upstream_says("550 5.1.1 who");
	assert_string_equal(world.envelope_reply, "550 5.1.1 who|550 5.1.1 who");
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "dan@x"), STATUS_OK);
	assert_string_equal(world.envelope_reply, "550 5.1.1 who");
	expect_trace("A: test@z; replies; replies");
}

static void the_next_relay_is_asked_for_it_as_well(void **state)
{
	(void)state;
	redirect_all();
	relays[1].rewrite_sender = "relay@example.com";
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x cy@x"), STATUS_OK);
	upstream_says("250 yes");
	expect_trace("A: test@z; replies");
	upstream_fails("");
	expect_trace("B: test@z");
	upstream_says("250 too");
	say_data(101, MESSAGE_TEXT, true);
	quota_says(QUOTA_GRANTED);
	expect_trace("charge; rewrite as relay@example.com; add X-Original-Recipients: <bob@x>,\r\n <cy@x>\r\n");
	relays[1].rewrite_sender = NULL;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_first_rule_for_the_user_decides),
		CASE(without_a_rule_anybody_is_allowed),
		CASE(what_a_login_is_limited_to_binds_besides_the_rule),
		CASE(a_refused_recipient_is_not_asked_for_and_the_others_get_the_message),
		CASE(a_message_for_none_but_refused_ones_is_recorded_once_it_is_given_up),
		CASE(in_audit_mode_it_passes_and_is_noted),
		CASE(a_relay_is_asked_for_the_one_mailbox_alone),
		CASE(the_header_and_the_audit_name_whom_it_was_for),
		CASE(what_the_mailbox_is_refused_with_is_said_to_all),
		CASE(the_next_relay_is_asked_for_it_as_well),
	};
	return cmocka_run_group_tests_name("relay recipient rules", tests, NULL, NULL);
}
