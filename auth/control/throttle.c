/* "throttle list" and "throttle clear": who is refused for wrong guesses, and forgiving them. Redis has to answer. */
#include <stdlib.h>

#include "auth/control/control.h"
#include "base/clock.h"
#include "base/text.h"

#define SHOWN_MAXIMUM 4096 /* bytes: a name, each byte of it escaped */

/* One command, until Redis has answered. */
struct throttle_call {
	struct control_call call;
	json_t *rows;
	bool has_all_rows; /* false: no memory for one of them */
};

static struct throttle_call *make_call(const struct control_call *call)
{
	struct throttle_call *kept = calloc(1, sizeof(*kept));
	if (kept == NULL) {
		auth_control_refuse(call, "out of memory");
		return NULL;
	}
	kept->call = *call;
	kept->has_all_rows = true;
	return kept;
}

static void free_call(struct throttle_call *call)
{
	json_decref(call->rows);
	free(call);
}

static json_t *show_name(struct span name)
{
	struct buf shown BUF_AUTO;
	buf_init(&shown, SHOWN_MAXIMUM);
	if (text_escape(name, &shown) != STATUS_OK)
		return NULL;
	return json_stringn(buf_span(&shown).data ? buf_span(&shown).data : "", buf_size(&shown));
}

/* Names as they were typed; with the user's own name where that is another. */
static void add_row(void *context, const struct guess_row *row)
{
	struct throttle_call *call = context;
	uint64_t until_s = clock_wall_us() / 1000000 + row->left_ms / 1000;
	bool is_alias = row->is_user && !span_equal(row->typed, row->name);
	json_t *shown = json_pack("{so so* sI sI}", row->is_user ? "user" : "address",
				  show_name(row->is_user ? row->typed : row->name), "account",
				  is_alias ? show_name(row->name) : NULL, "failures", (json_int_t)row->failures,
				  "until", (json_int_t)until_s);
	if (json_array_append_new(call->rows, shown) != 0)
		call->has_all_rows = false;
}

static void on_listed(void *context, bool has_answered, int64_t next, size_t cleared)
{
	struct throttle_call *call = context;
	char from[24];
	(void)cleared;
	if (!has_answered || !call->has_all_rows) {
		auth_control_refuse(&call->call, has_answered ? "out of memory" : "Redis does not answer");
		free_call(call);
		return;
	}
	snprintf(from, sizeof(from), "%lld", (long long)next);
	auth_control_answer(&call->call,
			    json_pack("{sO ss*}", "throttled", call->rows, "next", next > 0 ? from : NULL));
	free_call(call);
}

void auth_control_list_throttled(const struct control_call *call, const json_t *arguments)
{
	uint64_t from = 0;
	const char *after = auth_control_text(arguments, "after");
	if (after && span_to_u64(span_of(after), &from) != STATUS_OK) {
		auth_control_refuse(call, "\"after\" is none of ours");
		return;
	}
	struct throttle_call *kept = make_call(call);
	if (kept == NULL)
		return;
	kept->rows = json_array();
	if (kept->rows == NULL || guesses_list(call->auth->guesses, from, add_row, on_listed, kept) != STATUS_OK)
		on_listed(kept, false, -1, 0);
}

static void on_cleared(void *context, bool has_answered, int64_t next, size_t cleared)
{
	struct throttle_call *call = context;
	(void)next;
	if (has_answered)
		auth_control_answer(&call->call, json_pack("{sI}", "cleared", (json_int_t)cleared));
	else
		auth_control_refuse(&call->call, "Redis does not answer; not all are forgiven");
	free_call(call);
}

void auth_control_clear_throttled(const struct control_call *call, const json_t *arguments)
{
	struct throttle_call *kept = make_call(call);
	if (kept == NULL)
		return;
	if (guesses_clear(call->auth->guesses, span_of(auth_control_text(arguments, "user")),
			  span_of(auth_control_text(arguments, "address")), on_cleared, kept) != STATUS_OK)
		on_cleared(kept, false, -1, 0);
}
