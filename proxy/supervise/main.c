/*
 * The main of `subgate`: the table of its roles, and what the arguments ask for. Errors go to stderr. Exit 0: done;
 * 1: refused or failed; 2: wrong usage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "role/role_main.h"
#include "role/title.h"
#include "supervise/app_passwords.h"
#include "supervise/config_file.h"
#include "supervise/directory_trial.h"
#include "supervise/supervisor.h"

#define EXIT_USAGE 2

/*
 * What `--role NAME` runs. A role's user is called after it (identities.c), doors.c says whom it has doors to, and
 * role/role.h which descriptors it gets.
 */
static const struct role *const roles[] = { &gate_role, &auth_role, &relay_role, &admin_role, &console_role };

enum action {
	ACTION_RUN,
	ACTION_CHECK,
	ACTION_DUMP,
	ACTION_DIRECTORY,
	ACTION_REFERENCE,
	ACTION_VERSION,
	ACTION_HELP,
};

struct arguments {
	enum action action;
	char *config_file; /* a copy: the title is written over argv */
	char *user;        /* of ACTION_DIRECTORY; the same */
};

static const struct {
	const char *name;
	enum action action;
	bool needs_config;
} options[] = {
	{ "--check", ACTION_CHECK, true },          { "--dump", ACTION_DUMP, true },
	{ "--reference", ACTION_REFERENCE, false }, { "--version", ACTION_VERSION, false },
	{ "--help", ACTION_HELP, false },           { "-h", ACTION_HELP, false },
};

static void print_help(FILE *out)
{
	fputs("usage: subgate -c FILE            run in the foreground\n"
	      "       subgate -c FILE --check    look for faults in FILE and what it names\n"
	      "       subgate -c FILE --dump     show the effective config, secrets left out\n"
	      "       subgate -c FILE --directory USER   ask FILE's directories about USER, step by step\n"
	      "       subgate --reference        describe every option, as Markdown\n"
	      "       subgate --version\n"
	      "       subgate --help\n"
	      "\n"
	      "SIGHUP reloads FILE, SIGTERM finishes what was begun and ends.\n"
	      "subgatectl asks and tells a running subgate.\n",
	      out);
}

/* ---- actions */

static int check_config(const char *file)
{
	struct buf text BUF_AUTO;
	struct config *config = NULL;
	buf_init(&text, CONFIG_FILE_MAXIMUM);
	if (config_file_load(file, stderr, &text, &config) != STATUS_OK)
		return 1;
	enum status status = config_file_check(config, stderr);
	enum status app_passwords = app_passwords_check(config, stderr);
	config_free(&config);
	if (status == STATUS_OK)
		status = app_passwords;
	if (status == STATUS_OK)
		printf("%s: no faults\n", file);
	return status == STATUS_OK ? 0 : 1;
}

static int dump_config(const char *file)
{
	struct buf text BUF_AUTO;
	struct config *config = NULL;
	buf_init(&text, CONFIG_FILE_MAXIMUM);
	if (config_file_load(file, stderr, &text, &config) != STATUS_OK)
		return 1;
	config_dump(config, stdout);
	config_free(&config);
	return 0;
}

static int try_directory(const char *file, const char *user)
{
	struct buf text BUF_AUTO;
	struct config *config = NULL;
	buf_init(&text, CONFIG_FILE_MAXIMUM);
	if (config_file_load(file, stderr, &text, &config) != STATUS_OK)
		return 1;
	enum status status = directory_trial_run(config, user, stdout);
	config_free(&config);
	return status == STATUS_OK ? 0 : 1;
}

static int run_action(const struct arguments *arguments)
{
	switch (arguments->action) {
	case ACTION_RUN:
		return supervisor_run(arguments->config_file);
	case ACTION_CHECK:
		return check_config(arguments->config_file);
	case ACTION_DUMP:
		return dump_config(arguments->config_file);
	case ACTION_DIRECTORY:
		return try_directory(arguments->config_file, arguments->user);
	case ACTION_REFERENCE:
		config_reference(stdout);
		return 0;
	case ACTION_VERSION:
		puts("subgate " SUBGATE_VERSION);
		return 0;
	case ACTION_HELP:
		print_help(stdout);
		return 0;
	}
	return EXIT_USAGE;
}

/* ---- roles */

static int run_role(const char *name)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(roles[i]->name, name) == 0)
			return role_main(roles[i]);
	fprintf(stderr, "there is no role %s\n", name);
	return 1;
}

/* ---- arguments */

static bool take_option(const char *text, struct arguments *arguments)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(options[i].name, text) == 0 && arguments->action == ACTION_RUN) {
			arguments->action = options[i].action;
			return true;
		}
	return false;
}

static bool needs_config(enum action action)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (options[i].action == action)
			return options[i].needs_config;
	return true;
}

static bool parse_arguments(int argc, char **argv, struct arguments *arguments)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-c") == 0 && i + 1 < argc && arguments->config_file == NULL)
			arguments->config_file = strdup(argv[++i]);
		else if (strcmp(argv[i], "--directory") == 0 && i + 1 < argc && arguments->action == ACTION_RUN) {
			arguments->action = ACTION_DIRECTORY;
			arguments->user = strdup(argv[++i]);
		} else if (!take_option(argv[i], arguments))
			return false;
	}
	return arguments->config_file != NULL || !needs_config(arguments->action);
}

int main(int argc, char **argv)
{
	struct arguments arguments = { 0 };
	title_init(argc, argv);
	if (argc == 3 && strcmp(argv[1], "--role") == 0) /* started by ourselves */
		return run_role(argv[2]);
	int exit_code = EXIT_USAGE;
	if (parse_arguments(argc, argv, &arguments))
		exit_code = run_action(&arguments);
	else
		print_help(stderr);
	free(arguments.config_file);
	free(arguments.user);
	return exit_code;
}
