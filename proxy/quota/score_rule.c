/* The rule. Owns nothing. */
#include "quota/score_rule.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NEWCOMER_DAYS 3   /* fewer say nothing yet about where somebody writes from */
#define ALONE_MESSAGES 15 /* fewer may be a round of business cards */
#define ALONE_POINTS 16
#define CROWD_MESSAGES 19 /* so many to strangers alone are no round of cards, even of a newcomer's */
#define CROWD_POINTS 60

/* What a count adds, from `usual` on: so many points for each doubling, up to `most`. */
struct measure {
	double usual, doubling, most;
};

static const struct measure strangers_measure = { 4, 30, 70 };
static const struct measure messages_measure = { 8, 15, 25 };
static const struct measure refused_measure = { 5, 20, 40 };

static double points_of(const struct measure *measure, uint64_t count, uint64_t peak)
{
	double usual = (double)peak > measure->usual ? (double)peak : measure->usual;
	return (double)count <= usual ? 0 : fmin(measure->most, measure->doubling * log2((double)count / usual));
}

/* Another kind of client where the user has long written from is a new machine, or a telephone. */
static double points_of_place(const struct score_facts *facts)
{
	bool is_newcomer = facts->days < NEWCOMER_DAYS;
	if (!facts->network_is_new)
		return 0;
	return (is_newcomer ? 12 : 28) + (facts->client_is_new ? (is_newcomer ? 6 : 17) : 0);
}

/* Who borrows an account has no friends there. */
static double points_of_company(const struct score_facts *facts)
{
	bool is_alone = facts->now.far_strangers * 10 >= facts->now.far_messages * 9;
	if (!facts->network_is_new || facts->now.far_messages < ALONE_MESSAGES || !is_alone)
		return 0;
	return facts->now.far_messages < CROWD_MESSAGES ? ALONE_POINTS : CROWD_POINTS;
}

/*
 * One message from a telephone's new network is no worse for the hundred that left the office meanwhile. On a user's
 * first day all is new, and nothing is far.
 */
unsigned score_compute(const struct score_facts *facts)
{
	const struct score_hour *now = &facts->now, *peak = &facts->peak;
	bool is_far = facts->network_is_new && now->far_messages;
	double strangers = points_of(&strangers_measure, is_far ? now->far_strangers : now->strangers,
				     is_far ? peak->far_strangers : peak->strangers);
	double messages = points_of(&messages_measure, is_far ? now->far_messages : now->messages,
				    is_far ? peak->far_messages : peak->messages);
	return (unsigned)(strangers + messages + points_of_place(facts) + points_of_company(facts) +
			  points_of(&refused_measure, facts->refused, 0));
}

static void add_words(char out_text[SCORE_REASON_SIZE], const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_words(char out_text[SCORE_REASON_SIZE], const char *format, ...)
{
	size_t used = strlen(out_text);
	va_list args;
	va_start(args, format);
	vsnprintf(out_text + used, SCORE_REASON_SIZE - used, format, args);
	va_end(args);
}

void score_explain(const struct score_facts *facts, struct span network, struct span client,
		   char out_text[SCORE_REASON_SIZE])
{
	const struct score_hour *now = &facts->now, *peak = &facts->peak;
	out_text[0] = '\0';
	add_words(out_text, "%" PRIu64 " messages within an hour (at most %" PRIu64 " in any of the last 28 days)",
		  now->messages, peak->messages);
	if (now->strangers)
		add_words(out_text, ", strangers with a weight of %" PRIu64 " (at most %" PRIu64 ")", now->strangers,
			  peak->strangers);
	if (facts->network_is_new)
		add_words(out_text, ", a network not known before (%.*s)", SPAN_ARGS(span_slice(network, 0, 64)));
	if (facts->client_is_new)
		add_words(out_text, ", a kind of client not known before (%.*s)",
			  SPAN_ARGS(span_slice(client, 0, 100)));
	if (facts->refused)
		add_words(out_text, ", %" PRIu64 " recipients refused", facts->refused);
	if (facts->days < NEWCOMER_DAYS)
		add_words(out_text, ", only %" PRIu64 " days with mail before", facts->days);
}
