/*
 * The commands of subgatectl as rows, from door/commands.def. The daemon checks
 * requests against them; subgatectl reads its command line by them, and explains
 * and completes it. Constant data.
 */
#ifndef ADMIN_COMMAND_TABLE_H
#define ADMIN_COMMAND_TABLE_H

#include <stdbool.h>

#include "base/span.h"
#include "role/role.h"

/* Where it stands on the command line. */
enum argument_form {
	ARGUMENT_FORM_WORD,
	ARGUMENT_FORM_OPTION,
	ARGUMENT_FORM_ADDED, /* nowhere: subgatectl adds it to the request */
};

/* As door/commands.def explains them. */
enum argument_kind {
	ARGUMENT_KIND_TEXT,
	ARGUMENT_KIND_TEXTS,
	ARGUMENT_KIND_OWNER,
	ARGUMENT_KIND_USER_OR_ADDRESS,
	ARGUMENT_KIND_EXPIRY,
	ARGUMENT_KIND_AGE,
	ARGUMENT_KIND_NUMBER,
	ARGUMENT_KIND_FLAG,
};

enum command_effect { COMMAND_EFFECT_SHOWS, COMMAND_EFFECT_TESTS, COMMAND_EFFECT_CHANGES };

struct admin_argument {
	const char *field; /* in the request; an option is "--" and this */
	enum argument_form form;
	enum argument_kind kind;
	bool needed;
	bool reserved;     /* not for somebody who asks about themselves */
	const char *shown; /* what stands for the value in help texts */
	const char *help;
};

struct admin_command {
	const char *name;    /* one word or two: "relay list" */
	enum role_kind role; /* ROLE_KINDS: none, as subgatectl does it alone */
	enum command_effect effect;
	const char *help;
	const char *example;
	const struct admin_argument *arguments; /* ended by one without a field */
};

/* Ended by one without a name. Commands with the same first word stand together: a group. */
extern const struct admin_command admin_commands[];

/* NULL: there is none of this name. */
const struct admin_command *admin_command_find(const char *name);
/* NULL: the command has none in this field. */
const struct admin_argument *admin_command_find_argument(const struct admin_command *command, const char *field);
/* "relay" of "relay list", and "list"; the second is empty where there is one word. */
struct span admin_command_first_word(const struct admin_command *command);
struct span admin_command_second_word(const struct admin_command *command);
/* Whether it is the first with its first word. */
bool admin_command_begins_group(const struct admin_command *command);

#endif
