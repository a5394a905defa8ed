/* The classes of refusals, from class.def, and the hint that some of them give. Pure. */
#include "base/clock.h"
#include "relay/upstream/private.h"

#define HINT_MAXIMUM_MS 172800000 /* two days: no provider's day is longer, and no relay is lost for a typo */

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

/* Where `words` end in the text; 0: they are not there. */
static size_t find_words(struct span words, struct span text)
{
	for (size_t i = 0; i + words.size <= text.size; i++) {
		if (span_starts_with_nocase(span_slice(text, i, text.size), words))
			return i + words.size;
	}
	return 0;
}

static bool has_words(struct span wanted, struct span text)
{
	return span_is_empty(wanted) || find_words(wanted, text);
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

/* ---- hints */

/* "12 minutes", "1 hour", "3600 s" and so on: milliseconds; 0: none. */
static uint64_t read_delay(struct span text)
{
	static const struct {
		struct span unit;
		uint64_t ms;
	} units[] = { { SPAN("s"), 1000 }, { SPAN("m"), 60000 }, { SPAN("h"), 3600000 }, { SPAN("d"), 86400000 } };
	size_t digits = 0;
	uint64_t number;
	text = span_trim(text);
	while (digits < text.size && digits < 6 && text.data[digits] >= '0' && text.data[digits] <= '9')
		digits++;
	if (span_to_u64(span_slice(text, 0, digits), &number) != STATUS_OK)
		return 0;
	struct span unit = span_trim(span_slice(text, digits, text.size));
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (span_starts_with_nocase(unit, units[i].unit))
			return number * units[i].ms;
	}
	return 0;
}

/* "2026-11-23T00:00:00Z": until then. */
static uint64_t read_time(struct span text, uint64_t wall_ms)
{
	uint64_t wall_s;
	text = span_slice(text, 0, sizeof("2026-11-23T00:00:00Z") - 1);
	if (clock_read_seconds(text, &wall_s) != STATUS_OK || wall_s * 1000 <= wall_ms)
		return 0;
	return wall_s * 1000 - wall_ms;
}

uint64_t upstream_hint_ms(struct span text, uint64_t wall_ms)
{
	static const struct span delays[] = { SPAN("retry after "), SPAN("retry in "), SPAN("try again in "),
					      SPAN("try again after ") };
	static const struct span times[] = { SPAN("resets at "), SPAN("retry after "), SPAN("try again after ") };
	uint64_t hint_ms = 0;
	size_t at;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]) && hint_ms == 0; i++) {
		if ((at = find_words(times[i], text)) != 0)
			hint_ms = read_time(span_slice(text, at, text.size), wall_ms);
	}
	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]) && hint_ms == 0; i++) {
		if ((at = find_words(delays[i], text)) != 0)
			hint_ms = read_delay(span_slice(text, at, text.size));
	}
	return hint_ms < HINT_MAXIMUM_MS ? hint_ms : HINT_MAXIMUM_MS;
}
