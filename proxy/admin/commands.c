/* The table of commands, and requests held against it. Pure; what it allocates is gone when it returns. */
#include "admin/commands.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define ARGUMENTS_MAXIMUM 4 /* of one command */
#define TEXT_MAXIMUM 4096   /* bytes of an argument: a long DN, or the address of a consent, fits */

enum argument_kind { ARGUMENT_NONE, ARGUMENT_TEXT, ARGUMENT_NUMBER };

struct argument {
	const char *name;
	enum argument_kind kind;
	bool required;
};

struct command {
	const char *name;
	enum role_kind role;
	struct argument arguments[ARGUMENTS_MAXIMUM + 1];
};

#define MUST(name)                        \
	{                                 \
		name, ARGUMENT_TEXT, true \
	}
#define MAY(name)                          \
	{                                  \
		name, ARGUMENT_TEXT, false \
	}

static const struct command commands[] = {
	{ "status", ROLE_SUPERVISOR, { { 0 } } },
	{ "reload", ROLE_SUPERVISOR, { { 0 } } },
	{ "drain", ROLE_SUPERVISOR, { { 0 } } },
	{ "app-password create",
	  ROLE_AUTH,
	  { MUST("user"), MUST("label"), { "expires", ARGUMENT_NUMBER, false }, MAY("from") } },
	{ "app-password list", ROLE_AUTH, { MAY("user") } },
	{ "app-password revoke", ROLE_AUTH, { MUST("user"), MUST("id") } },
	{ "throttle list", ROLE_AUTH, { { 0 } } },
	{ "throttle clear", ROLE_AUTH, { MAY("user"), MAY("address") } },
	{ "quota show", ROLE_RELAY, { MUST("user") } },
	{ "quota reset", ROLE_RELAY, { MUST("user") } },
	{ "relay list", ROLE_RELAY, { { 0 } } },
	{ "relay pause", ROLE_RELAY, { MUST("relay") } },
	{ "relay resume", ROLE_RELAY, { MUST("relay") } },
	{ "relay test", ROLE_RELAY, { MUST("relay"), MAY("to"), MAY("from") } },
	{ "relay authorize",
	  ROLE_AUTH,
	  { MUST("relay"), { "port", ARGUMENT_NUMBER, false }, MAY("id"), MAY("answer") } },
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static const struct argument *find_argument(const struct command *command, const char *name)
{
	for (const struct argument *argument = command->arguments; argument->name; argument++) {
		if (strcmp(argument->name, name) == 0)
			return argument;
	}
	return NULL;
}

static enum status explain(char out_reason[COMMAND_REASON_SIZE], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static enum status explain(char out_reason[COMMAND_REASON_SIZE], const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(out_reason, COMMAND_REASON_SIZE, format, args);
	va_end(args);
	return STATUS_INVALID;
}

static bool is_plain_text(const json_t *value)
{
	const char *text = json_string_value(value);
	size_t size = json_string_length(value);
	if (!text || size == 0 || size > TEXT_MAXIMUM)
		return false;
	for (size_t i = 0; i < size; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	}
	return true;
}

static enum status check_argument(const struct command *command, const char *name, const json_t *value,
				  char out_reason[COMMAND_REASON_SIZE])
{
	const struct argument *argument = find_argument(command, name);
	if (!argument)
		return explain(out_reason, "%s takes no argument \"%.40s\"", command->name, name);
	if (argument->kind == ARGUMENT_TEXT && !is_plain_text(value))
		return explain(out_reason, "%s: %s is not a text of 1 to %d bytes without control characters",
			       command->name, name, TEXT_MAXIMUM);
	if (argument->kind == ARGUMENT_NUMBER && (!json_is_integer(value) || json_integer_value(value) < 0))
		return explain(out_reason, "%s: %s is not a whole number from 0", command->name, name);
	return STATUS_OK;
}

static enum status check_arguments(const struct command *command, json_t *request, char out_reason[COMMAND_REASON_SIZE])
{
	const char *name;
	json_t *value;
	json_object_foreach(request, name, value)
	{
		if (strcmp(name, "command") != 0)
			TRY(check_argument(command, name, value, out_reason));
	}
	for (const struct argument *argument = command->arguments; argument->name; argument++) {
		if (argument->required && !json_object_get(request, argument->name))
			return explain(out_reason, "%s: %s is missing", command->name, argument->name);
	}
	return STATUS_OK;
}

static enum status check_request(json_t *request, enum role_kind *out_role, char out_reason[COMMAND_REASON_SIZE])
{
	const char *name = json_string_value(json_object_get(request, "command"));
	if (!json_is_object(request) || !name)
		return explain(out_reason, "not a request; expected a JSON object with a \"command\"");
	const struct command *command = find_command(name);
	if (!command)
		return explain(out_reason, "unknown command \"%.40s\"", name);
	TRY(check_arguments(command, request, out_reason));
	*out_role = command->role;
	return STATUS_OK;
}

enum status command_check(struct span line, enum role_kind *out_role, char out_reason[COMMAND_REASON_SIZE])
{
	json_t *request = line.size ? json_loadb(line.data, line.size, JSON_REJECT_DUPLICATES, NULL) : NULL;
	enum status status = check_request(request, out_role, out_reason);
	json_decref(request);
	return status;
}
