/* Warnings: what is reached, who is told. Owns the questions that Redis has not answered, each with its grant. */
#include "relay/warnings.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/records.h"
#include "role/role.h"
#include "smtp/address.h"

#define THRESHOLDS 10 /* of warn_at, at most (config/rules_notify.c) */
#define PENDING 1000  /* questions at a time; beyond it a warning is not given */
#define TIME_SIZE 64  /* bytes */
#define DAY_S 86400ULL

/* A threshold that a user has reached, on its way to being told. */
struct warning {
	TAILQ_ENTRY(warning) in_pending;
	struct warnings *warnings;
	struct grant *grant; /* held */
	enum warning_unit unit;
	unsigned percent;
	uint64_t used, limit, resets_at, until_s;
};

struct warnings {
	struct services *services;
	struct told *told;
	struct own_mail *own;
	char *pack; /* that the texts are views of */
	struct warning_text texts[WARNING_TEXTS_MAXIMUM];
	size_t text_count;
	unsigned thresholds[THRESHOLDS]; /* in percent */
	size_t threshold_count;
	TAILQ_HEAD(warning_list, warning) pending;
	size_t pending_count;
};

static const char *const unit_words[WARNING_UNITS] = { "messages", "recipients", "bytes" };

/* ---- life */

static void read_thresholds(struct warnings *warnings)
{
	const struct config_list *list = &warnings->services->config->quota_day.warn_at;
	uint64_t percent;
	for (size_t i = 0; i < list->count && warnings->threshold_count < THRESHOLDS; i++)
		if (span_to_u64(span_of(list->items[i]), &percent) == STATUS_OK)
			warnings->thresholds[warnings->threshold_count++] = (unsigned)percent;
}

static enum status keep_texts(struct warnings *warnings, struct span texts)
{
	warnings->pack = malloc(texts.size + 1);
	if (warnings->pack == NULL)
		return STATUS_NO_MEMORY;
	if (texts.size)
		memcpy(warnings->pack, texts.data, texts.size);
	return warning_texts_read((struct span){ warnings->pack, texts.size }, warnings->texts, &warnings->text_count);
}

enum status warnings_create(struct services *services, struct told *told, struct own_mail *own, struct span texts,
			    struct warnings **out_warnings)
{
	struct warnings *warnings = calloc(1, sizeof(*warnings));
	if (warnings == NULL)
		return STATUS_NO_MEMORY;
	*warnings = (struct warnings){ .services = services, .told = told, .own = own };
	TAILQ_INIT(&warnings->pending);
	read_thresholds(warnings);
	enum status status = keep_texts(warnings, texts);
	if (status != STATUS_OK) {
		warnings_free(&warnings);
		return status;
	}
	*out_warnings = warnings;
	return STATUS_OK;
}

static void free_warning(struct warning *warning)
{
	struct warnings *warnings = warning->warnings;
	TAILQ_REMOVE(&warnings->pending, warning, in_pending);
	warnings->pending_count--;
	grant_release(&warning->grant);
	free(warning);
}

void warnings_free(struct warnings **warnings)
{
	if (*warnings == NULL)
		return;
	while (!TAILQ_EMPTY(&(*warnings)->pending))
		free_warning(TAILQ_FIRST(&(*warnings)->pending));
	free((*warnings)->pack);
	free(*warnings);
	*warnings = NULL;
}

/* ---- telling */

static void record_warning(const struct warning *warning)
{
	char reason[64];
	const struct quota_state state = {
		.used = warning->used, .limit = warning->limit, .unit = reason, .resets_at = warning->resets_at
	};
	snprintf(reason, sizeof(reason), "%u %% of the %s of a day", warning->percent, unit_words[warning->unit]);
	records_quota_warning(warning->warnings->services->audit, warning->grant, &state);
	stats_add(warning->warnings->services->stats, COUNTER_QUOTA_WARNINGS, warning->unit, 1);
}

/* In the zone that days begin in: "2026-11-30 00:00 CET". */
static void format_time(uint64_t time_s, char out_text[TIME_SIZE])
{
	time_t seconds = (time_t)time_s;
	struct tm parts;
	if (localtime_r(&seconds, &parts) == NULL || strftime(out_text, TIME_SIZE, "%Y-%m-%d %H:%M %Z", &parts) == 0)
		clock_format_seconds(time_s, out_text);
}

/* Where they read mail: their name, if it is an address, else the first address that they send from. */
static struct span address_of(const struct grant *grant)
{
	if (span_contains_byte(grant->user, '@') && address_is_valid(grant->user, true))
		return grant->user;
	for (size_t i = 0; i < grant->senders.count; i++)
		if (span_contains_byte(grant->senders.items[i], '@') && address_is_valid(grant->senders.items[i], true))
			return grant->senders.items[i];
	return (struct span){ 0 };
}

