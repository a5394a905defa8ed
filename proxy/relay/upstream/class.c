/* The classes of refusals, from class.def. Pure. */
#include "relay/upstream/class.h"

struct class_row {
	enum upstream_profile profile;
	unsigned stages;
	unsigned code;
	const char *enhanced, *words;
	enum upstream_class class;
};

#define MAIL STAGE_MAIL
#define RCPT STAGE_RCPT
#define DATA STAGE_DATA
#define DOT STAGE_DOT
#define LATE (STAGE_DATA | STAGE_DOT)
#define ANY (STAGE_MAIL | STAGE_RCPT | STAGE_DATA | STAGE_DOT)

static const struct class_row rows[] = {
#define REFUSAL(profile, stages, code, enhanced, words, class, example) \
	{ UPSTREAM_PROFILE_##profile, stages, code, enhanced, words, UPSTREAM_##class },
#include "relay/upstream/class.def"
#undef REFUSAL
};

static bool has_code(unsigned wanted, unsigned code)
{
	return wanted == 0 || wanted == code || wanted == code / 100;
}

static bool has_enhanced(struct span wanted, struct span enhanced)
{
	if (span_is_empty(wanted))
		return true;
	if (span_equal(wanted, SPAN("-")))
		return span_is_empty(enhanced);
	if (wanted.data[wanted.size - 1] == '.')
		return span_starts_with(enhanced, wanted);
	return span_equal(enhanced, wanted);
}

/* Skips our address and a number, which Gmail puts in front: "[192.0.2.1      15] ". */
static struct span skip_client(struct span text)
{
	size_t end = 1;
	if (!span_starts_with(text, SPAN("[")))
		return text;
	while (end < text.size && span_contains_byte(SPAN("0123456789abcdefABCDEF:. "), text.data[end]))
		end++;
	return end < text.size && text.data[end] == ']' ? span_slice(text, end + 1, text.size) : text;
}

/* Skips the echo that many servers begin with: "<address>: ", "address... ". */
static struct span skip_echo(struct span text)
{
	size_t at = span_starts_with(text, SPAN("<"));
	if (at >= text.size || text.data[at] != UPSTREAM_ECHO)
		return text;
	at++;
	while (at < text.size && span_contains_byte(SPAN(">:., "), text.data[at]))
		at++;
	return span_slice(text, at, text.size);
}

/* Only at the front: what comes later may be somebody else's words. */
static bool has_words(struct span wanted, struct span text)
{
	return span_is_empty(wanted) ||
	       span_starts_with_nocase(span_trim(skip_client(skip_echo(span_trim(text)))), wanted);
}

size_t upstream_class_row(enum upstream_profile profile, enum upstream_stage stage, const struct reply *reply)
{
	size_t i;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct class_row *row = &rows[i];
		if ((row->profile == UPSTREAM_PROFILE_GENERIC || row->profile == profile) && (row->stages & stage) &&
		    has_code(row->code, reply->code) && has_enhanced(span_of(row->enhanced), reply->enhanced) &&
		    has_words(span_of(row->words), reply->text))
			break;
	}
	return i;
}

enum upstream_class upstream_classify(enum upstream_profile profile, enum upstream_stage stage,
				      const struct reply *reply)
{
	size_t row = upstream_class_row(profile, stage, reply);
	return row < sizeof(rows) / sizeof(rows[0]) ? rows[row].class : UPSTREAM_TRANSPORT;
}

bool upstream_class_may_back_off(size_t row, enum upstream_stage stage)
{
	bool is_known = row < sizeof(rows) / sizeof(rows[0]);
	return stage != STAGE_RCPT || (is_known && rows[row].profile == UPSTREAM_PROFILE_MICROSOFT365);
}

/* ---- profiles */

static bool is_below(struct span host, struct span domain)
{
	return span_equal_nocase(host, domain) ||
	       (span_ends_with_nocase(host, domain) && host.data[host.size - domain.size - 1] == '.');
}

enum upstream_profile upstream_profile_of(const struct config_relay *relay)
{
	static const struct {
		struct span domain;
		enum upstream_profile profile;
	} hosts[] = {
		{ SPAN("gmail.com"), UPSTREAM_PROFILE_GMAIL },
		{ SPAN("googlemail.com"), UPSTREAM_PROFILE_GMAIL },
		{ SPAN("office365.com"), UPSTREAM_PROFILE_MICROSOFT365 },
		{ SPAN("outlook.com"), UPSTREAM_PROFILE_MICROSOFT365 },
	};
	switch (relay->profile) {
	case RELAY_PROFILE_GENERIC:
		return UPSTREAM_PROFILE_GENERIC;
	case RELAY_PROFILE_GMAIL:
		return UPSTREAM_PROFILE_GMAIL;
	case RELAY_PROFILE_MICROSOFT365:
		return UPSTREAM_PROFILE_MICROSOFT365;
	case RELAY_PROFILE_AUTO:
		break;
	}
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		if (is_below(span_of(relay->host), hosts[i].domain))
			return hosts[i].profile;
	}
	return UPSTREAM_PROFILE_GENERIC;
}
