/* The command line of subgatectl, by the table of commands. Owns the request that it builds. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <string.h>

#include "admin/ctl.h"
#include "base/clock.h"
#include "base/span.h"
#include "config/values.h"

/* The words not read yet, and what the read ones named: what complaints are about. */
struct words {
	char *const *at;
	int left;
	const struct admin_command *group;   /* the first command with the first word; NULL before it is read */
	const struct admin_command *command; /* NULL before it is read */
	FILE *errors;
};

/* ---- complaints: one line that names the command, what is wrong, and what was expected */

static void write_expectation(const struct words *words)
{
	if (words->command) {
		fputs("; expected: subgatectl ", words->errors);
		ctl_write_synopsis(words->command, words->errors);
	} else {
		fputs("; expected one of: ", words->errors);
		ctl_write_names(words->group, words->errors);
	}
}

__attribute__((format(printf, 2, 3))) static enum status complain_of_usage(const struct words *words,
									   const char *format, ...)
{
	va_list args;
	fputs("subgatectl: ", words->errors);
	if (words->command)
		fprintf(words->errors, "%s: ", words->command->name);
	else if (words->group)
		fprintf(words->errors, "%.*s: ", SPAN_ARGS(admin_command_first_word(words->group)));
	va_start(args, format);
	vfprintf(words->errors, format, args);
	va_end(args);
	write_expectation(words);
	fputc('\n', words->errors);
	return STATUS_INVALID;
}

/* Where no command is to blame. */
static enum status complain_of_option(const struct words *words, const char *what, const char *flag)
{
	if (words->group)
		return complain_of_usage(words, "%s %s", what, flag);
	fprintf(words->errors, "subgatectl: %s %s; expected: " CTL_SYNOPSIS "\n", what, flag);
	return STATUS_INVALID;
}

/* ---- words */

static const char *take_word(struct words *words)
{
	words->left--;
	return *words->at++;
}

static bool next_is_flag(const struct words *words)
{
	return words->left > 0 && (*words->at)[0] == '-' && (*words->at)[1] != '\0';
}

/* ---- options of the program */

static const struct {
	const char *flag;
	enum ctl_task task;
} tasks[] = {
	{ "--help", CTL_TASK_HELP },           { "-h", CTL_TASK_HELP },
	{ "--version", CTL_TASK_VERSION },     { "--completion", CTL_TASK_COMPLETION },
	{ "--reference", CTL_TASK_REFERENCE },
};

/* CTL_TASK_ASK: it is no option that asks for another. */
static enum ctl_task find_task(const char *flag)
{
	for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
		if (strcmp(tasks[i].flag, flag) == 0)
			return tasks[i].task;
	}
	return CTL_TASK_ASK;
}

static bool next_is_global_flag(const struct words *words)
{
	return words->left > 0 && (strcmp(*words->at, "-s") == 0 || strcmp(*words->at, "--json") == 0 ||
				   find_task(*words->at) != CTL_TASK_ASK);
}

static enum status read_global_flag(struct words *words, struct ctl_call *call)
{
	const char *flag = take_word(words);
	if (strcmp(flag, "--json") == 0)
		call->json = true;
	else if (find_task(flag) != CTL_TASK_ASK)
		call->task = find_task(flag);
	else if (strcmp(flag, "-s") != 0)
		return complain_of_option(words, "unknown option", flag);
	else if (words->left == 0)
		return complain_of_option(words, "a socket's path must follow", flag);
	else
		call->socket = take_word(words);
	return STATUS_OK;
}

/* ---- the command's name */

static enum status read_first_word(struct words *words)
{
	if (words->left == 0)
		return complain_of_usage(words, "a command is missing");
	const char *first = take_word(words);
	for (const struct admin_command *command = admin_commands; command->name; command++) {
		if (span_equal(admin_command_first_word(command), span_of(first))) {
			words->group = command;
			return STATUS_OK;
		}
	}
	return complain_of_usage(words, "unknown command \"%s\"", first);
}

