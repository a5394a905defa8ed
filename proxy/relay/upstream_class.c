/*
 * What an upstream's refusal means: about a recipient, the sender, the message,
 * or about anything else, which is trouble between us and the relay and never
 * the client's fault. The first row that fits decides; no row is trouble.
 *
 * Codes are used loosely out there: a row can ask for words too. Sources:
 * Google's and Microsoft's lists of SMTP errors, RFC 5321, 4.2.3, RFC 3463,
 * RFC 4954, 6.
 */
#include "relay/upstream_private.h"

#define ANY (STAGE_MAIL | STAGE_RCPT | STAGE_DATA | STAGE_DOT)
#define NO_CODE "-" /* in `enhanced`: the reply has no enhanced code */

struct class_row {
	unsigned stages;
	unsigned code;        /* 0: any; one digit: that series */
	const char *enhanced; /* "": any; ends with a dot: all below it */
	const char *words;    /* in the text, without case; "": any */
	enum upstream_class class;
};

static const struct class_row rows[] = {
	/* our own login, and its right to relay at all */
	{ ANY, 421, "", "", UPSTREAM_TROUBLE },
	{ ANY, 432, "", "", UPSTREAM_TROUBLE },
	{ ANY, 454, "", "", UPSTREAM_TROUBLE },
	{ ANY, 530, "", "", UPSTREAM_TROUBLE },
	{ ANY, 534, "", "", UPSTREAM_TROUBLE },
	{ ANY, 535, "", "", UPSTREAM_TROUBLE },
	{ ANY, 538, "", "", UPSTREAM_TROUBLE },
	{ ANY, 5, "", "credentials for relay", UPSTREAM_TROUBLE },
	{ ANY, 5, "", "relay access denied", UPSTREAM_TROUBLE },
	{ ANY, 5, "", "relaying denied", UPSTREAM_TROUBLE },
	{ ANY, 5, "5.7.3", "", UPSTREAM_TROUBLE },
	{ ANY, 5, "5.7.8", "", UPSTREAM_TROUBLE },
	{ ANY, 5, "5.7.9", "", UPSTREAM_TROUBLE },
	{ ANY, 5, "5.7.30", "", UPSTREAM_TROUBLE },  /* Microsoft: basic authentication retired */
	{ ANY, 5, "5.7.57", "", UPSTREAM_TROUBLE },  /* Microsoft: not authenticated to send */
	{ ANY, 5, "5.7.139", "", UPSTREAM_TROUBLE }, /* Microsoft: basic authentication disabled */

	/* an account, or a tenant, that has sent enough */
	{ ANY, 5, "5.4.5", "", UPSTREAM_TROUBLE },   /* Gmail: daily limit */
	{ ANY, 5, "5.7.233", "", UPSTREAM_TROUBLE }, /* Microsoft: the tenant's cap */
	{ ANY, 5, "", "relay limit exceeded", UPSTREAM_TROUBLE },
	{ ANY, 5, "", "SubmissionQuotaExceeded", UPSTREAM_TROUBLE },
	{ ANY, 5, "5.1.8", "bad outbound sender", UPSTREAM_TROUBLE }, /* Microsoft: blocked for spam */

	/* senders that the account may not use */
	{ ANY, 5, "5.7.60", "", UPSTREAM_SENDER },
	{ ANY, 5, "5.2.252", "", UPSTREAM_SENDER },
	{ ANY, 5, "", "SendAsDenied", UPSTREAM_SENDER },
	{ STAGE_MAIL, 552, "", "", UPSTREAM_MESSAGE },
	{ STAGE_MAIL, 5, "5.3.4", "", UPSTREAM_MESSAGE },
	{ STAGE_MAIL, 553, "", "", UPSTREAM_SENDER },
	{ STAGE_MAIL, 5, "5.7.1", "", UPSTREAM_SENDER },
	{ STAGE_MAIL, 5, "5.1.", "", UPSTREAM_SENDER },
	{ STAGE_MAIL, 550, NO_CODE, "", UPSTREAM_SENDER },

	/* recipients: all but what is out of step, not known, or the upstream's own trouble */
	{ STAGE_RCPT, 500, "", "", UPSTREAM_TROUBLE },
	{ STAGE_RCPT, 502, "", "", UPSTREAM_TROUBLE },
	{ STAGE_RCPT, 503, "", "", UPSTREAM_TROUBLE },
	{ STAGE_RCPT, 4, "4.3.", "", UPSTREAM_TROUBLE },
	{ STAGE_RCPT, 4, "4.4.", "", UPSTREAM_TROUBLE },
	{ STAGE_RCPT, 4, "", "", UPSTREAM_RECIPIENTS },
	{ STAGE_RCPT, 5, "", "", UPSTREAM_RECIPIENTS },

	{ STAGE_DATA, 503, "", "", UPSTREAM_RECIPIENTS },
	{ STAGE_DATA, 554, "5.5.1", "", UPSTREAM_RECIPIENTS },
	{ STAGE_DATA, 554, "", "no valid recipients", UPSTREAM_RECIPIENTS },

	/* the message: its size, its form, what is in it, and policy about it */
	{ STAGE_DATA | STAGE_DOT, 5, "5.3.4", "", UPSTREAM_MESSAGE },
	{ STAGE_DATA | STAGE_DOT, 5, "5.2.3", "", UPSTREAM_MESSAGE },
	{ STAGE_DATA | STAGE_DOT, 5, "5.6.", "", UPSTREAM_MESSAGE },
	{ STAGE_DATA | STAGE_DOT, 5, "5.7.1", "", UPSTREAM_MESSAGE },
	{ STAGE_DOT, 5, "5.7.26", "", UPSTREAM_SENDER }, /* Gmail: SPF, DKIM, DMARC of the sender's domain */
	{ STAGE_DOT, 5, "5.7.0", "", UPSTREAM_MESSAGE }, /* Gmail: a dangerous attachment */
	{ STAGE_DOT, 5, "5.1.", "", UPSTREAM_MESSAGE },  /* recipients looked at late */
	{ STAGE_DATA | STAGE_DOT, 552, NO_CODE, "", UPSTREAM_MESSAGE },
	{ STAGE_DOT, 550, NO_CODE, "", UPSTREAM_MESSAGE },
	{ STAGE_DOT, 554, NO_CODE, "", UPSTREAM_MESSAGE },
};

static bool has_code(unsigned wanted, unsigned code)
{
	return wanted == 0 || wanted == code || wanted == code / 100;
}

static bool has_enhanced(struct span wanted, struct span enhanced)
{
	if (span_is_empty(wanted))
		return true;
	if (span_equal(wanted, SPAN(NO_CODE)))
		return span_is_empty(enhanced);
	if (wanted.data[wanted.size - 1] == '.')
		return span_starts_with(enhanced, wanted);
	return span_equal(enhanced, wanted);
}

static bool has_words(struct span wanted, struct span text)
{
	for (size_t i = 0; i + wanted.size <= text.size; i++) {
		if (span_starts_with_nocase(span_slice(text, i, text.size), wanted))
			return true;
	}
	return false;
}

enum upstream_class upstream_classify(enum upstream_stage stage, const struct reply *reply)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct class_row *row = &rows[i];
		if ((row->stages & stage) && has_code(row->code, reply->code) &&
		    has_enhanced(span_of(row->enhanced), reply->enhanced) &&
		    has_words(span_of(row->words), reply->text))
			return row->class;
	}
	return UPSTREAM_TROUBLE;
}
