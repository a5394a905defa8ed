/* Answers to administrators. Owns nothing; an answer that there is no memory for becomes one that says so. */
#include <stdlib.h>

#include "base/log.h"
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
