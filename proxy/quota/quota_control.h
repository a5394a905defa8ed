/*
 * Quota, as administrators see and change it: what a user has sent, everybody who has sent something, a count set to
 * nothing, and limits set by hand for one user, which hold on all nodes from their next charge on.
 */
#ifndef QUOTA_QUOTA_CONTROL_H
#define QUOTA_QUOTA_CONTROL_H

#include "quota/by_hand.h"
#include "quota/quota.h"

/* Whose counts: a user's, or those that the members of a section share. */
struct quota_name {
	struct span name;
	bool is_shared;
};

/* A limit that was set by hand. */
struct quota_override {
	const char *option; /* static: a name of quota_override_option */
	uint64_t limit;
	uint64_t until_s; /* since 1970; 0: for ever */
};

struct quota_sent {
	uint64_t messages, recipients, bytes;
};

/* What was sent until now; quota_history_of reads it. */
struct quota_past {
	uint64_t day_s;          /* when the user's day began */
	struct quota_sent today; /* on that day, since its counts were last set to nothing */
	struct span before;      /* on days that are over, as Redis has it (past.lua) */
};

#define QUOTA_OVERRIDES 6 /* options that can be set by hand */
/* "messages_per_day", …; NULL past the end. */
const char *quota_override_option(size_t index);

struct quota_report {
	struct quota_name name;
	uint64_t messages, recipients, bytes, strangers; /* of the day */
	uint64_t last_hour, last_minute;                 /* messages; 0 where they are not limited */
	uint64_t resets_at;                              /* seconds since 1970 */
	struct quota_limits limits; /* in force: of the last charge, else as given; overrides applied */
	char section[128];          /* that they are of; "": not known */
	struct quota_override overrides[QUOTA_OVERRIDES];
	size_t override_count;
	struct quota_past past; /* of quota_look_back; else zeroed */
};

/* NULL: Redis failed or is late. Valid during the call. */
typedef void quota_report_callback(void *context, const struct quota_report *report);

/*
 * What is used. `limits` are those known here; `are_sure`: they come from a login, else those of the last charge, on
 * whichever node, are preferred.
 */
MUST_USE enum status quota_show(struct quota *quota, const struct quota_name *name, const struct quota_limits *limits,
				bool are_sure, quota_report_callback *callback, void *context);
/* The same, and what was sent before. */
MUST_USE enum status quota_look_back(struct quota *quota, const struct quota_name *name,
				     const struct quota_limits *limits, bool are_sure, quota_report_callback *callback,
				     void *context);
/* Sets the counts to nothing; the report has them as they were. */
MUST_USE enum status quota_reset(struct quota *quota, const struct quota_name *name, const struct quota_limits *limits,
				 bool are_sure, quota_report_callback *callback, void *context);

/* Sets limits by hand, in the place of those that were. STATUS_INVALID: none is given, or more than there are. */
MUST_USE enum status quota_set_limits(struct quota *quota, const struct quota_name *name,
				      const struct quota_override *overrides, size_t count, by_hand_callback *callback,
				      void *context);
/* Takes away the limit of that option that was set by hand; NULL: all of them. */
MUST_USE enum status quota_unset_limits(struct quota *quota, const struct quota_name *name, const char *option,
					by_hand_callback *callback, void *context);

#define QUOTA_HISTORY_DAYS 31 /* at most: today, and 30 that are over */
#define QUOTA_DATE_SIZE 11    /* bytes of "2026-11-23", the NUL included */

/* What was sent on some days in turn, the last of them today; a day is a date in the quota's zone. */
struct quota_history {
	uint64_t today; /* days since 1970-01-01 */
	size_t count;
	struct quota_sent days[QUOTA_HISTORY_DAYS];
};

/* The date of one of the days. */
void quota_history_date(const struct quota_history *history, size_t index, char out_date[QUOTA_DATE_SIZE]);

/* So many of the days, at most QUOTA_HISTORY_DAYS. */
void quota_history_of(const struct quota_past *past, size_t days, struct quota_history *out_history);

#define QUOTA_PAGE_CURSOR_SIZE 32 /* bytes, the NUL included */

/* `names` of some that have counts, maybe twice; `next`: where it goes on, "" at the end. NULL: as above. */
typedef void quota_page_callback(void *context, const struct quota_name *names, size_t count, const char *next);

/* Finds everybody who has counts, a part at a time. `cursor` "" at first. STATUS_INVALID: it is none of ours. */
MUST_USE enum status quota_list(struct quota *quota, const char *cursor, quota_page_callback *callback, void *context);

#endif