static enum status read_second_word(struct words *words)
{
	const struct admin_command *command = words->group;
	if (words->left == 0)
		return complain_of_usage(words, "a command is missing");
	const char *second = take_word(words);
	do {
		if (span_equal(admin_command_second_word(command), span_of(second))) {
			words->command = command;
			return STATUS_OK;
		}
		command++;
	} while (command->name && !admin_command_begins_group(command));
	return complain_of_usage(words, "unknown command \"%s\"", second);
}

/* Help may be asked for after the first word: then there is no command. */
static enum status read_name(struct words *words, struct ctl_call *call)
{
	TRY(read_first_word(words));
	if (span_is_empty(admin_command_second_word(words->group))) {
		words->command = words->group;
		return STATUS_OK;
	}
	while (next_is_global_flag(words))
		TRY(read_global_flag(words, call));
	if (words->left == 0 && call->task != CTL_TASK_ASK)
		return STATUS_OK;
	return read_second_word(words);
}

/* ---- its arguments */

static bool is_address(const char *text)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static enum status put_text(const struct words *words, json_t *request, const char *field, const char *text)
{
	if (json_object_set_new(request, field, json_string(text)) != 0)
		return complain_of_usage(words, "%s is not UTF-8 text", field);
	return STATUS_OK;
}

/* One more of a list. */
static enum status add_text(const struct words *words, json_t *request, const char *field, const char *text)
{
	if (json_object_get(request, field) == NULL && json_object_set_new(request, field, json_array()) != 0)
		return STATUS_NO_MEMORY;
	if (json_array_append_new(json_object_get(request, field), json_string(text)) != 0)
		return complain_of_usage(words, "%s is not UTF-8 text", field);
	return STATUS_OK;
}

static enum status put_time(const struct words *words, json_t *request, const char *field, enum argument_kind kind,
			    const char *text, uint64_t now_s)
{
	uint64_t ms;
	if (value_parse_duration(span_of(text), &ms) != STATUS_OK || ms < 1000 || ms / 1000 > INT64_MAX / 2)
		return complain_of_usage(words, "\"%s\" is not a duration such as 90d or 12h", text);
	uint64_t at =
		kind == ARGUMENT_KIND_EXPIRY ? now_s + ms / 1000 : now_s - (ms / 1000 < now_s ? ms / 1000 : now_s);
	json_object_set_new(request, field, json_integer((json_int_t)at));
	return STATUS_OK;
}

/* "2026-11-23", or with a time. False: it is neither. */
static bool read_date(const char *text, uint64_t *out_at_s)
{
	char whole[CLOCK_TEXT_SIZE];
	snprintf(whole, sizeof(whole), strlen(text) == 10 ? "%.30sT00:00:00Z" : "%.31s", text);
	return clock_read_seconds(span_of(whole), out_at_s) == STATUS_OK;
}

static enum status put_age_or_date(const struct words *words, json_t *request, const struct admin_argument *argument,
				   const char *text, uint64_t now_s)
{
	uint64_t at;
	if (!read_date(text, &at))
		return put_time(words, request, argument->field, argument->kind, text, now_s);
	if (argument->kind == ARGUMENT_KIND_EXPIRY && at <= now_s)
		return complain_of_usage(words, "%s is over", text);
	return json_object_set_new(request, argument->field, json_integer((json_int_t)at)) == 0 ? STATUS_OK
												: STATUS_NO_MEMORY;
}

static enum status put_number(const struct words *words, json_t *request, const char *field, const char *text)
{
	uint64_t number;
	if (span_to_u64(span_of(text), &number) != STATUS_OK || number > INT64_MAX)
		return complain_of_usage(words, "\"%s\" is no number", text);
	return json_object_set_new(request, field, json_integer((json_int_t)number)) == 0 ? STATUS_OK
											  : STATUS_NO_MEMORY;
}

