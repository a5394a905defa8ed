/* What refusals mean: each row of class.def by its example, and replies of Gmail, Microsoft, Postfix and Exim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "relay/upstream/private.h"

#define MAIL STAGE_MAIL
#define RCPT STAGE_RCPT
#define DATA STAGE_DATA
#define DOT STAGE_DOT
#define LATE (STAGE_DATA | STAGE_DOT)
#define ANY (STAGE_MAIL | STAGE_RCPT | STAGE_DATA | STAGE_DOT)

static const enum upstream_stage stages[] = { STAGE_MAIL, STAGE_RCPT, STAGE_DATA, STAGE_DOT };

struct row {
	enum upstream_profile profile;
	unsigned stages;
	const char *example;
	enum upstream_class class;
};

static const struct row rows[] = {
#define REFUSAL(profile, stages, code, enhanced, words, class, example) \
	{ UPSTREAM_PROFILE_##profile, stages, example, UPSTREAM_##class },
#include "relay/upstream/class.def"
#undef REFUSAL
};

static struct reply read_reply(const char *text)
{
	struct reply reply;
	assert_int_equal(reply_read(span_of(text), &reply), STATUS_OK);
	return reply;
}

/* No row hides another one, and each means what it says, at each of its stages. */
static void each_row_decides_its_example(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply reply = read_reply(rows[i].example);
		for (size_t j = 0; j < 4; j++) {
			if (!(rows[i].stages & stages[j]))
				continue;
			if (upstream_class_row(rows[i].profile, stages[j], &reply) != i)
				fail_msg("row %zu does not decide: %s", i, rows[i].example);
			assert_int_equal(upstream_classify(rows[i].profile, stages[j], &reply), rows[i].class);
		}
	}
}

/* A row of one provider says nothing about the others. */
static void rows_of_a_provider_are_for_it_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply reply = read_reply(rows[i].example);
		enum upstream_profile other = rows[i].profile == UPSTREAM_PROFILE_GMAIL ? UPSTREAM_PROFILE_MICROSOFT365
											: UPSTREAM_PROFILE_GMAIL;
		if (rows[i].profile == UPSTREAM_PROFILE_GENERIC)
			continue;
		for (size_t j = 0; j < 4; j++) {
			assert_int_not_equal(upstream_class_row(other, stages[j], &reply), i);
			assert_int_not_equal(upstream_class_row(UPSTREAM_PROFILE_GENERIC, stages[j], &reply), i);
		}
	}
}

struct class_case {
	const char *what;
	enum upstream_profile profile;
	enum upstream_stage stage;
	const char *reply;
	enum upstream_class class;
};

#define GENERIC UPSTREAM_PROFILE_GENERIC
#define GMAIL UPSTREAM_PROFILE_GMAIL
#define MICROSOFT UPSTREAM_PROFILE_MICROSOFT365

