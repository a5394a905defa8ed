/* The command line of subgatectl, by a table of its commands. Owns the request that it builds. */
#include <arpa/inet.h>
#include <string.h>

#include "admin/ctl.h"
#include "base/span.h"
#include "config/values.h"

#define OPTIONS_MAXIMUM 3 /* of one command */

struct ctl_option {
	const char *flag; /* "--label" */
	const char *field;
	bool required;
	bool is_duration; /* "90d": from now */
};

struct ctl_command {
	const char *first;  /* "app-password" */
	const char *second; /* "create"; NULL for a command of one word */
	const char *usage;  /* what follows */
	const char *help;
	const char *fields[2]; /* of the words that follow; "who": a user or an address */
	unsigned required;     /* so many of them must be there */
	struct ctl_option options[OPTIONS_MAXIMUM + 1];
};

static const struct ctl_command commands[] = {
	{ "status", NULL, "", "what runs, and since when", { 0 }, 0, { { 0 } } },
	{ "reload",
	  NULL,
	  "",
	  "take over the changed configuration; if it is wrong, nothing changes",
	  { 0 },
	  0,
	  { { 0 } } },
	{ "drain", NULL, "", "take no new client, let the others finish, and end", { 0 }, 0, { { 0 } } },
	{ "app-password",
	  "create",
	  "USER --label LABEL [--expires 90d] [--from CIDR]",
	  "make one for a device; shown once",
	  { "user" },
	  1,
	  { { "--label", "label", true, false },
	    { "--expires", "expires", false, true },
	    { "--from", "from", false, false } } },
	{ "app-password", "list", "[USER]", "those there are", { "user" }, 0, { { 0 } } },
	{ "app-password", "revoke", "USER ID", "end one", { "user", "id" }, 2, { { 0 } } },
	{ "quota", "show", "USER", "what is used today, and when it begins anew", { "user" }, 1, { { 0 } } },
	{ "quota", "reset", "USER", "count from nothing again", { "user" }, 1, { { 0 } } },
	{ "throttle", "list", "", "who is refused for wrong guesses", { 0 }, 0, { { 0 } } },
	{ "throttle", "clear", "[USER or ADDRESS]", "forgive one, or all", { "who" }, 0, { { 0 } } },
	{ "relay", "list", "", "the relays and how they do", { 0 }, 0, { { 0 } } },
	{ "relay", "pause", "NAME", "begin no message there until it is resumed", { "relay" }, 1, { { 0 } } },
	{ "relay", "resume", "NAME", "end its pause, and whatever it rests for", { "relay" }, 1, { { 0 } } },
	{ "relay",
	  "test",
	  "NAME [--to ADDRESS] [--from ADDRESS]",
	  "log in there and show the dialog; send a test mail",
	  { "relay" },
	  1,
	  { { "--to", "to", false, false }, { "--from", "from", false, false } } },
	{ "relay",
	  "authorize",
	  "NAME",
	  "get its first refresh token: shows what to open in a browser",
	  { "relay" },
	  1,
	  { { 0 } } },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* The words not read yet. */
struct words {
	char *const *at;
	int left;
	FILE *errors;
};

static enum status complain(const struct words *words, const char *text, const char *what)
{
	fprintf(words->errors, "subgatectl: %s%s\nTry: subgatectl --help\n", text, what);
	return STATUS_INVALID;
}

static const char *take_word(struct words *words)
{
	words->left--;
	return *words->at++;
}

static bool next_is(const struct words *words, const char *text)
{
	return words->left > 0 && strcmp(*words->at, text) == 0;
}

static bool next_is_flag(const struct words *words)
{
	return words->left > 0 && (*words->at)[0] == '-' && (*words->at)[1] != '\0';
}

void ctl_write_usage(FILE *out)
{
	fprintf(out, "Usage: subgatectl [-s SOCKET] [--json] COMMAND\n\n"
		     "Asks a running subgate.\n\n"
		     "  -s SOCKET   its control socket (default " CTL_SOCKET ")\n"
		     "  --json      print the answer as JSON\n"
		     "  --help      this text\n"
		     "  --version   the version\n\n"
		     "Commands:\n");
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct ctl_command *command = &commands[i];
		fprintf(out, "  %s%s%s%s%s\n      %s\n", command->first, command->second ? " " : "",
			command->second ? command->second : "", *command->usage ? " " : "", command->usage,
			command->help);
	}
	fprintf(out, "\nEnds with 0: done, 1: refused, 2: wrong usage, 3: no daemon answers.\n");
}

/* ---- global options */

static enum status read_global_flag(struct words *words, struct ctl_call *call)
{
	const char *flag = take_word(words);
	if (strcmp(flag, "--json") == 0)
		call->json = true;
	else if (strcmp(flag, "--help") == 0 || strcmp(flag, "-h") == 0)
		call->help = true;
	else if (strcmp(flag, "--version") == 0)
		call->version = true;
	else if (strcmp(flag, "-s") != 0)
		return complain(words, "unknown option ", flag);
	else if (words->left == 0)
		return complain(words, "-s wants the path of a socket", "");
	else
		call->socket = take_word(words);
	return STATUS_OK;
}

