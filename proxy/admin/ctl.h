/*
 * The pieces of subgatectl: words become a request, the request goes to the
 * daemon, its answer becomes a table. Each piece can be tested alone.
 */
#ifndef ADMIN_CTL_H
#define ADMIN_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "admin/command_table.h"
#include "base/status.h"

/* What the program ends with. */
enum ctl_exit { CTL_DONE = 0, CTL_REFUSED = 1, CTL_USAGE = 2, CTL_NO_DAEMON = 3 };

#define CTL_SOCKET "/run/subgate/admin.sock"
#define CTL_SYNOPSIS "subgatectl [-s SOCKET] [--json] COMMAND"
/* Bytes: the largest answer that the daemon passes on. */
#define CTL_ANSWER_MAXIMUM (2U << 20)

/* What is wanted of the program. Only the first needs a daemon. */
enum ctl_task { CTL_TASK_ASK, CTL_TASK_HELP, CTL_TASK_VERSION, CTL_TASK_COMPLETION, CTL_TASK_REFERENCE };

struct ctl_call {
	enum ctl_task task;
	const char *socket;
	bool json;                         /* print the answer as it came */
	const struct admin_command *topic; /* the command; NULL: none was named, which is well unless it asks */
	bool topic_is_group;               /* help for the commands that share the topic's first word is wanted */
	json_t *request;                   /* owned; NULL where no command was named */
};

/*
 * Reads the words of the command line. STATUS_INVALID: what was wrong is on
 * `errors`. `now_s`, seconds since 1970, is what --expires counts from.
 */
MUST_USE enum status ctl_parse(int argc, char *const *argv, uint64_t now_s, FILE *errors, struct ctl_call *out_call);

/* Help for a command, for a group of them, or for the program (NULL). */
void ctl_write_help(const struct admin_command *topic, bool is_group, FILE *out);
/* "relay test NAME [--to ADDRESS] [--from ADDRESS]" */
void ctl_write_synopsis(const struct admin_command *command, FILE *out);
/* "NAME", or "--to ADDRESS" */
void ctl_write_argument(const struct admin_argument *argument, FILE *out);
/* "relay list, relay pause, …" of a group, given its first command; NULL: the first words of all commands. */
void ctl_write_names(const struct admin_command *group, FILE *out);

/* The completion for bash: deploy/completion/subgatectl is what this writes. */
void ctl_write_completion(FILE *out);
/* The commands as Markdown: conf/commands.md is what this writes. */
void ctl_write_reference(FILE *out);

/*
 * Sends the request and waits for the answer. STATUS_UNAVAILABLE: there is no
 * daemon, or it went away or stayed silent; what is wrong is on `errors`.
 */
MUST_USE enum status ctl_exchange(const char *path, json_t *request, FILE *errors, json_t **out_reply);

/* The same, with all pages of a list's answer as one; the request loses its place in the list. */
MUST_USE enum status ctl_exchange_pages(const char *path, json_t *request, FILE *errors, json_t **out_reply);

/*
 * A command that needs no daemon, or only asks one where the files are; the answer is as a daemon's, or null where all
 * is written already. STATUS_UNAVAILABLE as above.
 */
MUST_USE enum status ctl_run_local(const struct ctl_call *call, FILE *errors, json_t **out_reply);

/* The dialog in an answer, if there is one: it helps with refusals, too. */
void ctl_print_dialog(json_t *reply, FILE *out);
/* The answer, for people to read. Control bytes in it become '?', as they might steer the terminal. */
void ctl_print(const char *command, json_t *reply, FILE *out);

/* The answer to quota show and its like. */
void ctl_quota_print(const json_t *reply, FILE *out, void (*print_table)(json_t *rows, FILE *out));
/* Brings the users in an answer into the order of their use, each once; one without a list stays as it is. */
void ctl_quota_sort(json_t *reply);

#endif
