/*
 * Warnings of quotas: once a user has used 80 % of a day's limit, and once all of it (quota_day.warn_at), that is
 * recorded as quota.warning and counted, and the user and the administrators are mailed. Of all nodes one does so, once
 * a threshold and day (quota/told.h). Warnings decide nothing, and no message waits for them.
 */
#ifndef RELAY_WARNINGS_H
#define RELAY_WARNINGS_H

#include "quota/told.h"
#include "relay/grants.h"
#include "relay/own_mail.h"
#include "relay/warning_text.h"

struct warnings;

/* All but `told` must outlive it. `texts`: those of notify.text (warning_text.h), which are copied; or empty. */
MUST_USE enum status warnings_create(struct services *services, struct told *told, struct own_mail *own,
				     struct span texts, struct warnings **out_warnings);
void warnings_free(struct warnings **warnings); /* after `told`, which owes it answers; NULL-safe; sets to NULL */

/* For struct charge_listener, with the struct warnings as context. */
void warnings_look(void *context, struct grant *grant, const struct quota_state *state, bool is_exceeded);

#endif
