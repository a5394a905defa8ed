/* Answers to administrators. Owns nothing; an answer that there is no memory for becomes one that says so. */
#include <stdlib.h>

#include "base/log.h"
#include "door/door.h"
#include "door/messages.h"
#include "relay/control.h"

void control_reply_text(struct control *control, uint64_t request, struct span json)
{
	const struct door_control_reply message = { .request = request, .json = json };
	if (control->door && door_send_control_reply(control->door, &message) != STATUS_OK)
		log_warning("the admin role does not take its answers");
}

void control_reply(struct control *control, uint64_t request, json_t *answer)
{
	char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	json_decref(answer);
	control_reply_text(control, request, text ? span_of(text) : SPAN("{\"ok\":false,\"error\":\"out of memory\"}"));
	free(text);
}

void control_refuse(struct control *control, uint64_t request, const char *error)
{
	control_reply(control, request, json_pack("{s:b, s:s}", "ok", 0, "error", error));
}

/* Thousands of rows are written for one page of the console: as text they take a third of what a tree of them takes. */
void control_begin_list(struct json_writer *list, struct buf *text)
{
	buf_init(text, DOOR_FRAME_MAXIMUM);
	json_writer_begin(list, text);
	json_put_true(list, SPAN("ok"));
	json_open_array(list, SPAN("users"));
}

bool control_reply_list(struct control *control, uint64_t request, struct json_writer *list, const char *next)
{
	json_close_array(list);
	if (*next)
		json_put_text(list, SPAN("next"), span_of(next));
	json_close_object(list);
	if (list->status == STATUS_OK)
		control_reply_text(control, request, buf_span(list->out));
	return list->status == STATUS_OK;
}
