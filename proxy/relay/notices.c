/* Which notices are told, and to whom. Owns nothing but what it remembers of those it told. */
#include "relay/notices.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#define HOUR_MS 3600000ULL
#define KEY_ROOM 1024 /* bytes: a kind, a user and a subject */

static const char *const kind_texts[NOTICE_KINDS] = {
#define NOTICE_TEXT(NUMBER, name) [NOTICE_##NUMBER] = name,
	NOTICES(NOTICE_TEXT)
};

const char *notice_kind_text(enum notice_kind kind)
{
	return kind < NOTICE_KINDS ? kind_texts[kind] : "other";
}

const char *notice_severity_text(enum notice_severity severity)
{
	switch (severity) {
	case NOTICE_INFORMATION:
		return "information";
	case NOTICE_WARNING:
		return "warning";
	case NOTICE_ALARM:
	default:
		return "alarm";
	}
}

void notices_begin(struct notices *notices, struct loop *loop, struct stats *stats, const struct notice_sink *sinks,
		   size_t sink_count)
{
	*notices = (struct notices){ .loop = loop, .stats = stats, .sinks = sinks, .sink_count = sink_count };
}

/* ---- repeats */

/* Equal ones are the same notice. 0: it can't be told, and the notice counts as new. */
static uint64_t key_of(const struct notice *notice)
{
	char text[KEY_ROOM];
	unsigned char digest[HASH_SHA256_SIZE];
	uint64_t key;
	struct span user = span_slice(notice->user, 0, KEY_ROOM / 2);
	int size = snprintf(text, sizeof(text), "%s\n%.*s\n%.*s", notice_kind_text(notice->kind), SPAN_ARGS(user),
			    SPAN_ARGS(notice->subject));
	if (size < 0 || hash_sha256((struct span){ text, strlen(text) }, digest) != STATUS_OK)
		return 0;
	memcpy(&key, digest, sizeof(key));
	return key;
}

static struct notices_told *find_told(struct notices *notices, uint64_t key)
{
	for (size_t i = 0; key && i < NOTICES_REMEMBERED; i++)
		if (notices->recent[i].key == key)
			return &notices->recent[i];
	return NULL;
}

static bool is_repeated(struct notices *notices, uint64_t key, uint64_t now_ms)
{
	const struct notices_told *told = find_told(notices, key);
	return told && now_ms - told->told_ms < NOTICE_REPEAT_MS;
}

static void remember_told(struct notices *notices, uint64_t key, uint64_t now_ms)
{
	struct notices_told *told = find_told(notices, key);
	if (told == NULL) {
		told = &notices->recent[notices->oldest];
		notices->oldest = (notices->oldest + 1) % NOTICES_REMEMBERED;
	}
	*told = (struct notices_told){ key, now_ms };
}

/* ---- how many */

/* False: the hour has had its notices. The log says so once. */
static bool has_room(struct notices *notices, uint64_t now_ms)
{
	if (notices->told == 0 || now_ms - notices->hour_began_ms >= HOUR_MS) {
		notices->hour_began_ms = now_ms;
		notices->told = 0;
	}
	if (notices->told < NOTICES_AN_HOUR)
		return true;
	if (notices->told++ == NOTICES_AN_HOUR)
		log_warning("%u notices within an hour: others are left out until it is over", NOTICES_AN_HOUR);
	return false;
}

static void give_to_sinks(const struct notices *notices, const struct notice *notice)
{
	struct notice given = *notice;
	given.subject = span_slice(notice->subject, 0, NOTICE_SUBJECT_MAXIMUM);
	given.text = span_slice(notice->text, 0, NOTICE_TEXT_MAXIMUM);
	if (given.time_us == 0)
		given.time_us = clock_wall_us();
	for (size_t i = 0; i < notices->sink_count; i++)
		if (notices->sinks[i].take)
			notices->sinks[i].take(notices->sinks[i].context, &given);
}

void notices_raise(struct notices *notices, const struct notice *notice)
{
	if (notices->loop == NULL)
		return;
	uint64_t now_ms = loop_now_ms(notices->loop), key = key_of(notice);
	bool is_told = !is_repeated(notices, key, now_ms) && has_room(notices, now_ms);
	stats_add(notices->stats, COUNTER_NOTICES, is_told ? 0 : 1, 1);
	if (!is_told)
		return;
	log_debug("notice of %s (%s): %.*s", notice_kind_text(notice->kind), notice_severity_text(notice->severity),
		  SPAN_ARGS(notice->subject));
	notices->told++;
	remember_told(notices, key, now_ms);
	give_to_sinks(notices, notice);
}
