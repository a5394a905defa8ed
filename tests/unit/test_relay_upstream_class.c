/* What refusals mean: replies as Gmail, Microsoft, Postfix and Exim give them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "relay/upstream_private.h"

struct class_case {
	const char *what;
	enum upstream_stage stage;
	const char *reply;
	enum upstream_class class;
};

static const struct class_case cases[] = {
	{ "Gmail's daily limit is about the account, at MAIL", STAGE_MAIL,
	  "550 5.4.5 Daily user sending limit exceeded", UPSTREAM_TROUBLE },
	{ "and at RCPT", STAGE_RCPT, "550 5.4.5 Daily user sending limit exceeded", UPSTREAM_TROUBLE },
	{ "and behind the message", STAGE_DOT, "550 5.4.5 Daily user sending limit exceeded", UPSTREAM_TROUBLE },
	{ "Gmail's relay limit of a whole customer", STAGE_DOT,
	  "550 5.7.1 Daily SMTP relay limit exceeded for customer", UPSTREAM_TROUBLE },
	{ "Gmail does not know our address", STAGE_MAIL, "550 5.7.1 Invalid credentials for relay [192.0.2.1]",
	  UPSTREAM_TROUBLE },
	{ "Microsoft's daily limit", STAGE_DOT,
	  "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException", UPSTREAM_TROUBLE },
	{ "Microsoft's cap of a tenant", STAGE_DOT, "550 5.7.233 tenant limit", UPSTREAM_TROUBLE },
	{ "Microsoft's cap of connections", STAGE_MAIL, "432 4.3.2 Concurrent connections limit exceeded",
	  UPSTREAM_TROUBLE },
	{ "and at RCPT it is not about the recipient", STAGE_RCPT, "432 4.3.2 Concurrent connections limit exceeded",
	  UPSTREAM_TROUBLE },
	{ "an account blocked for spam", STAGE_MAIL, "550 5.1.8 Access denied, bad outbound sender", UPSTREAM_TROUBLE },

	{ "our login is missing", STAGE_MAIL, "530 5.7.0 Authentication Required", UPSTREAM_TROUBLE },
	{ "our login is wrong", STAGE_MAIL, "535 5.7.8 Bad credentials", UPSTREAM_TROUBLE },
	{ "our login must be done in a browser", STAGE_MAIL, "534 5.7.14 Please log in", UPSTREAM_TROUBLE },
	{ "our login was too frequent", STAGE_RCPT, "454 4.7.0 Too many login attempts", UPSTREAM_TROUBLE },
	{ "our login does not let us relay", STAGE_RCPT, "554 5.7.1 <a@b>: Relay access denied", UPSTREAM_TROUBLE },

	{ "going away", STAGE_RCPT, "421 4.3.2 Shutting down", UPSTREAM_TROUBLE },
	{ "a 4xx to MAIL", STAGE_MAIL, "451 4.3.0 Try again", UPSTREAM_TROUBLE },
	{ "a 4xx to the message", STAGE_DOT, "452 4.3.1 Out of space", UPSTREAM_TROUBLE },
	{ "a command that it does not know", STAGE_MAIL, "500 5.5.2 Unknown command", UPSTREAM_TROUBLE },
	{ "a parameter that it does not know", STAGE_MAIL, "555 5.5.4 Unsupported option", UPSTREAM_TROUBLE },
	{ "RCPT out of step", STAGE_RCPT, "503 5.5.1 Need MAIL first", UPSTREAM_TROUBLE },
	{ "what we have no word for", STAGE_DOT, "554 5.9.9 Odd", UPSTREAM_TROUBLE },

	{ "a mailbox that does not exist", STAGE_RCPT, "550 5.1.1 No such user", UPSTREAM_RECIPIENTS },
	{ "a mailbox that is full", STAGE_RCPT, "452 4.2.2 Over quota", UPSTREAM_RECIPIENTS },
	{ "a mailbox that is busy", STAGE_RCPT, "450 4.2.1 Receiving too quickly", UPSTREAM_RECIPIENTS },
	{ "a refusal without enhanced code", STAGE_RCPT, "550 unknown", UPSTREAM_RECIPIENTS },
	{ "a full disk is not about the recipient", STAGE_RCPT, "452 4.3.1 Out of space", UPSTREAM_TROUBLE },
	{ "no recipient is valid, it says at DATA", STAGE_DATA, "554 5.5.1 Error: no valid recipients",
	  UPSTREAM_RECIPIENTS },
	{ "or so", STAGE_DATA, "503 Valid RCPT command must precede DATA", UPSTREAM_RECIPIENTS },
	{ "or so, without code", STAGE_DATA, "554 No valid recipients", UPSTREAM_RECIPIENTS },
	{ "any other 554 at DATA", STAGE_DATA, "554 5.3.0 Mail system not configured", UPSTREAM_TROUBLE },

	{ "a sender that is not allowed", STAGE_MAIL, "553 5.7.1 Not owned by user", UPSTREAM_SENDER },
	{ "a sender by policy", STAGE_MAIL, "550 5.7.1 Sender rejected", UPSTREAM_SENDER },
	{ "a sender without a domain", STAGE_MAIL, "501 5.1.7 Bad sender address syntax", UPSTREAM_SENDER },
	{ "Exim's sender verification", STAGE_MAIL, "550 Sender verify failed", UPSTREAM_SENDER },
	{ "Microsoft's SendAs, new", STAGE_DOT, "554 5.2.252 SendAsDenied; a@b not allowed", UPSTREAM_SENDER },
	{ "Microsoft's SendAs, older", STAGE_DOT, "550 5.7.60 SMTP; Client does not have permissions to send as this",
	  UPSTREAM_SENDER },
	{ "Microsoft's SendAs, oldest", STAGE_DOT, "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException",
	  UPSTREAM_SENDER },
	{ "a sender's domain that fails DMARC", STAGE_DOT, "550 5.7.26 Unauthenticated email", UPSTREAM_SENDER },

	{ "too large, told at MAIL", STAGE_MAIL, "552 5.3.4 Too large", UPSTREAM_MESSAGE },
	{ "too large, told behind it", STAGE_DOT, "552 5.3.4 Too large", UPSTREAM_MESSAGE },
	{ "too large, without enhanced code", STAGE_DOT, "552 Too large", UPSTREAM_MESSAGE },
	{ "malformed", STAGE_DOT, "554 5.6.0 Bad header", UPSTREAM_MESSAGE },
	{ "spam", STAGE_DOT, "550 5.7.1 Looks like spam", UPSTREAM_MESSAGE },
	{ "a dangerous attachment", STAGE_DOT, "552 5.7.0 Blocked for its content", UPSTREAM_MESSAGE },
	{ "spam, without enhanced code", STAGE_DOT, "554 Message rejected", UPSTREAM_MESSAGE },
	{ "recipients looked at late", STAGE_DOT, "550 5.1.10 Recipient not found", UPSTREAM_MESSAGE },
};

static void each_refusal_has_its_class(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct reply reply;
		assert_int_equal(reply_read(span_of(cases[i].reply), &reply), STATUS_OK);
		if (upstream_classify(cases[i].stage, &reply) != cases[i].class)
			fail_msg("%s: %s", cases[i].what, cases[i].reply);
	}
}

/* Whatever comes, a 4xx never reaches a client as permanent, and only what a row allows does. */
static void only_rows_speak_for_the_client(void **state)
{
	static const enum upstream_stage stages[] = { STAGE_MAIL, STAGE_RCPT, STAGE_DATA, STAGE_DOT };
	(void)state;
	for (unsigned code = 400; code < 500; code++) {
		struct reply reply = { .code = code };
		for (size_t i = 0; i < 4; i++) {
			enum upstream_class class = upstream_classify(stages[i], &reply);
			bool fits =
				class == UPSTREAM_TROUBLE || (stages[i] == STAGE_RCPT && class == UPSTREAM_RECIPIENTS);
			assert_true(fits);
		}
	}
	for (unsigned code = 400; code < 600; code++) {
		struct reply reply = { .code = code, .enhanced = SPAN("5.9.9") };
		assert_int_not_equal(upstream_classify(STAGE_DOT, &reply), UPSTREAM_ACCEPTED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_refusal_has_its_class),
		cmocka_unit_test(only_rows_speak_for_the_client),
	};
	return cmocka_run_group_tests_name("relay: classes of upstream failure", tests, NULL, NULL);
}
