/*
 * What a refusal means for the attempt that hears it: its class, judged by what
 * the upstream says by itself (echo.c); whether we may back off for it; and how
 * long it says that it will last.
 */
#include "base/clock.h"
#include "relay/upstream/private.h"

/* two days: no provider's day is longer, and each kind of back-off has a limit of its own */
#define HINT_MAXIMUM_MS 172800000

/* ---- hints */

/* Where `words` end in the text; 0: they aren't in it. */
static size_t find_words(struct span words, struct span text)
{
	for (size_t i = 0; i + words.size <= text.size; i++) {
		if (span_starts_with_nocase(span_slice(text, i, text.size), words))
			return i + words.size;
	}
	return 0;
}

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

/* "2026-11-23T00:00:00Z": the milliseconds until then. */
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

/* ---- the verdict */

/*
 * A server may repeat a mere piece of an address. So a code that is part of an address doesn't count, and if an address
 * is quoted, and could hold words, no words do.
 */
static void distrust_pieces(struct span address, struct reply *said)
{
	if (!span_is_empty(said->enhanced) && find_words(said->enhanced, address) != 0)
		said->enhanced = (struct span){ 0 };
	if (span_starts_with(address, SPAN("\"")))
		said->text = (struct span){ 0 };
}

/* The reply as the upstream itself says it, without the addresses. */
static struct reply read_plainly(const struct upstream_attempt *u, const struct upstream_rcpt *rcpts, size_t count,
				 const struct reply *reply, struct upstream_plain *plain)
{
	upstream_plain_begin(plain, reply);
	upstream_plain_take_out(plain, u->mail_from);
	for (size_t i = 0; i < count; i++)
		upstream_plain_take_out(plain, rcpts[i].address);
	struct reply said = upstream_plain_reply(plain, reply->code);
	distrust_pieces(u->mail_from, &said);
	for (size_t i = 0; i < count; i++)
		distrust_pieces(rcpts[i].address, &said);
	return said;
}

enum upstream_class upstream_judge(struct upstream_attempt *u, enum upstream_stage stage,
				   const struct upstream_rcpt *rcpt, const struct reply *reply)
{
	struct upstream_plain plain;
	struct reply said = read_plainly(u, rcpt ? rcpt : u->rcpts, rcpt ? 1 : u->count, reply, &plain);
	size_t row = upstream_class_row(u->pool->profile, stage, &said);
	u->verdict.may_back_off = upstream_class_may_back_off(row, stage);
	u->verdict.hint_ms = upstream_hint_ms(said.text, clock_wall_us() / 1000);
	return upstream_classify(u->pool->profile, stage, &said);
}
