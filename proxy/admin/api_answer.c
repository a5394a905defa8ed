/* What a browser is answered. */
#include <stdlib.h>

#include "admin/api_private.h"
#include "base/json_text.h"
#include "base/log.h"

/* Bytes: with all else that is said beside it, a frame. */
#define BODY_MAXIMUM (DOOR_FRAME_MAXIMUM - 1024)
#define OUT_OF_MEMORY SPAN("{\"ok\":false,\"error\":\"out of memory\"}")

void api_answer(struct api *api, const struct door_console_answered *answer)
{
	if (api->handler->answer(api->context, answer) != STATUS_OK)
		log_debug("the console is gone before it was answered");
}

void api_answer_json(struct api *api, uint64_t request, unsigned code, json_t *fields)
{
	char *text = fields ? json_write(fields) : NULL;
	const struct door_console_answered answer = {
		.request = request,
		.code = text ? (uint16_t)code : 503,
		.retry = code == 429 || code == 503 ? 10 : 0,
		.body = text ? span_of(text) : OUT_OF_MEMORY,
	};
	api_answer(api, &answer);
	free(text);
	json_decref(fields);
}

void api_answer_error(struct api *api, uint64_t request, unsigned code, const char *error)
{
	api_answer_json(api, request, code, json_pack("{s:b, s:s}", "ok", 0, "error", error));
}

void api_answer_text(struct api *api, uint64_t request, struct span json)
{
	if (json.size > BODY_MAXIMUM) {
		api_answer_error(api, request, 503, "the answer is too long");
		return;
	}
	json_t *reply = json_read(json);
	const struct door_console_answered answer = {
		.request = request,
		.code = json_is_true(json_object_get(reply, "ok")) ? 200 : 422,
		.body = json,
	};
	json_decref(reply);
	api_answer(api, &answer);
}