static void mail_user(const struct warning *warning)
{
	const struct warnings *warnings = warning->warnings;
	struct warning_text text = warning_text_find(warnings->texts, warnings->text_count, warning->grant->languages);
	char resets[TIME_SIZE];
	struct buf subject BUF_AUTO, body BUF_AUTO;
	buf_init(&subject, WARNING_TEXT_SIZE_MAXIMUM);
	buf_init(&body, 4U * WARNING_TEXT_SIZE_MAXIMUM);
	format_time(warning->resets_at, resets);
	const struct warning_values values = {
		.user = warning->grant->user,
		.host = span_of(warnings->services->role->node),
		.resets = span_of(resets),
		.used = warning->used,
		.limit = warning->limit,
		.percent = warning->percent,
		.unit = warning->unit,
	};
	if (warning_text_write(&text, &values, &subject, &body) != STATUS_OK) {
		log_error("the warning for %.*s is too long, or there is no memory for it",
			  SPAN_ARGS(warning->grant->user));
		return;
	}
	const struct own_letter letter = { .to = address_of(warning->grant),
					   .subject = buf_span(&subject),
					   .text = buf_span(&body),
					   .language = text.language };
	if (!span_is_empty(letter.to))
		own_mail_send(warnings->own, &letter);
}

static void raise_notice(const struct warning *warning)
{
	char subject[NOTICE_SUBJECT_MAXIMUM];
	snprintf(subject, sizeof(subject), "%u %% of the day's quota is used: %" PRIu64 " of %" PRIu64 " %s",
		 warning->percent, warning->used, warning->limit, unit_words[warning->unit]);
	const struct notice notice = {
		.kind = NOTICE_QUOTA_WARNING,
		.severity = NOTICE_INFORMATION,
		.user = warning->grant->user,
		.subject = span_of(subject),
	};
	notices_raise(&warning->warnings->services->notices, &notice);
}

static void tell_if_first(void *context, bool is_first)
{
	struct warning *warning = context;
	if (is_first) {
		record_warning(warning);
		mail_user(warning);
		raise_notice(warning);
	}
	free_warning(warning);
}

/* ---- looking */

static struct warning *make_warning(struct warnings *warnings, struct grant *grant)
{
	struct warning *warning = warnings->pending_count < PENDING ? calloc(1, sizeof(*warning)) : NULL;
	if (warning == NULL)
		return NULL;
	warning->warnings = warnings;
	warning->grant = grant_hold(grant);
	TAILQ_INSERT_TAIL(&warnings->pending, warning, in_pending);
	warnings->pending_count++;
	return warning;
}

/* Asks whether they were told already. */
static void begin_warning(struct warnings *warnings, struct grant *grant, const struct warning *reached)
{
	struct warning *warning = make_warning(warnings, grant);
	char what[32];
	if (warning == NULL) {
		log_error("no warning for %.*s: out of memory, or too many wait", SPAN_ARGS(grant->user));
		return;
	}
	warning->unit = reached->unit;
	warning->percent = reached->percent;
	warning->used = reached->used;
	warning->limit = reached->limit;
	warning->resets_at = reached->resets_at;
	warning->until_s = reached->until_s;
	snprintf(what, sizeof(what), "%s:%u", unit_words[reached->unit], reached->percent);
	if (told_ask(warnings->told, grant->user, span_of(what), reached->until_s, tell_if_first, warning) != STATUS_OK)
		tell_if_first(warning, true);
}

/* Until when a user is told once: the end of their day; where days roll, of that of the clock. */
static uint64_t end_of_telling(const struct warnings *warnings, const struct quota_state *state)
{
	if (warnings->services->config->quota_day.window != QUOTA_WINDOW_ROLLING)
		return state->resets_at;
	return (clock_wall_us() / 1000000 / DAY_S + 1) * DAY_S;
}

/* The highest threshold that so many percent have reached; 0: none. */
static unsigned threshold_of(const struct warnings *warnings, uint64_t percent)
{
	unsigned highest = 0;
	for (size_t i = 0; i < warnings->threshold_count; i++)
		if (warnings->thresholds[i] <= percent && warnings->thresholds[i] > highest)
			highest = warnings->thresholds[i];
	return highest;
}

/* No need to ask Redis of what this process told in this day. */
static bool is_news(struct user *user, const struct warning *reached)
{
	if (user->warned_day != reached->until_s) {
		user->warned_day = reached->until_s;
		memset(user->warned, 0, sizeof(user->warned));
	}
	if (user->warned[reached->unit] >= reached->percent)
		return false;
	user->warned[reached->unit] = (unsigned char)reached->percent;
	return true;
}

static uint64_t percent_of(uint64_t used, uint64_t limit)
{
	return used >= limit ? 100 : used * 100 / limit;
}

void warnings_look(void *context, struct grant *grant, const struct quota_state *state, bool is_exceeded)
{
	struct warnings *warnings = context;
	uint64_t until_s = end_of_telling(warnings, state);
	if (warnings->threshold_count == 0 || state->shared)
		return;
	const uint64_t used[WARNING_UNITS] = { state->messages, state->recipients, state->bytes };
	const uint64_t limits[WARNING_UNITS] = { state->limits.messages_per_day, state->limits.recipients_per_day,
						 state->limits.bytes_per_day };
	struct user *user = users_enter(warnings->services->users, grant->user, &grant->limits);
	for (unsigned unit = 0; user && unit < WARNING_UNITS; unit++) {
		bool is_full = is_exceeded && strcmp(state->unit, unit_words[unit]) == 0;
		if (limits[unit] == 0)
			continue;
		const struct warning reached = {
			.unit = (enum warning_unit)unit,
			.percent = threshold_of(warnings, is_full ? 100 : percent_of(used[unit], limits[unit])),
			.used = used[unit],
			.limit = limits[unit],
			.resets_at = state->resets_at,
			.until_s = until_s,
		};
		if (reached.percent && is_news(user, &reached))
			begin_warning(warnings, grant, &reached);
	}
}
