/* The commands that subgatectl runs itself, by the table of commands. */
#include <string.h>

#include "admin/ctl.h"
#include "admin/ctl_audit.h"
#include "admin/ctl_setup.h"

static const struct {
	const char *name;
	enum status (*run)(const struct ctl_call *call, FILE *errors, json_t **out_reply);
} commands[] = {
#define LOCAL_COMMAND(function, words, ...) { words, ctl_##function },
#include "door/commands.def"
};

enum status ctl_run_local(const struct ctl_call *call, FILE *errors, json_t **out_reply)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, call->topic->name) == 0)
			return commands[i].run(call, errors, out_reply);
	return STATUS_UNAVAILABLE;
}
