/* Requests held against the table of commands. Pure; what it allocates is gone when it returns. */
#include "admin/commands.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "admin/command_table.h"
#include "base/ascii.h"
#include "base/json_text.h"

/* Bytes of an argument: a long DN, or the address of a consent, fits. */
#define TEXT_MAXIMUM 4096

__attribute__((format(printf, 2, 3))) static enum status refuse_request(char out_reason[COMMAND_REASON_SIZE],
									const char *format, ...)
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
		if (ascii_is_control(text[i]))
			return false;
	}
	return true;
}

static enum status check_argument(const struct admin_command *command, const char *name, const json_t *value,
				  char out_reason[COMMAND_REASON_SIZE])
{
	const struct admin_argument *argument = admin_command_find_argument(command, name);
	if (!argument)
		return refuse_request(out_reason, "%s takes no argument \"%.40s\"", command->name, name);
	if (argument->kind == ARGUMENT_KIND_FLAG && !json_is_true(value))
		return refuse_request(out_reason, "%s: %s is not true", command->name, name);
	if (argument->kind == ARGUMENT_KIND_FLAG)
		return STATUS_OK;
	bool is_number = argument->kind == ARGUMENT_KIND_EXPIRY || argument->kind == ARGUMENT_KIND_NUMBER;
	if (!is_number && !is_plain_text(value))
		return refuse_request(out_reason, "%s: %s is not a text of 1 to %d bytes without control characters",
				      command->name, name, TEXT_MAXIMUM);
	if (is_number && (!json_is_integer(value) || json_integer_value(value) < 0))
		return refuse_request(out_reason, "%s: %s is not a whole number from 0", command->name, name);
	return STATUS_OK;
}

static enum status check_arguments(const struct admin_command *command, json_t *request,
				   char out_reason[COMMAND_REASON_SIZE])
{
	const char *name;
	json_t *value;
	json_object_foreach(request, name, value)
	{
		if (strcmp(name, "command") != 0)
			TRY(check_argument(command, name, value, out_reason));
	}
	for (const struct admin_argument *argument = command->arguments; argument->field; argument++) {
		if (argument->needed && !json_object_get(request, argument->field))
			return refuse_request(out_reason, "%s: %s is missing", command->name, argument->field);
	}
	return STATUS_OK;
}

static enum status check_request(json_t *request, const struct admin_command **out_command,
				 char out_reason[COMMAND_REASON_SIZE])
{
	const char *name = json_string_value(json_object_get(request, "command"));
	if (!json_is_object(request) || !name)
		return refuse_request(out_reason, "not a request; expected a JSON object with a \"command\"");
	const struct admin_command *command = admin_command_find(name);
	if (!command || command->role == ROLE_KINDS)
		return refuse_request(out_reason, "unknown command \"%.40s\"", name);
	TRY(check_arguments(command, request, out_reason));
	*out_command = command;
	return STATUS_OK;
}

enum status admin_command_check(struct span line, const struct admin_command **out_command,
				char out_reason[COMMAND_REASON_SIZE])
{
	json_t *request = line.size ? json_read(line) : NULL;
	enum status status = check_request(request, out_command, out_reason);
	json_decref(request);
	return status;
}