static enum status put_argument(const struct words *words, const struct admin_argument *argument, const char *text,
				uint64_t now_s, json_t *request)
{
	if (argument->kind == ARGUMENT_KIND_AGE || argument->kind == ARGUMENT_KIND_EXPIRY)
		return put_age_or_date(words, request, argument, text, now_s);
	if (argument->kind == ARGUMENT_KIND_TEXTS)
		return add_text(words, request, argument->field, text);
	if (argument->kind == ARGUMENT_KIND_NUMBER)
		return put_number(words, request, argument->field, text);
	if (argument->kind == ARGUMENT_KIND_USER_OR_ADDRESS && is_address(text))
		return put_text(words, request, "address", text);
	return put_text(words, request, argument->field, text);
}

static enum status read_option(struct words *words, uint64_t now_s, json_t *request)
{
	const char *flag = take_word(words);
	const struct admin_argument *option =
		strncmp(flag, "--", 2) == 0 ? admin_command_find_argument(words->command, flag + 2) : NULL;
	if (option == NULL || option->form != ARGUMENT_FORM_OPTION)
		return complain_of_usage(words, "unknown option %s", flag);
	if (json_object_get(request, option->field))
		return complain_of_usage(words, "%s is given twice", flag);
	if (option->kind == ARGUMENT_KIND_FLAG)
		return json_object_set_new(request, option->field, json_true()) == 0 ? STATUS_OK : STATUS_NO_MEMORY;
	if (words->left == 0)
		return complain_of_usage(words, "a value must follow %s", flag);
	return put_argument(words, option, take_word(words), now_s, request);
}

static enum status read_word(struct words *words, unsigned number, uint64_t now_s, json_t *request)
{
	for (const struct admin_argument *argument = words->command->arguments; argument->field; argument++) {
		if (argument->form != ARGUMENT_FORM_WORD)
			continue;
		if (argument->kind == ARGUMENT_KIND_TEXTS || number-- == 0)
			return put_argument(words, argument, take_word(words), now_s, request);
	}
	return complain_of_usage(words, "unexpected word \"%s\"", *words->at);
}

static enum status check_complete(const struct words *words, unsigned count, json_t *request)
{
	unsigned number = 0;
	for (const struct admin_argument *argument = words->command->arguments; argument->field; argument++) {
		bool is_word = argument->form == ARGUMENT_FORM_WORD;
		bool is_there = is_word ? number++ < count : json_object_get(request, argument->field) != NULL;
		if (argument->needed && !is_there)
			return complain_of_usage(words, "%s%s is missing", is_word ? "" : "--",
						 is_word ? argument->shown : argument->field);
	}
	return STATUS_OK;
}

static enum status read_arguments(struct words *words, uint64_t now_s, struct ctl_call *call)
{
	unsigned count = 0;
	while (words->left > 0) {
		if (next_is_global_flag(words))
			TRY(read_global_flag(words, call));
		else if (next_is_flag(words))
			TRY(read_option(words, now_s, call->request));
		else
			TRY(read_word(words, count++, now_s, call->request));
	}
	return call->task == CTL_TASK_ASK ? check_complete(words, count, call->request) : STATUS_OK;
}

static enum status read_command(struct words *words, uint64_t now_s, struct ctl_call *call)
{
	TRY(read_name(words, call));
	call->topic = words->command ? words->command : words->group;
	call->topic_is_group = !words->command;
	if (!words->command)
		return STATUS_OK;
	call->request = json_pack("{s:s}", "command", words->command->name);
	if (call->request == NULL) {
		fputs("subgatectl: out of memory\n", words->errors);
		return STATUS_NO_MEMORY;
	}
	return read_arguments(words, now_s, call);
}

enum status ctl_parse(int argc, char *const *argv, uint64_t now_s, FILE *errors, struct ctl_call *out_call)
{
	struct words words = { .at = argv + 1, .left = argc > 0 ? argc - 1 : 0, .errors = errors };
	struct ctl_call call = { .socket = CTL_SOCKET };
	enum status status = STATUS_OK;
	while (status == STATUS_OK && next_is_flag(&words))
		status = read_global_flag(&words, &call);
	if (status == STATUS_OK && (call.task == CTL_TASK_ASK || (call.task == CTL_TASK_HELP && words.left > 0)))
		status = read_command(&words, now_s, &call);
	if (status == STATUS_OK)
		*out_call = call;
	else
		json_decref(call.request);
	return status;
}
