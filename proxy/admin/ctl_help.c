/* What subgatectl says about itself, from the table of commands. */
#include "admin/ctl.h"

void ctl_write_argument(const struct admin_argument *argument, FILE *out)
{
	const char *flag = argument->form == ARGUMENT_FORM_OPTION ? argument->field : "";
	fprintf(out, "%s%s%s%s", *flag ? "--" : "", flag, *flag && *argument->shown ? " " : "", argument->shown);
}

void ctl_write_synopsis(const struct admin_command *command, FILE *out)
{
	fputs(command->name, out);
	for (const struct admin_argument *argument = command->arguments; argument->field; argument++) {
		if (argument->form == ARGUMENT_FORM_ADDED)
			continue;
		fputs(argument->needed ? " " : " [", out);
		ctl_write_argument(argument, out);
		fputs(argument->needed ? "" : "]", out);
	}
}

void ctl_write_names(const struct admin_command *group, FILE *out)
{
	const char *separator = "";
	for (const struct admin_command *command = group ? group : admin_commands; command->name; command++) {
		struct span name = group ? span_of(command->name) : admin_command_first_word(command);
		if (group && command != group && admin_command_begins_group(command))
			break;
		if (!group && !admin_command_begins_group(command))
			continue;
		fprintf(out, "%s%.*s", separator, SPAN_ARGS(name));
		separator = ", ";
	}
}

/* Two lines each: synopses are too long for what they do to stand beside them. */
static void write_summary(const struct admin_command *command, FILE *out)
{
	fputs("  ", out);
	ctl_write_synopsis(command, out);
	fprintf(out, "\n      %s\n", command->help);
}

static void write_program_help(FILE *out)
{
	fputs("Usage: " CTL_SYNOPSIS "\n\n"
	      "Asks a running subgate, or tells it what to do.\n\n"
	      "  -s SOCKET     its control socket (default " CTL_SOCKET ")\n"
	      "  --json        print the answer as JSON\n"
	      "  --help        this text; after a command, more about it\n"
	      "  --version     the version\n"
	      "  --completion  a script that completes these commands in bash\n"
	      "  --reference   describe every command, as Markdown\n\n"
	      "Commands:\n",
	      out);
	for (const struct admin_command *command = admin_commands; command->name; command++)
		write_summary(command, out);
	fputs("\nExit status: 0 done, 1 refused, 2 wrong usage, 3 no daemon answers.\n", out);
}

static void write_group_help(const struct admin_command *group, FILE *out)
{
	struct span word = admin_command_first_word(group);
	fprintf(out, "Usage: subgatectl [-s SOCKET] [--json] %.*s COMMAND\n\nCommands:\n", SPAN_ARGS(word));
	const struct admin_command *command = group;
	do {
		write_summary(command++, out);
	} while (command->name && !admin_command_begins_group(command));
}

static void write_command_help(const struct admin_command *command, FILE *out)
{
	fputs("Usage: subgatectl [-s SOCKET] [--json] ", out);
	ctl_write_synopsis(command, out);
	fprintf(out, "\n\n%s\n", command->help);
	const char *gap = "\n";
	for (const struct admin_argument *argument = command->arguments; argument->field; argument++) {
		if (argument->form == ARGUMENT_FORM_ADDED)
			continue;
		fprintf(out, "%s  ", gap);
		ctl_write_argument(argument, out);
		fprintf(out, "\n      %s\n", argument->help);
		gap = "";
	}
	fprintf(out, "\nExample: subgatectl %s\n", command->example);
}

void ctl_write_help(const struct admin_command *topic, bool is_group, FILE *out)
{
	if (topic == NULL)
		write_program_help(out);
	else if (is_group)
		write_group_help(topic, out);
	else
		write_command_help(topic, out);
}
