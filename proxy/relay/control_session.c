/* sessions and kick: who is logged in at this node, and ending a session of theirs. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "relay/control.h"
#include "relay/withdrawals.h"
#include "role/role.h"

#define PAGE_ROWS 500 /* a row takes up to 2 KB, and a frame has room for 1 MB */

/* ---- sessions */

/* The sessions after `after`, in order of gate and number. */
struct listing {
	struct grant **grants;
	size_t count, room;
	struct span user; /* name or id; empty: everybody's */
	uint64_t after_gate, after_session;
};

static void collect_grant(void *context, struct grant *grant)
{
	struct listing *listing = context;
	bool is_after = grant->gate > listing->after_gate ||
			(grant->gate == listing->after_gate && grant->session > listing->after_session);
	bool is_theirs = span_is_empty(listing->user) || span_equal(listing->user, grant->user) ||
			 span_equal(listing->user, grant->user_id);
	if (is_after && is_theirs && !grant->has_ended && listing->count < listing->room)
		listing->grants[listing->count++] = grant;
}

static int compare_grants(const void *a, const void *b)
{
	const struct grant *one = *(struct grant *const *)a, *other = *(struct grant *const *)b;
	if (one->gate != other->gate)
		return one->gate < other->gate ? -1 : 1;
	return one->session < other->session ? -1 : one->session > other->session;
}

static json_t *text_of(struct span text)
{
	return json_stringn(text.data ? text.data : "", text.size);
}

static json_t *describe_grant(const struct grant *grant)
{
	return json_pack("{s:s, s:o*, s:o*, s:o*, s:o*, s:o*, s:o*, s:I}", "session", grant->name, "user",
			 text_of(grant->user), "user_id", text_of(grant->user_id), "address",
			 text_of(grant->client.address), "listener", text_of(grant->client.listener), "method",
			 text_of(grant->auth_method), "app_password_id", text_of(grant->app_password_id), "since",
			 (json_int_t)grant->since_s);
}

static json_t *describe_sessions(struct listing *listing)
{
	json_t *rows = json_array();
	qsort(listing->grants, listing->count, sizeof(struct grant *), compare_grants);
	for (size_t i = 0; i < listing->count && i < PAGE_ROWS; i++)
		json_array_append_new(rows, describe_grant(listing->grants[i]));
	const char *next = listing->count > PAGE_ROWS ? listing->grants[PAGE_ROWS - 1]->name : NULL;
	return json_pack("{s:b, s:s*, s:o}", "ok", 1, "next", next, "sessions", rows);
}

/* "GATE-NUMBER"; false: it is none. */
static bool read_session(const char *text, uint64_t *out_gate, uint64_t *out_session)
{
	struct span rest = span_of(text), gate;
	return span_cut(&rest, '-', &gate) && span_to_u64(gate, out_gate) == STATUS_OK &&
	       span_to_u64(rest, out_session) == STATUS_OK;
}

void control_list_sessions(struct control *control, uint64_t request, const json_t *object)
{
	struct grants *grants = control->withdrawals->grants;
	const char *after = json_string_value(json_object_get(object, "after"));
	struct listing listing = { .user = span_of(json_string_value(json_object_get(object, "user"))),
				   .room = grants_count(grants) };
	if (after && !read_session(after, &listing.after_gate, &listing.after_session)) {
		control_refuse(control, request, "no such page");
		return;
	}
	listing.grants = calloc(listing.room + 1, sizeof(struct grant *));
	if (listing.grants == NULL) {
		control_refuse(control, request, "out of memory");
		return;
	}
	grants_visit(grants, collect_grant, &listing);
	control_reply(control, request, describe_sessions(&listing));
	free(listing.grants);
}

/* ---- kick */

/* Relays that drain have sessions, too, and no door to the admin role: they hear of it by way of Redis. */
static void pass_kick_on(struct control *control, uint64_t request, const char *session)
{
	const struct event event = { .kind = EVENT_KICK,
				     .object = span_of(session),
				     .node = span_of(control->services->role->node) };
	if (events_publish(control->withdrawals->events, &event) != STATUS_OK)
		control_refuse(control, request, "no such session here, and no other relay can be told");
	else
		control_reply(control, request,
			      json_pack("{s:b, s:s, s:s}", "ok", 1, "session", session, "state",
					"not here; a relay that drains ends it, if it has it"));
}

void control_end_session(struct control *control, uint64_t request, const json_t *object)
{
	const char *session = json_string_value(json_object_get(object, "session"));
	uint64_t gate, number;
	if (session == NULL || !read_session(session, &gate, &number))
		control_refuse(control, request, "a session is wanted, such as 12-345; subgatectl sessions names them");
	else if (withdraw_session(control->withdrawals, span_of(session), "ended by an administrator"))
		control_reply(control, request,
			      json_pack("{s:b, s:s, s:s}", "ok", 1, "session", session, "state", "ended"));
	else
		pass_kick_on(control, request, session);
}
