/* What subgatectl reads from the audit's files. */
#ifndef ADMIN_CTL_AUDIT_H
#define ADMIN_CTL_AUDIT_H

#include "admin/ctl.h"

/*
 * Whom checks with mode "audit" would have refused: {"would_be_refused": [{user, why, messages, first, last}, …]}. A
 * file that can't be read makes a refusal. STATUS_UNAVAILABLE: no daemon answers that knows where the audit is.
 */
MUST_USE enum status ctl_audit_senders(const struct ctl_call *call, FILE *errors, json_t **out_reply);

/* Records by what they say. Those are written as they are found, then *out_reply is null; or counted. */
MUST_USE enum status ctl_audit_search(const struct ctl_call *call, FILE *errors, json_t **out_reply);

/* All records of a message and of its session: {"message", "records": […]}; and that for people. */
MUST_USE enum status ctl_audit_show(const struct ctl_call *call, FILE *errors, json_t **out_reply);
void ctl_audit_print_message(const json_t *reply, FILE *out);

/* Figures of a time: {"from", "users": […], "refusals": […], "relays": […], "new_addresses": […]}. */
MUST_USE enum status ctl_audit_report(const struct ctl_call *call, FILE *errors, json_t **out_reply);

/* Whether the audit is as it was written; places and nodes are written as they are found. */
MUST_USE enum status ctl_audit_verify(const struct ctl_call *call, FILE *errors, json_t **out_reply);

#endif