static bool is_global_flag(const struct words *words)
{
	static const char *const flags[] = { "-s", "--json", "--help", "-h", "--version" };
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (next_is(words, flags[i]))
			return true;
	}
	return false;
}

/* ---- commands */

static enum status find_command(struct words *words, const struct ctl_command **out_command)
{
	if (words->left == 0)
		return complain(words, "a command is missing", "");
	const char *first = take_word(words);
	bool first_known = false;
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].first, first) != 0)
			continue;
		first_known = true;
		if (commands[i].second && !next_is(words, commands[i].second))
			continue;
		if (commands[i].second)
			take_word(words);
		*out_command = &commands[i];
		return STATUS_OK;
	}
	return complain(words, first_known ? "a command must follow " : "unknown command ", first);
}

static bool is_address(const char *text)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static enum status put_text(const struct words *words, json_t *request, const char *field, const char *text)
{
	if (strcmp(field, "who") == 0)
		field = is_address(text) ? "address" : "user";
	if (json_object_set_new(request, field, json_string(text)) != 0)
		return complain(words, "not a text in UTF-8: ", field);
	return STATUS_OK;
}

static enum status put_duration(const struct words *words, json_t *request, const char *field, const char *text,
				uint64_t now_s)
{
	uint64_t ms;
	if (value_parse_duration(span_of(text), &ms) != STATUS_OK || ms < 1000 || ms / 1000 > INT64_MAX / 2)
		return complain(words, "not a duration such as 90d or 12h: ", text);
	json_object_set_new(request, field, json_integer((json_int_t)(now_s + ms / 1000)));
	return STATUS_OK;
}

static enum status read_flag(struct words *words, const struct ctl_command *command, uint64_t now_s, json_t *request)
{
	const char *flag = take_word(words);
	for (const struct ctl_option *option = command->options; option->flag; option++) {
		if (strcmp(option->flag, flag) != 0)
			continue;
		if (words->left == 0)
			return complain(words, "a value must follow ", flag);
		if (json_object_get(request, option->field))
			return complain(words, "given twice: ", flag);
		if (option->is_duration)
			return put_duration(words, request, option->field, take_word(words), now_s);
		return put_text(words, request, option->field, take_word(words));
	}
	return complain(words, "unknown option ", flag);
}

/* A field as the usage has it. */
static const char *name_of(const char *field)
{
	if (strcmp(field, "id") == 0)
		return "ID";
	return strcmp(field, "relay") == 0 ? "NAME" : "USER";
}

static enum status check_complete(const struct words *words, const struct ctl_command *command, unsigned count,
				  json_t *request)
{
	if (count < command->required)
		return complain(words, "missing: ", name_of(command->fields[count]));
	for (const struct ctl_option *option = command->options; option->flag; option++) {
		if (option->required && !json_object_get(request, option->field))
			return complain(words, "missing: ", option->flag);
	}
	return STATUS_OK;
}

static enum status read_arguments(struct words *words, const struct ctl_command *command, uint64_t now_s,
				  struct ctl_call *call)
{
	unsigned count = 0;
	while (words->left > 0) {
		if (is_global_flag(words))
			TRY(read_global_flag(words, call));
		else if (next_is_flag(words))
			TRY(read_flag(words, command, now_s, call->request));
		else if (count == 2 || !command->fields[count])
			return complain(words, "too much: ", *words->at);
		else
			TRY(put_text(words, call->request, command->fields[count++], take_word(words)));
	}
	return call->help ? STATUS_OK : check_complete(words, command, count, call->request);
}

static enum status read_command(struct words *words, uint64_t now_s, struct ctl_call *call)
{
	const struct ctl_command *command;
	TRY(find_command(words, &command));
	call->request = json_object();
	json_t *name = json_sprintf("%s%s%s", command->first, command->second ? " " : "",
				    command->second ? command->second : "");
	if (!call->request || json_object_set_new(call->request, "command", name) != 0)
		return complain(words, "out of memory", "");
	return read_arguments(words, command, now_s, call);
}

enum status ctl_parse(int argc, char *const *argv, uint64_t now_s, FILE *errors, struct ctl_call *out_call)
{
	struct words words = { argv + 1, argc > 0 ? argc - 1 : 0, errors };
	struct ctl_call call = { .socket = CTL_SOCKET };
	enum status status = STATUS_OK;
	while (status == STATUS_OK && next_is_flag(&words))
		status = read_global_flag(&words, &call);
	if (status == STATUS_OK && !call.help && !call.version)
		status = read_command(&words, now_s, &call);
	if (status == STATUS_OK)
		*out_call = call;
	else
		json_decref(call.request);
	return status;
}
