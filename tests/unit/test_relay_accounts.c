/* The account that a message goes by: the sender's own mailbox, and what an account may still send. */
#include "relay_world.h"

/* ---- the sender's own mailbox */

static void a_sender_of_the_relays_domain_has_his_own_mailbox_and_budget(void **state)
{
	static const struct {
		const char *sender, *mailbox;
	} cases[] = {
		{ "ann@example.com", "ann@example.com" },
		{ "Ann+List@EXAMPLE.com", "ann@example.com" },
		{ "ann@example.org", "" },
		{ "ann@sub.example.com", "" },
		{ "\"ann\"@example.com", "" },
		{ "+x@example.com", "" },
		{ "", "" },
		{ "ann@example.com.evil", "" },
	};
	struct config_relay relay = { .per_sender = true, .user = "relay@Example.com", .host = "h" };
	struct config some = { .sender = { .delimiter = "+" } };
	char mailbox[ADDRESS_MAXIMUM + 1];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		mailbox[0] = '\0';
		bool is_own = mailboxes_name(&some, &relay, span_of(cases[i].sender), mailbox);
		print_message("  %s: %s\n", cases[i].sender, is_own ? mailbox : "-");
		assert_int_equal(is_own, cases[i].mailbox[0] != '\0');
		assert_string_equal(mailbox, cases[i].mailbox);
	}
	relay.per_sender = false;
	assert_false(mailboxes_name(&some, &relay, SPAN("ann@example.com"), mailbox));
}

static void it_is_asked_for_with_the_attempt(void **state)
{
	(void)state;
	relays[0].per_sender = true;
	relays[0].user = "relay@example.com";
	relays[0].messages_per_day = 10;
	world.budget = BUDGET_TAKEN;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	assert_string_equal(world.begin_mailbox, "ann@example.com");
	expect_trace("budget of ann@example.com; A: bob@x");
	relays[0] = (struct config_relay){ .name = "A" };
}

/* ---- budgets */

static void have_budgets(enum budget_verdict verdict)
{
	static char one, other;
	static struct budget *budgets[3];
	budgets[0] = (struct budget *)&one;
	budgets[1] = (struct budget *)&other;
	services.budgets = budgets;
	world.budget = verdict;
}

static void a_message_takes_from_its_accounts_budget_before_it_leaves(void **state)
{
	(void)state;
	have_budgets(BUDGET_TAKEN);
	bring_message();
	quota_says(QUOTA_GRANTED);
	audit_says(STATUS_OK);
	upstream_holds();
	upstream_ends_with(UPSTREAM_ACCEPTED, "250 2.0.0 ok", true);
	expect_trace("budget; message.leaving 1; send; DOT; count ok; budget spent; message.sent 1; settle; answer");
}

static void at_its_budget_the_next_account_gets_it(void **state)
{
	(void)state;
	have_budgets(BUDGET_SPENT);
	bring_message();
	quota_says(QUOTA_GRANTED);
	expect_trace("budget; abort; count failed; B: bob@x");
	world.budget = BUDGET_TAKEN;
	upstream_says("250 ok");
	expect_trace("budget; message.leaving 2; send");
}

static void a_budget_that_is_asked_for_holds_the_message_and_nothing_else(void **state)
{
	(void)state;
	have_budgets(BUDGET_ASKED);
	bring_message();
	quota_says(QUOTA_GRANTED);
	expect_trace("budget");
	world.budget_callback(world.budget_context, BUDGET_TAKEN);
	expect_trace("message.leaving 1; send");
}

static void what_was_not_sent_goes_back_to_the_budget(void **state)
{
	(void)state;
	have_budgets(BUDGET_TAKEN);
	bring_message();
	quota_says(QUOTA_GRANTED);
	audit_says(STATUS_OK);
	upstream_fails("");
	expect_trace("budget; message.leaving 1; send; count failed; budget back; message.failed 1; B: bob@x");
}

static void accounts_known_to_be_at_their_budget_are_not_asked(void **state)
{
	(void)state;
	have_budgets(BUDGET_TAKEN);
	world.budget_is_spent = true;
	assert_int_equal(say_envelope(grant, 1, "ann@example.com", "bob@x"), STATUS_OK);
	expect_trace("message.refused; replies");
	assert_string_equal(world.envelope_reply, "451 4.4.1 Relay not available; try again later");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_sender_of_the_relays_domain_has_his_own_mailbox_and_budget),
		CASE(it_is_asked_for_with_the_attempt),
		CASE(a_message_takes_from_its_accounts_budget_before_it_leaves),
		CASE(at_its_budget_the_next_account_gets_it),
		CASE(a_budget_that_is_asked_for_holds_the_message_and_nothing_else),
		CASE(what_was_not_sent_goes_back_to_the_budget),
		CASE(accounts_known_to_be_at_their_budget_are_not_asked),
	};
	return cmocka_run_group_tests_name("relay accounts", tests, NULL, NULL);
}
