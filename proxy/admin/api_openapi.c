/*
 * The description of the API, made from the table of commands. Each row says by "x-role" who runs it, and by "x-own"
 * whether everybody does about themselves. Whatever can't be made for want of memory is left out, and then the whole.
 */
#include <string.h>

#include "admin/api_private.h"

static const char *type_of(enum argument_kind kind)
{
	switch (kind) {
	case ARGUMENT_KIND_EXPIRY:
	case ARGUMENT_KIND_NUMBER:
		return "integer";
	case ARGUMENT_KIND_FLAG:
		return "boolean";
	case ARGUMENT_KIND_TEXT:
	case ARGUMENT_KIND_TEXTS:
	case ARGUMENT_KIND_OWNER:
	case ARGUMENT_KIND_USER_OR_ADDRESS:
	case ARGUMENT_KIND_AGE:
	default:
		return "string";
	}
}

static const char *help_of(const struct admin_argument *argument)
{
	if (argument->form == ARGUMENT_FORM_ADDED)
		return strcmp(argument->field, "after") == 0 ? "what the last page said as \"next\"" : "";
	return argument->kind == ARGUMENT_KIND_EXPIRY ? "a time, in seconds since 1970" : argument->help;
}

static json_t *describe_query(const struct admin_command *command)
{
	json_t *parameters = json_array();
	for (const struct admin_argument *argument = command->arguments; argument->field; argument++) {
		json_t *one = json_pack("{s:s, s:s, s:b, s:s, s:{s:s}}", "name", argument->field, "in", "query",
					"required", argument->needed, "description", help_of(argument), "schema",
					"type", type_of(argument->kind));
		if (json_array_append_new(parameters, one) != 0) {
			json_decref(parameters);
			return NULL;
		}
	}
	return json_pack("{s:o}", "parameters", parameters);
}

static json_t *describe_body(const struct admin_command *command)
{
	json_t *properties = json_object(), *required = json_array();
	bool whole = properties && required;
	for (const struct admin_argument *argument = command->arguments; argument->field && whole; argument++) {
		json_t *one =
			json_pack("{s:s, s:s}", "type", type_of(argument->kind), "description", help_of(argument));
		whole = json_object_set_new(properties, argument->field, one) == 0 &&
			(!argument->needed || json_array_append_new(required, json_string(argument->field)) == 0);
	}
	if (whole)
		return json_pack("{s:{s:b, s:{s:{s:{s:s, s:o, s:o, s:b}}}}}", "requestBody", "required", 1, "content",
				 "application/json", "schema", "type", "object", "properties", properties, "required",
				 required, "additionalProperties", 0);
	json_decref(properties);
	json_decref(required);
	return NULL;
}

static json_t *describe_command(const struct admin_command *command)
{
	bool shows = command->effect == COMMAND_EFFECT_SHOWS;
	json_t *operation = shows ? describe_query(command) : describe_body(command);
	json_t *facts = json_pack(
		"{s:s, s:s, s:b, s:{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}}}", "summary", command->help, "x-role",
		access_role_text(access_least_role(command)), "x-own", access_is_own(command), "responses", "200",
		"description", "done", "401", "description", "nobody is logged in", "404", "description",
		"there is no such thing, or it is somebody else's", "422", "description", "refused, as \"error\" says");
	bool whole = operation && facts && json_object_update(operation, facts) == 0;
	json_decref(facts);
	if (whole)
		return json_pack("{s:o}", shows ? "get" : "post", operation);
	json_decref(operation);
	return NULL;
}

/* "/api/v1/quota/show" */
static void write_path(const struct admin_command *command, char out_path[128])
{
	snprintf(out_path, 128, "/api/v1/%s", command->name);
	for (char *c = out_path; *c; c++)
		if (*c == ' ')
			*c = '/';
}

static json_t *describe_paths(void)
{
	json_t *paths = json_object();
	for (const struct admin_command *command = admin_commands; command->name && paths; command++) {
		char path[128];
		if (command->role == ROLE_KINDS)
			continue;
		write_path(command, path);
		if (json_object_set_new(paths, path, describe_command(command)) == 0)
			continue;
		json_decref(paths);
		return NULL;
	}
	return paths;
}

void api_show_description(struct api *api, const struct door_console_asked *asked)
{
	json_t *paths = describe_paths();
	json_t *whole = paths ? json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:{s:{s:s, s:s, s:s}, s:{s:s, s:s, s:s}, "
					  "s:{s:s, s:s}}}, s:[{s:[], s:[]}, {s:[]}]}",
					  "openapi", "3.1.0", "info", "title", "Subgate", "version", SUBGATE_VERSION,
					  "paths", paths, "components", "securitySchemes", "session", "type", "apiKey",
					  "in", "cookie", "name", "__Host-subgate", "change", "type", "apiKey", "in",
					  "header", "name", "X-CSRF-Token", "token", "type", "http", "scheme", "bearer",
					  "security", "session", "change", "token")
			      : NULL;
	api_answer_json(api, asked->request, 200, whole);
}
