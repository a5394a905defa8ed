/* subgatectl setup: the words of the command line, given to the room that does it. */
#include "admin/ctl_setup.h"

#include "setup/setup.h"

enum status ctl_setup(const struct ctl_call *call, FILE *errors, json_t **out_reply)
{
	const struct setup_options options = {
		.config = json_string_value(json_object_get(call->request, "config")),
		.answers = json_string_value(json_object_get(call->request, "answers")),
	};
	enum status status = setup_run(&options, errors);
	*out_reply =
		status == STATUS_OK ? json_null() : json_pack("{s:b, s:s}", "ok", 0, "error", "setup did not end well");
	return *out_reply ? STATUS_OK : STATUS_NO_MEMORY;
}
