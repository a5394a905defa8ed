/* Standings: one look at a time. Owns the two last ones, and remembers who waits. */
#include "relay/standings.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "net/loop.h"
#include "relay/control.h"

#define PATIENCE_MS 40 /* of those who wait */
#define KEPT_TIMES 20  /* as long as a look took */
#define KEPT_MAXIMUM_MS 60000
#define SHOWN_S 300 /* what is older than that isn't shown any more: yesterday's is none of today's */
#define PAUSE_MAXIMUM_MS 100

TAILQ_HEAD(waiting_list, waiting);
struct waiting {
	TAILQ_ENTRY(waiting) in_list;
	standings_callback *callback;
	void *context;
};

struct standings {
	const struct services *services;
	struct timer *patience, *pause;
	struct waiting_list waiting;
	/* The last look that came to its end. */
	struct standings_found found;
	bool has_found;
	uint64_t kept_until_ms;
	/* The present one; or `has_failed` is that of the last one. */
	struct standings_found seen;
	bool is_looking, has_failed;
	uint64_t began_ms, part_began_ms;
	char after[QUOTA_PAGE_CURSOR_SIZE];
	size_t awaited; /* answers about users of this part */
};

static uint64_t now_ms(const struct standings *standings)
{
	return loop_now_ms(standings->services->loop);
}

static void clear_found(struct standings_found *found)
{
	ranking_clear(&found->today);
	ranking_clear(&found->month);
	*found = (struct standings_found){ 0 };
}

static void answer_all(struct standings *standings, const struct standings_found *found)
{
	struct waiting *waiting;
	timer_clear(standings->patience);
	while ((waiting = TAILQ_FIRST(&standings->waiting)) != NULL) {
		TAILQ_REMOVE(&standings->waiting, waiting, in_list);
		waiting->callback(waiting->context, found);
		free(waiting);
	}
}

static bool may_be_shown(const struct standings *standings)
{
	return standings->has_found && clock_wall_us() / 1000000 < standings->found.at_s + SHOWN_S;
}

static void on_patience_ends(void *context)
{
	struct standings *standings = context;
	answer_all(standings, may_be_shown(standings) ? &standings->found : &standings->seen);
}

/* ---- a look */

static void keep_what_was_seen(struct standings *standings)
{
	uint64_t kept_ms = KEPT_TIMES * (now_ms(standings) - standings->began_ms);
	clear_found(&standings->found);
	standings->found = standings->seen;
	standings->found.is_whole = true;
	standings->seen = (struct standings_found){ 0 };
	standings->has_found = true;
	standings->kept_until_ms = now_ms(standings) + (kept_ms < KEPT_MAXIMUM_MS ? kept_ms : KEPT_MAXIMUM_MS);
}

static void end_look(struct standings *standings)
{
	standings->is_looking = false;
	if (!standings->has_failed)
		keep_what_was_seen(standings);
	clear_found(&standings->seen);
	answer_all(standings, standings->has_failed ? NULL : &standings->found);
}

/* What users share is none's: it is counted with each of them. */
static bool is_over(const struct standings *standings)
{
	return standings->has_failed || standings->after[0] != 'u';
}

static void end_part(struct standings *standings)
{
	uint64_t took_ms = now_ms(standings) - standings->part_began_ms;
	if (is_over(standings))
		end_look(standings);
	else
		timer_set(standings->pause, took_ms < PAUSE_MAXIMUM_MS ? took_ms : PAUSE_MAXIMUM_MS);
}

static struct ranked sum_of(const struct quota_report *report)
{
	struct quota_history history;
	struct ranked sum = { 0 };
	quota_history_of(&report->past, STANDINGS_DAYS, &history);
	for (size_t i = 0; i < history.count; i++) {
		sum.messages += history.days[i].messages;
		sum.recipients += history.days[i].recipients;
		sum.bytes += history.days[i].bytes;
	}
	return sum;
}

