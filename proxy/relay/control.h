/*
 * What administrators ask of the relay role: one file a kind of command. The door (admin_door.c) calls them, and they
 * answer by control_reply.c.
 *
 *   control_quota.c  quota show, reset, set, unset
 *   control_history.c  quota history
 *   control_top.c  quota top
 *   control_memory.c  quota without
 *   control_session.c  sessions, kick
 *   control_relay.c  relay list, pause, resume
 *   control_trial.c  relay test
 *   control_audit.c  audit key, audit check
 *   control_recent.c  messages, audit recent
 */
#ifndef RELAY_CONTROL_H
#define RELAY_CONTROL_H

#include <jansson.h>

#include "base/json_writer.h"
#include "quota/quota_control.h"
#include "relay/admin_door.h"

/* Takes over `answer`, which may be NULL when there was no memory for it. */
void control_reply(struct control *control, uint64_t request, json_t *answer);
/* The same of JSON that is text already: {"ok":…}. */
void control_reply_text(struct control *control, uint64_t request, struct span json);
void control_refuse(struct control *control, uint64_t request, const char *error);
/* A page of a list of users begins as text: objects in an array follow. `text` is for the caller to free. */
void control_begin_list(struct json_writer *list, struct buf *text);
/* Its end, with a place to go on from, unless that is "": the answer. False: it is not whole, and not sent. */
bool control_reply_list(struct control *control, uint64_t request, struct json_writer *list, const char *next);

/*
 * The limits that hold for a name, as far as this node knows: those of a login here, for certain (true); else those by
 * name, which know no groups.
 */
bool control_find_limits(const struct services *services, const struct quota_name *name,
			 struct quota_limits *out_limits);

/* The number of the relay that the request names; false: there is none, and the request is answered. */
bool control_find_relay(struct control *control, uint64_t request, const json_t *object, size_t *out_index);

void control_show_quota(struct control *control, uint64_t request, const json_t *object);
void control_reset_quota(struct control *control, uint64_t request, const json_t *object);
void control_set_quota(struct control *control, uint64_t request, const json_t *object);
void control_unset_quota(struct control *control, uint64_t request, const json_t *object);
void control_do_without_node(struct control *control, uint64_t request, const json_t *object);
void control_questions_free(struct control *control);

void control_list_history(struct control *control, uint64_t request, const json_t *object);
void control_retrospects_free(struct control *control);

void control_show_top(struct control *control, uint64_t request, const json_t *object);

void control_list_messages(struct control *control, uint64_t request, const json_t *object);
void control_list_recent(struct control *control, uint64_t request, const json_t *object);
void control_inquiries_free(struct control *control);

void control_list_sessions(struct control *control, uint64_t request, const json_t *object);
void control_end_session(struct control *control, uint64_t request, const json_t *object);

void control_list_relays(struct control *control, uint64_t request, const json_t *object);
void control_pause_relay(struct control *control, uint64_t request, const json_t *object);
void control_resume_relay(struct control *control, uint64_t request, const json_t *object);
void control_try_relay(struct control *control, uint64_t request, const json_t *object);
void control_check_audit(struct control *control, uint64_t request, const json_t *object);
void control_show_audit_key(struct control *control, uint64_t request, const json_t *object);
void control_trials_free(struct control *control);

#endif
