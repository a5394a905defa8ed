/* A command and its arguments, from a path with a query or a body. Pure. */
#include <string.h>

#include "admin/api_private.h"
#include "base/json_text.h"

#define PREFIX "/api/v1/"

/* "quota show" is /api/v1/quota/show. */
static bool is_path_of(const struct admin_command *command, struct span words)
{
	struct span name = span_of(command->name);
	if (command->role == ROLE_KINDS || name.size != words.size)
		return false;
	for (size_t i = 0; i < name.size; i++)
		if (words.data[i] != (name.data[i] == ' ' ? '/' : name.data[i]))
			return false;
	return true;
}

const struct admin_command *api_find_command(struct span path)
{
	if (!span_starts_with(path, SPAN(PREFIX)))
		return NULL;
	struct span words = span_slice(path, sizeof(PREFIX) - 1, path.size);
	for (const struct admin_command *command = admin_commands; command->name; command++)
		if (is_path_of(command, words))
			return command;
	return NULL;
}

/* NULL: it is none of that kind. */
static json_t *read_value(const struct admin_argument *argument, struct span text)
{
	uint64_t number;
	switch (argument->kind) {
	case ARGUMENT_KIND_EXPIRY:
	case ARGUMENT_KIND_NUMBER:
		return span_to_u64(text, &number) == STATUS_OK && number <= INT64_MAX ? json_integer((json_int_t)number)
										      : NULL;
	case ARGUMENT_KIND_FLAG:
		return span_equal(text, SPAN("true")) ? json_true() : NULL;
	case ARGUMENT_KIND_TEXT:
	case ARGUMENT_KIND_TEXTS:
	case ARGUMENT_KIND_OWNER:
	case ARGUMENT_KIND_USER_OR_ADDRESS:
	case ARGUMENT_KIND_AGE:
	default:
		return json_stringn(text.size ? text.data : "", text.size);
	}
}

static const char *add_value(json_t *arguments, const struct admin_command *command, struct span name, struct span text)
{
	char field[64];
	if (name.size == 0 || name.size >= sizeof(field))
		return "no argument has such a name";
	snprintf(field, sizeof(field), "%.*s", SPAN_ARGS(name));
	const struct admin_argument *argument = admin_command_find_argument(command, field);
	if (argument == NULL)
		return "the command takes no such argument";
	if (json_object_get(arguments, field))
		return "an argument comes twice";
	json_t *value = read_value(argument, text);
	if (value == NULL)
		return "an argument has a value of another kind";
	return json_object_set_new(arguments, field, value) == 0 ? NULL : "out of memory";
}

json_t *api_read_query(const struct admin_command *command, struct codec_list query, const char **out_error)
{
	json_t *arguments = json_object();
	struct span name, text;
	*out_error = arguments ? NULL : "out of memory";
	while (*out_error == NULL && codec_list_next(&query, &name))
		*out_error = codec_list_next(&query, &text) ? add_value(arguments, command, name, text)
							    : "a name without a value";
	if (*out_error == NULL)
		return arguments;
	json_decref(arguments);
	return NULL;
}

json_t *api_read_body(struct span body, const char **out_error)
{
	json_t *arguments = span_is_empty(body) ? json_object() : json_read(body);
	if (json_is_object(arguments) && json_object_get(arguments, "command") == NULL)
		return arguments;
	json_decref(arguments);
	*out_error = "the body is not a JSON object of the command's arguments";
	return NULL;
}
