/*
 * Files made from the table of commands: the completion for bash and the
 * reference in Markdown. A unit test compares them with those in the tree.
 */
#include "admin/ctl.h"

/* ---- the completion */

/* Words before the current one: options of the program are skipped, the first two others may name the command. */
static const char completion_head[] =
	"# Completion of subgatectl for bash. Made from proxy/door/commands.def by `subgatectl --completion`.\n"
	"_subgatectl()\n"
	"{\n"
	"\tlocal current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"\tlocal at word name= options= flags= offers=\n"
	"\tCOMPREPLY=()\n"
	"\tif [[ $before == -s ]]; then\n"
	"\t\tcompopt -o filenames 2>/dev/null\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tfor ((at = 1; at < COMP_CWORD; at++)); do\n"
	"\t\tword=${COMP_WORDS[at]}\n"
	"\t\tcase $word in\n"
	"\t\t-s) ((at++)) ;;\n"
	"\t\t-*) ;;\n"
	"\t\t*)\n"
	"\t\t\tname+=${name:+ }$word\n"
	"\t\t\tcase $name in\n";

static const char completion_middle[] = "\t\t\t*) break ;;\n"
					"\t\t\tesac\n"
					"\t\t\t;;\n"
					"\t\tesac\n"
					"\tdone\n"
					"\tcase $name in\n";

/* Each option is offered once. Flags have no value; what stands for an option's value is not known here. */
static const char completion_tail[] =
	"\tesac\n"
	"\t[[ \" $options \" == *\" $before \"* ]] && return\n"
	"\tfor word in $options $flags; do\n"
	"\t\t[[ \" ${COMP_WORDS[*]:0:COMP_CWORD} \" == *\" $word \"* ]] || offers+=\" $word\"\n"
	"\tdone\n"
	"\t[[ $current == -* ]] && offers+=\" -s --json --help\"\n"
	"\t[[ $current == -* && -z $name ]] && offers+=\" --version --completion --reference\"\n"
	"\tmapfile -t COMPREPLY < <(compgen -W \"$offers\" -- \"$current\")\n"
	"}\n"
	"complete -F _subgatectl subgatectl\n";

static bool is_group(const struct admin_command *command)
{
	return admin_command_begins_group(command) && !span_is_empty(admin_command_second_word(command));
}

/* "app-password | quota | relay" go on to a second word. */
static void write_groups(FILE *out)
{
	const char *separator = "\t\t\t";
	for (const struct admin_command *command = admin_commands; command->name; command++) {
		if (!is_group(command))
			continue;
		fprintf(out, "%s%.*s", separator, SPAN_ARGS(admin_command_first_word(command)));
		separator = " | ";
	}
	fputs(") ;;\n", out);
}

static void write_first_words(FILE *out)
{
	const char *separator = "";
	fputs("\t\"\") offers=\"", out);
	for (const struct admin_command *command = admin_commands; command->name; command++) {
		if (!admin_command_begins_group(command))
			continue;
		fprintf(out, "%s%.*s", separator, SPAN_ARGS(admin_command_first_word(command)));
		separator = " ";
	}
	fputs("\" ;;\n", out);
}

static void write_second_words(const struct admin_command *group, FILE *out)
{
	const struct admin_command *command = group;
	const char *separator = "";
	fprintf(out, "\t%.*s) offers=\"", SPAN_ARGS(admin_command_first_word(group)));
	do {
		fprintf(out, "%s%.*s", separator, SPAN_ARGS(admin_command_second_word(command)));
		separator = " ";
		command++;
	} while (command->name && !admin_command_begins_group(command));
	fputs("\" ;;\n", out);
}

/* `variable="--a --b"`; nothing where the command has none of them. */
static void write_option_list(const struct admin_command *command, bool flags, const char *variable, FILE *out)
{
	bool any = false;
	for (const struct admin_argument *argument = command->arguments; argument->field; argument++) {
		if (argument->form != ARGUMENT_FORM_OPTION || (argument->kind == ARGUMENT_KIND_FLAG) != flags)
			continue;
		if (!any)
			fprintf(out, " %s=\"", variable);
		fprintf(out, "%s--%s", any ? " " : "", argument->field);
		any = true;
	}
	if (any)
		fputs("\"", out);
}

static void write_options(const struct admin_command *command, FILE *out)
{
	bool any = false;
	for (const struct admin_argument *argument = command->arguments; argument->field; argument++)
		any = any || argument->form == ARGUMENT_FORM_OPTION;
	if (!any)
		return;
	fprintf(out, "\t\"%s\")", command->name);
	write_option_list(command, false, "options", out);
	write_option_list(command, true, "flags", out);
	fputs(" ;;\n", out);
}

void ctl_write_completion(FILE *out)
{
	fputs(completion_head, out);
	write_groups(out);
	fputs(completion_middle, out);
	write_first_words(out);
	for (const struct admin_command *command = admin_commands; command->name; command++) {
		if (is_group(command))
			write_second_words(command, out);
		write_options(command, out);
	}
	fputs(completion_tail, out);
}

/* ---- the reference */

static const char introduction[] =
	"# Commands\n"
	"\n"
	"What `subgatectl` can ask of a running Subgate. This page is made from `proxy/door/commands.def`;\n"
	"`subgatectl COMMAND --help` says the same.\n"
	"\n"
	"All of them go through the control socket (`admin.socket`): for root, whoever started Subgate, and members of "
	"the\n"
	"group that `admin.group` names; those that change nothing for members of `admin.operator_group`, too. What "
	"changes\n"
	"or tests something is in the audit before it is done (`admin.command`). None can be reached by HTTP, where\n"
	"guests read metrics and health alone. With `--json` the answer is one JSON object. The exit status is 0: "
	"done,\n"
	"1: refused, 2: wrong usage, 3: no daemon answers.\n"
	"\n"
	"| command | what it does | changes something |\n"
	"|---|---|---|\n";

/* In a table, | would end the cell. */
static void write_cell(const char *text, FILE *out)
{
	for (; *text; text++)
		fprintf(out, "%s%c", *text == '|' ? "\\" : "", *text);
}

static void write_row(const struct admin_command *command, FILE *out)
{
	fputs("| `", out);
	ctl_write_synopsis(command, out);
	fputs("` | ", out);
	write_cell(command->help, out);
	fprintf(out, " | %s |\n", command->effect == COMMAND_EFFECT_CHANGES ? "yes" : "no");
}

static void write_details(const struct admin_command *command, FILE *out)
{
	fprintf(out, "\n## %s\n\n    subgatectl %s\n\n| argument | needed | |\n|---|---|---|\n", command->name,
		command->example);
	for (const struct admin_argument *argument = command->arguments; argument->field; argument++) {
		if (argument->form == ARGUMENT_FORM_ADDED)
			continue;
		fputs("| `", out);
		ctl_write_argument(argument, out);
		fprintf(out, "` | %s | ", argument->needed ? "yes" : "no");
		write_cell(argument->help, out);
		fputs(" |\n", out);
	}
}

void ctl_write_reference(FILE *out)
{
	fputs(introduction, out);
	for (const struct admin_command *command = admin_commands; command->name; command++)
		write_row(command, out);
	for (const struct admin_command *command = admin_commands; command->name; command++) {
		if (command->arguments->field)
			write_details(command, out);
	}
}