static const struct class_case cases[] = {
	{ "a relay's own limit is about the account, whose profile ever", GENERIC, STAGE_RCPT,
	  "550 5.4.5 Daily sending quota exceeded: 500 of 500 messages, resets at 2026-11-23T00:00:00Z",
	  UPSTREAM_ACCOUNT },
	{ "Gmail's relay limit of a user", GMAIL, STAGE_MAIL, "550 5.4.5 Daily SMTP relay limit exceeded for user",
	  UPSTREAM_ACCOUNT },
	{ "Gmail's relay limit of a customer", GMAIL, STAGE_MAIL,
	  "550 5.7.1 Daily SMTP relay limit exceeded for customer. For more\ninformation x - gsmtp", UPSTREAM_TENANT },
	{ "Gmail's words, folded wherever it likes", GMAIL, STAGE_DOT,
	  "550 5.7.1 Daily SMTP relay limit\nexceeded for customer", UPSTREAM_TENANT },
	{ "which another relay's words are not", GENERIC, STAGE_DOT,
	  "550 5.7.1 Daily SMTP relay limit exceeded for customer", UPSTREAM_MESSAGE },
	{ "a recipient of Gmail's that is busy is not our being throttled", GMAIL, STAGE_RCPT,
	  "450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents more",
	  UPSTREAM_RECIPIENTS },
	{ "a domain of Gmail's that wants a transaction of its own", GMAIL, STAGE_RCPT,
	  "451 4.3.0 Multiple destination domains per transaction is unsupported. Please try again.",
	  UPSTREAM_RECIPIENTS },
	{ "Microsoft's daily limit, whatever the profile", GENERIC, STAGE_DOT,
	  "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message",
	  UPSTREAM_ACCOUNT },
	{ "Microsoft's cap of connections", MICROSOFT, STAGE_RCPT, "432 4.3.2 Concurrent connections limit exceeded",
	  UPSTREAM_THROTTLED },
	{ "a soft refusal to relay is not a login's", GENERIC, STAGE_RCPT, "454 4.7.1 <a@b>: Relay access denied",
	  UPSTREAM_TRANSPORT },
	{ "our login was too frequent", GENERIC, STAGE_RCPT, "454 4.7.0 Too many login attempts", UPSTREAM_LOGIN },
	{ "Amazon's day is over", GENERIC, STAGE_DOT, "454 Throttling failure: Daily message quota exceeded.",
	  UPSTREAM_ACCOUNT },

	{ "a 4xx to MAIL", GENERIC, STAGE_MAIL, "451 4.3.0 Try again", UPSTREAM_TRANSPORT },
	{ "a 4xx to the message", GENERIC, STAGE_DOT, "452 4.3.1 Out of space", UPSTREAM_TRANSPORT },
	{ "a command that it does not know", GENERIC, STAGE_MAIL, "500 5.5.2 Unknown command", UPSTREAM_TRANSPORT },
	{ "a parameter that it does not know", GENERIC, STAGE_MAIL, "555 5.5.4 Unsupported option",
	  UPSTREAM_TRANSPORT },
	{ "what we have no word for", GENERIC, STAGE_DOT, "554 5.9.9 Odd", UPSTREAM_MESSAGE },
	{ "the same at MAIL", GENERIC, STAGE_MAIL, "554 5.9.9 Odd", UPSTREAM_TRANSPORT },
	{ "any other 554 at DATA", GENERIC, STAGE_DATA, "554 5.3.0 Mail system not configured", UPSTREAM_TRANSPORT },
	{ "a mailbox that is full", GENERIC, STAGE_RCPT, "452 4.2.2 Over quota", UPSTREAM_RECIPIENTS },
	{ "a refusal without enhanced code", GENERIC, STAGE_RCPT, "550 unknown", UPSTREAM_RECIPIENTS },
	{ "too many recipients", GMAIL, STAGE_RCPT, "452 4.5.3 Your message has too many recipients.",
	  UPSTREAM_RECIPIENTS },
	{ "Postfix's full mailbox, at the dot", GENERIC, STAGE_DOT, "552 5.2.2 Mailbox full", UPSTREAM_MESSAGE },
	{ "a mailbox that is disabled", GENERIC, STAGE_DOT, "550 5.2.1 Mailbox disabled", UPSTREAM_MESSAGE },
	{ "Postfix counts hops", GENERIC, STAGE_DOT, "554 5.4.0 Error: too many hops", UPSTREAM_MESSAGE },
	{ "Exchange does, too", GENERIC, STAGE_DOT, "554 5.4.14 Hop count exceeded - possible mail loop",
	  UPSTREAM_MESSAGE },
	{ "a loop", GENERIC, STAGE_DATA, "554 5.4.6 Loop detected", UPSTREAM_MESSAGE },
	{ "a broken signature", GENERIC, STAGE_DOT, "554 5.7.7 Message integrity failure", UPSTREAM_MESSAGE },
	{ "syntax within the message", GENERIC, STAGE_DOT, "501 5.5.2 Bad address in a header field",
	  UPSTREAM_MESSAGE },
	{ "a code of the message that Exchange has for a login", GENERIC, STAGE_DOT,
	  "554 5.7.3 Security conversion required but not possible", UPSTREAM_MESSAGE },
	{ "a dialog out of step", GENERIC, STAGE_DOT, "503 5.5.1 Need MAIL first", UPSTREAM_TRANSPORT },
	{ "a relay that has no right to relay", GENERIC, STAGE_DOT, "554 5.7.1 Relay access denied",
	  UPSTREAM_TRANSPORT },

	{ "words that are not the relay's", GENERIC, STAGE_MAIL, "450 4.7.1 No: Error: too much mail from you",
	  UPSTREAM_TRANSPORT },
	{ "words of a message's subject", GMAIL, STAGE_DOT,
	  "550 5.7.1 Spam: Daily SMTP relay limit exceeded for customer", UPSTREAM_MESSAGE },
	{ "words in brackets that hold no address", GMAIL, STAGE_MAIL, "450 4.7.1 [x] Peak SMTP relay limit exceeded",
	  UPSTREAM_TRANSPORT },

	{ "Exim's sender verification", GENERIC, STAGE_MAIL, "550 Sender verify failed", UPSTREAM_SENDER },
	{ "an on-premises Exchange refuses a sender", GENERIC, STAGE_DOT,
	  "550 5.7.60 SMTP; Client does not have permissions to send as this sender", UPSTREAM_SENDER },
	{ "too large, without enhanced code", GENERIC, STAGE_DOT, "552 Too large", UPSTREAM_MESSAGE },
	{ "spam, without enhanced code", GENERIC, STAGE_DOT, "554 Message rejected", UPSTREAM_MESSAGE },
};

