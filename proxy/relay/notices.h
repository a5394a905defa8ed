/*
 * Notices: what somebody should hear of soon, without reading log or audit. Whoever sees it raises a notice; sinks take
 * it to people: a mail to administrators, a webhook.
 *
 * A notice is no record and no log line: whoever raises it writes those, too. It never waits, and it never fails so
 * that its raiser would have to care. What was told within the hour is not told again, and beyond NOTICES_AN_HOUR all
 * others are left out; the metric subgate_notices_total counts both.
 */
#ifndef RELAY_NOTICES_H
#define RELAY_NOTICES_H

#include "net/loop.h"
#include "stats/stats.h"

#define NOTICES_AN_HOUR 200         /* told; an hour begins with its first */
#define NOTICES_REMEMBERED 256      /* of which it is known that they were told within the hour */
#define NOTICE_SUBJECT_MAXIMUM 200  /* bytes; longer ones are cut */
#define NOTICE_TEXT_MAXIMUM 4096    /* bytes; the same */
#define NOTICE_REPEAT_MS 3600000ULL /* the same notice is told again after this */

/* NOTICE(NUMBER, name) */
#define NOTICES(NOTICE)                                                                                           \
	NOTICE(AUDIT_TROUBLE, "audit.trouble")               /* the audit can't be written, or not to disk */     \
	NOTICE(AUDIT_LOW_SPACE, "audit.low_space")           /* its disk is nearly full, or has room again */     \
	NOTICE(QUOTA_WARNING, "quota.warning")               /* a user has used so much of a day's limit */       \
	NOTICE(USER_ALERT, "user.alert")                     /* a user sends as never before (relay/judge.h) */   \
	NOTICE(QUOTA_LOST, "quota.lost")                     /* Redis has lost counts that it had acknowledged */ \
	NOTICE(QUOTA_DIFFERS, "quota.differs")               /* nodes count by different rules */                 \
	NOTICE(CERTIFICATE_EXPIRING, "certificate.expiring") /* one of ours ends soon, or has ended */

#define NOTICE_NUMBER(NUMBER, name) NOTICE_##NUMBER,
enum notice_kind { NOTICES(NOTICE_NUMBER) NOTICE_KINDS };

enum notice_severity { NOTICE_INFORMATION, NOTICE_WARNING, NOTICE_ALARM };

/* Views, valid during the call. Their texts are UTF-8, hold no secret, and may hold what a client said. */
struct notice {
	enum notice_kind kind;
	enum notice_severity severity;
	struct span user;    /* whom it is about; empty: nobody */
	struct span subject; /* one line, which alone says what happened: "the disk of the audit is nearly full" */
	struct span text;    /* sentences: what it means and what to do; lines end in LF. Empty: the subject says all */
	uint64_t time_us;    /* of the wall clock; 0: now, which notices_raise fills in */
};

/* Where notices go. It is called once for each that is told, copies what it keeps, never waits and raises none. */
struct notice_sink {
	void (*take)(void *context, const struct notice *notice);
	void *context;
};

struct notices_told {
	uint64_t key;     /* of kind, user and subject */
	uint64_t told_ms; /* of the loop's clock */
};

/* Embedded in its owner, who need not free it. Zeroed: all notices are dropped. */
struct notices {
	struct loop *loop;
	struct stats *stats;
	const struct notice_sink *sinks; /* borrowed */
	size_t sink_count;
	uint64_t hour_began_ms;
	unsigned told; /* since then */
	struct notices_told recent[NOTICES_REMEMBERED];
	size_t oldest; /* of `recent`, the next to give way */
};

/* `sinks` must outlive it. */
void notices_begin(struct notices *notices, struct loop *loop, struct stats *stats, const struct notice_sink *sinks,
		   size_t sink_count);
void notices_raise(struct notices *notices, const struct notice *notice);

/* "quota.lost"; static. */
const char *notice_kind_text(enum notice_kind kind);
/* "warning"; static. */
const char *notice_severity_text(enum notice_severity severity);

#endif
