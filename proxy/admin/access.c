/* Owns nothing. */
#include "admin/access.h"

#include <stdlib.h>
#include <string.h>

#include "base/name.h"

const char *access_role_text(enum access_role role)
{
	static const char *const texts[] = {
		[ACCESS_USER] = "user",
		[ACCESS_AUDITOR] = "auditor",
		[ACCESS_OPERATOR] = "operator",
		[ACCESS_ADMIN] = "admin",
	};
	return role < ACCESS_ROLES ? texts[role] : "unknown";
}

bool access_role_find(struct span text, enum access_role *out_role)
{
	for (enum access_role role = ACCESS_USER; role < ACCESS_ROLES; role++) {
		if (!span_equal(text, span_of(access_role_text(role))))
			continue;
		*out_role = role;
		return true;
	}
	return false;
}

/* ---- roles */

enum status access_find_role(const struct config_console *console, struct span user, struct codec_list groups,
			     enum access_role *out_role)
{
	size_t count = codec_list_count(groups), filled = 0;
	struct span *names = calloc(count + 1, sizeof(*names));
	if (names == NULL)
		return STATUS_NO_MEMORY;
	while (filled < count && codec_list_next(&groups, &names[filled]))
		filled++;
	if (config_names_user(&console->admin_users, &console->admin_groups, user, names, filled))
		*out_role = ACCESS_ADMIN;
	else if (config_names_user(&console->operator_users, &console->operator_groups, user, names, filled))
		*out_role = ACCESS_OPERATOR;
	else if (config_names_user(&console->auditor_users, &console->auditor_groups, user, names, filled))
		*out_role = ACCESS_AUDITOR;
	else
		*out_role = ACCESS_USER;
	free(names);
	return STATUS_OK;
}

/* ---- commands */

enum access_role access_least_role(const struct admin_command *command)
{
	switch (command->effect) {
	case COMMAND_EFFECT_SHOWS:
		return ACCESS_AUDITOR;
	case COMMAND_EFFECT_TESTS:
		return ACCESS_OPERATOR;
	case COMMAND_EFFECT_CHANGES:
	default:
		return ACCESS_ADMIN;
	}
}

static const struct admin_argument *find_owner(const struct admin_command *command)
{
	const struct admin_argument *argument = command->arguments;
	while (argument->field && argument->kind != ARGUMENT_KIND_OWNER)
		argument++;
	return argument->field ? argument : NULL;
}

bool access_is_own(const struct admin_command *command)
{
	return find_owner(command) != NULL;
}

static bool has_reserved(const struct admin_command *command, const json_t *arguments)
{
	for (const struct admin_argument *argument = command->arguments; argument->field; argument++)
		if (argument->reserved && json_object_get(arguments, argument->field))
			return true;
	return false;
}

/* Whether what is given as user is them, or nothing. */
static bool means_user(const json_t *given, const char *user)
{
	char name[NAME_SIZE];
	if (given == NULL)
		return true;
	struct span text = { json_string_value(given), json_string_length(given) };
	return json_is_string(given) && name_canonical(text, name) == STATUS_OK && strcmp(name, user) == 0;
}

enum access_verdict access_judge(const struct admin_command *command, enum access_role role, const char *user,
				 json_t *arguments)
{
	const enum access_verdict otherwise = role == ACCESS_USER ? ACCESS_HIDDEN : ACCESS_FORBIDDEN;
	const struct admin_argument *owner = find_owner(command);
	if (command->role == ROLE_KINDS)
		return ACCESS_HIDDEN;
	if (role >= access_least_role(command))
		return ACCESS_ALLOWED;
	if (owner == NULL || user == NULL || !means_user(json_object_get(arguments, owner->field), user) ||
	    has_reserved(command, arguments))
		return otherwise;
	return json_object_set_new(arguments, owner->field, json_string(user)) == 0 ? ACCESS_ALLOWED : otherwise;
}