static void each_refusal_has_its_class(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct reply reply = read_reply(cases[i].reply);
		struct upstream_plain plain;
		upstream_plain_begin(&plain, &reply);
		upstream_plain_take_out(&plain, SPAN("a@b"));
		reply = upstream_plain_reply(&plain, reply.code);
		if (upstream_classify(cases[i].profile, cases[i].stage, &reply) != cases[i].class)
			fail_msg("%s: %s", cases[i].what, cases[i].reply);
	}
}

/* Whatever comes, a 4xx never reaches a client as permanent, and only what a row allows does. */
static void only_rows_speak_for_the_client(void **state)
{
	(void)state;
	for (unsigned code = 400; code < 500; code++) {
		struct reply reply = { .code = code };
		for (size_t i = 0; i < 4; i++) {
			enum upstream_class class = upstream_classify(GENERIC, stages[i], &reply);
			assert_int_not_equal(class, UPSTREAM_SENDER);
			assert_int_not_equal(class, UPSTREAM_MESSAGE);
			assert_true(stages[i] == STAGE_RCPT || class != UPSTREAM_RECIPIENTS);
		}
	}
	for (unsigned code = 400; code < 600; code++) {
		struct reply reply = { .code = code, .enhanced = SPAN("5.9.9") };
		assert_int_not_equal(upstream_classify(GENERIC, STAGE_DOT, &reply), UPSTREAM_ACCEPTED);
	}
}

/* What an attacker has a server repeat, and what is left of it: \1 where an address stood. */
static void addresses_are_taken_out(void **state)
{
	static const struct {
		const char *address, *reply, *enhanced, *text;
	} echoes[] = {
		{ "a@example.net", "550 5.1.1 <a@example.net>: no", "5.1.1", "<\1>: no" },
		{ "a@example.net", "550 5.1.1 <A@Example.NET>: no", "5.1.1", "<\1>: no" },
		{ "\"too much mail from\"@x.invalid", "450 4.7.1 Error: \"too much mail from\"@x.invalid", "4.7.1",
		  "Error: \1" },
		{ "\"too much mail from\"@x.invalid", "450 4.7.1 Error: too much mail from@x.invalid", "4.7.1",
		  "Error: \1" },
		{ "\"too much mail from\"@x.invalid", "450 4.7.1 Error: \"too much mail from\" at x.invalid", "4.7.1",
		  "Error: \1 at \1" },
		{ "\"too much mail from\"@x.invalid", "450 4.7.1 Error: too much mail from", "4.7.1", "Error: \1" },
		{ "\"too\\ much \\\"mail\"@x.invalid", "450 4.7.1 too much \"mail", "4.7.1", "\1" },
		{ "\"5.4.5 limit\"@x.invalid", "550 5.4.5 limit@x.invalid unknown", "", "\1 unknown" },
		{ "\"5.4.5 limit\"@x.invalid", "550 5.4.5 limit is not here", "", "\1 is not here" },
		{ "5.4.5@x.invalid", "550 5.4.5 is not here", "", "\1 is not here" },
		{ "a@5.4.5", "550 5.4.5 has no server", "", "\1 has no server" },
		{ "5.4.5@x.invalid", "550 15.4.51 is another one", "", "15.4.51 is another one" },
		{ "error@x.invalid", "450 4.7.1 Error: too much mail from you", "4.7.1",
		  "Error: too much mail from you" },
		{ "a@x.invalid", "550 5.1.1 a@x.invalid and a@x.invalid\nand x.invalid", "5.1.1", "\1 and \1 and \1" },
		{ "", "550 5.1.1 nothing at all", "5.1.1", "nothing at all" },
		{ "postmaster", "550 5.1.1 postmaster is no@one", "5.1.1", "\1 is no@one" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(echoes) / sizeof(echoes[0]); i++) {
		struct reply reply = read_reply(echoes[i].reply);
		struct upstream_plain plain;
		upstream_plain_begin(&plain, &reply);
		upstream_plain_take_out(&plain, span_of(echoes[i].address));
		struct reply said = upstream_plain_reply(&plain, reply.code);
		if (!span_equal(said.enhanced, span_of(echoes[i].enhanced)) ||
		    !span_equal(said.text, span_of(echoes[i].text)))
			fail_msg("%s: %.*s|%.*s", echoes[i].reply, SPAN_ARGS(said.enhanced), SPAN_ARGS(said.text));
	}
}

/* At RCPT only a provider that asks no other server is believed. */
static void a_recipient_backs_off_from_nobody(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reply reply = read_reply(rows[i].example);
		for (size_t j = 0; j < 4; j++) {
			if (!(rows[i].stages & stages[j]))
				continue;
			size_t row = upstream_class_row(rows[i].profile, stages[j], &reply);
			assert_int_equal(upstream_class_may_back_off(row, stages[j]),
					 stages[j] != STAGE_RCPT || rows[i].profile == MICROSOFT);
		}
	}
	assert_false(upstream_class_may_back_off(SIZE_MAX, STAGE_RCPT));
}

