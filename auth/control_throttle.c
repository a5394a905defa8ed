/* "throttle list" and "throttle clear": who is refused for wrong guesses, and forgiving them. */
#include "auth/control.h"
#include "base/clock.h"

static uint64_t now_ms(const struct control_call *call)
{
	return loop_now_ms(call->auth->role->loop);
}

static void add_row(void *context, const struct throttle_row *row)
{
	json_t *rows = context;
	const char *kind = row->kind == THROTTLE_USER ? "user" : "address";
	uint64_t until_s = clock_wall_us() / 1000000 + row->left_ms / 1000;
	if (json_array_size(rows) < CONTROL_ROWS_MAXIMUM)
		json_array_append_new(rows, json_pack("{ss sI sI}", kind, row->subject, "failures",
						      (json_int_t)row->failures, "until", (json_int_t)until_s));
}

void auth_control_list_throttled(const struct control_call *call, const json_t *arguments)
{
	(void)arguments;
	json_t *rows = json_array();
	throttle_list(call->auth->throttle, now_ms(call), add_row, rows);
	auth_control_answer(call, json_pack("{so}", "throttled", rows));
}

void auth_control_clear_throttled(const struct control_call *call, const json_t *arguments)
{
	const char *user = auth_control_text(arguments, "user");
	const char *address = auth_control_text(arguments, "address");
	size_t cleared = 0;
	if (user || address == NULL)
		cleared += throttle_clear(call->auth->throttle, span_of(user), now_ms(call));
	if (address)
		cleared += throttle_clear(call->auth->throttle, span_of(address), now_ms(call));
	auth_control_answer(call, json_pack("{sI}", "cleared", (json_int_t)cleared));
}