static enum status look_at_user(struct standings_found *seen, const struct quota_report *report)
{
	const struct ranked month = sum_of(report), today = { .messages = report->messages,
							      .recipients = report->recipients,
							      .bytes = report->bytes,
							      .limit = report->limits.messages_per_day,
							      .resets_at = report->resets_at };
	seen->looked_at++;
	seen->senders += today.messages > 0;
	seen->sent += today.messages;
	if (today.messages)
		TRY(ranking_add(&seen->today, report->name.name, &today));
	return month.messages ? ranking_add(&seen->month, report->name.name, &month) : STATUS_OK;
}

static void on_report(void *context, const struct quota_report *report)
{
	struct standings *standings = context;
	if (report == NULL || look_at_user(&standings->seen, report) != STATUS_OK)
		standings->has_failed = true;
	if (--standings->awaited == 0)
		end_part(standings);
}

static enum status ask_about(struct standings *standings, const struct quota_name *name)
{
	struct quota_limits limits;
	bool are_sure = control_find_limits(standings->services, name, &limits);
	return quota_look_back(standings->services->quota, name, &limits, are_sure, on_report, standings);
}

static void on_names(void *context, const struct quota_name *names, size_t count, const char *next)
{
	struct standings *standings = context;
	standings->has_failed = names == NULL;
	snprintf(standings->after, sizeof(standings->after), "%s", next);
	for (size_t i = 0; i < count && !standings->has_failed; i++) {
		if (ask_about(standings, &names[i]) == STATUS_OK)
			standings->awaited++;
		else
			standings->has_failed = true;
	}
	if (standings->awaited == 0)
		end_part(standings);
}

static void look_on(void *context)
{
	struct standings *standings = context;
	standings->part_began_ms = now_ms(standings);
	if (quota_list(standings->services->quota, standings->after, on_names, standings) != STATUS_OK) {
		standings->has_failed = true;
		end_look(standings);
	}
}

static void begin_look(struct standings *standings)
{
	standings->is_looking = true;
	standings->has_failed = false;
	standings->began_ms = now_ms(standings);
	standings->seen.at_s = clock_wall_us() / 1000000;
	standings->after[0] = '\0';
	look_on(standings);
}

/* ---- asking */

enum status standings_ask(struct standings *standings, standings_callback *callback, void *context)
{
	if (standings->has_found && now_ms(standings) < standings->kept_until_ms) {
		callback(context, &standings->found);
		return STATUS_OK;
	}
	struct waiting *waiting = calloc(1, sizeof(*waiting));
	if (waiting == NULL)
		return STATUS_NO_MEMORY;
	/* After a failure they wait to hear whether it still fails. */
	bool is_patient = standings->has_failed || !TAILQ_EMPTY(&standings->waiting);
	waiting->callback = callback;
	waiting->context = context;
	TAILQ_INSERT_TAIL(&standings->waiting, waiting, in_list);
	if (!is_patient)
		timer_set(standings->patience, PATIENCE_MS);
	if (!standings->is_looking)
		begin_look(standings);
	return STATUS_OK;
}

/* ---- life */

enum status standings_create(const struct services *services, struct standings **out_standings)
{
	struct standings *standings = calloc(1, sizeof(*standings));
	if (standings == NULL)
		return STATUS_NO_MEMORY;
	standings->services = services;
	TAILQ_INIT(&standings->waiting);
	if (timer_make(services->loop, on_patience_ends, standings, &standings->patience) != STATUS_OK ||
	    timer_make(services->loop, look_on, standings, &standings->pause) != STATUS_OK) {
		standings_free(&standings);
		return STATUS_NO_MEMORY;
	}
	*out_standings = standings;
	return STATUS_OK;
}

void standings_free(struct standings **standings_at)
{
	struct standings *standings = *standings_at;
	if (standings == NULL)
		return;
	if (!TAILQ_EMPTY(&standings->waiting))
		answer_all(standings, NULL);
	timer_free(&standings->patience);
	timer_free(&standings->pause);
	clear_found(&standings->found);
	clear_found(&standings->seen);
	free(standings);
	*standings_at = NULL;
}
