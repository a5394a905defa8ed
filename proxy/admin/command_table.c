/* The rows of door/commands.def, and finding names among them. */
#include "admin/command_table.h"

#include <string.h>

#define NEED_NEEDED true, false
#define NEED_OPTIONAL false, false
#define NEED_RESERVED false, true
#define WORD(name, type, value, need, text) \
	{ #name, ARGUMENT_FORM_WORD, ARGUMENT_KIND_##type, NEED_##need, value, text },
#define OPTION(name, type, value, need, text) \
	{ #name, ARGUMENT_FORM_OPTION, ARGUMENT_KIND_##type, NEED_##need, value, text },
#define ADDED(name, type) { #name, ARGUMENT_FORM_ADDED, ARGUMENT_KIND_##type, false, false, "", "" },

/* The arguments of each command first: rows of different lengths. */
#define ARGUMENTS(function, words, effect, text, line, rows) \
	static const struct admin_argument arguments_of_##function[] = { rows{ 0 } };
#define SUPERVISOR_COMMAND ARGUMENTS
#define AUTH_COMMAND ARGUMENTS
#define RELAY_COMMAND ARGUMENTS
#define ADMIN_COMMAND ARGUMENTS
#define LOCAL_COMMAND ARGUMENTS
#include "door/commands.def"

#define ROW(kind, function, words, effect, text, line) \
	{ words, kind, COMMAND_EFFECT_##effect, text, line, arguments_of_##function },
#define SUPERVISOR_COMMAND(function, words, effect, text, line, rows) \
	ROW(ROLE_SUPERVISOR, function, words, effect, text, line)
#define AUTH_COMMAND(function, words, effect, text, line, rows) ROW(ROLE_AUTH, function, words, effect, text, line)
#define RELAY_COMMAND(function, words, effect, text, line, rows) ROW(ROLE_RELAY, function, words, effect, text, line)
#define ADMIN_COMMAND(function, words, effect, text, line, rows) ROW(ROLE_ADMIN, function, words, effect, text, line)
#define LOCAL_COMMAND(function, words, effect, text, line, rows) ROW(ROLE_KINDS, function, words, effect, text, line)
const struct admin_command admin_commands[] = {
#include "door/commands.def"
	{ 0 },
};

const struct admin_command *admin_command_find(const char *name)
{
	for (const struct admin_command *command = admin_commands; command->name; command++) {
		if (strcmp(command->name, name) == 0)
			return command;
	}
	return NULL;
}

const struct admin_argument *admin_command_find_argument(const struct admin_command *command, const char *field)
{
	for (const struct admin_argument *argument = command->arguments; argument->field; argument++) {
		if (strcmp(argument->field, field) == 0)
			return argument;
	}
	return NULL;
}

struct span admin_command_first_word(const struct admin_command *command)
{
	struct span name = span_of(command->name);
	return span_slice(name, 0, span_find_byte(name, ' '));
}

struct span admin_command_second_word(const struct admin_command *command)
{
	struct span rest = span_of(command->name);
	struct span first;
	span_cut(&rest, ' ', &first);
	return rest;
}

bool admin_command_begins_group(const struct admin_command *command)
{
	return command == admin_commands ||
	       !span_equal(admin_command_first_word(command - 1), admin_command_first_word(command));
}
