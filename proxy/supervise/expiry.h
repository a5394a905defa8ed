/*
 * When our certificates end: in the log and the metric, and for status and roles as text. Administrators hear of it by
 * mail from the relay role (relay/expiry_notice.h).
 */
#ifndef SUPERVISE_EXPIRY_H
#define SUPERVISE_EXPIRY_H

#include <stdio.h>

#include "config/config.h"
#include "net/loop.h"
#include "role/handover.h"
#include "stats/stats.h"
#include "supervise/secret_files.h"

#define EXPIRY_WARNING_S (14 * 86400ULL) /* so long before, the log warns */

struct expiry {
	char *name;    /* of its section: "tls", "certificate old", "ldap corp" */
	uint64_t at_s; /* since 1970 */
};

struct expiries {
	struct expiry *items;
	size_t count;
};

/* The certificates of a config, as the descriptors in `files` hold them. STATUS_NO_MEMORY; STATUS_SYSTEM: errno. */
MUST_USE enum status expiries_list(const struct config *config, const struct handover *files,
				   struct expiries *out_expiries);
void expiries_free(struct expiries *expiries); /* safe on an empty one */
/* Adds them to `list` for the relay, as "expiries": lines of seconds since 1970, a blank, and the name. */
MUST_USE enum status expiries_hand_over(const struct expiries *expiries, struct handover *list);
/* "ends at 2026-12-03T00:00:00Z, in 3 days", "has ended at …". */
#define EXPIRY_TEXT_SIZE 96
void expiry_describe(uint64_t at_s, uint64_t now_s, char out_text[EXPIRY_TEXT_SIZE]);

/* ---- the watch, one a node */

struct expiry_watch;

/* `stats` is the supervisor's slab. */
MUST_USE enum status expiry_watch_create(struct loop *loop, struct stats *stats, struct expiry_watch **out_watch);
/* These are shown to clients from now on. They live as long, or until others are followed. */
void expiry_watch_follow(struct expiry_watch *watch, const struct config *config, const struct expiries *expiries);
void expiry_watch_free(struct expiry_watch **watch); /* NULL-safe; sets to NULL */

#endif