static void the_profile_comes_from_the_option_or_the_host(void **state)
{
	static const struct {
		const char *host;
		enum config_relay_profile option;
		enum upstream_profile profile;
	} relays[] = {
		{ "smtp.gmail.com", RELAY_PROFILE_AUTO, GMAIL },
		{ "SMTP-Relay.Gmail.com", RELAY_PROFILE_AUTO, GMAIL },
		{ "smtp.office365.com", RELAY_PROFILE_AUTO, MICROSOFT },
		{ "example.mail.protection.outlook.com", RELAY_PROFILE_AUTO, MICROSOFT },
		{ "notgmail.com", RELAY_PROFILE_AUTO, GENERIC },
		{ "gmail.com.example.net", RELAY_PROFILE_AUTO, GENERIC },
		{ "127.0.0.1", RELAY_PROFILE_GMAIL, GMAIL },
		{ "127.0.0.1", RELAY_PROFILE_MICROSOFT365, MICROSOFT },
		{ "smtp.gmail.com", RELAY_PROFILE_GENERIC, GENERIC },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(relays) / sizeof(relays[0]); i++) {
		char host[64];
		snprintf(host, sizeof(host), "%s", relays[i].host);
		struct config_relay relay = { .host = host, .profile = relays[i].option };
		assert_int_equal(upstream_profile_of(&relay), relays[i].profile);
	}
}

static void hints_say_how_long_a_refusal_lasts(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} hints[] = {
		{ "Daily sending quota exceeded: 500 of 500 messages, resets at 1970-01-02T00:00:00Z",
		  86400000 - 5000 },
		{ "Too many; Retry after 30 seconds", 30000 },
		{ "please try again in 5 minutes.", 300000 },
		{ "try again in 1 hour", 3600000 },
		{ "try again in 365 days", 172800000 },
		{ "resets at 1970-01-01T00:00:00Z, which is over", 0 },
		{ "resets at 2999-01-01T00:00:00Z", 172800000 },
		{ "resets at 1970-13-01T00:00:00Z", 0 },
		{ "resets at ", 0 },
		{ "try again in 99999999999999999999 hours", 0 },
		{ "try again in five minutes", 0 },
		{ "try again later", 0 },
		{ "", 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		if (upstream_hint_ms(span_of(hints[i].text), 5000) != hints[i].ms)
			fail_msg("%s: %llu", hints[i].text,
				 (unsigned long long)upstream_hint_ms(span_of(hints[i].text), 5000));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_decides_its_example),
		cmocka_unit_test(rows_of_a_provider_are_for_it_alone),
		cmocka_unit_test(each_refusal_has_its_class),
		cmocka_unit_test(only_rows_speak_for_the_client),
		cmocka_unit_test(addresses_are_taken_out),
		cmocka_unit_test(a_recipient_backs_off_from_nobody),
		cmocka_unit_test(the_profile_comes_from_the_option_or_the_host),
		cmocka_unit_test(hints_say_how_long_a_refusal_lasts),
	};
	return cmocka_run_group_tests_name("relay: classes of upstream failure", tests, NULL, NULL);
}
