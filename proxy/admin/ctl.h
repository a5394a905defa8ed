/*
 * The pieces of subgatectl: words to a request, the request to the daemon,
 * its answer to a table. Each can be tried alone.
 */
#ifndef ADMIN_CTL_H
#define ADMIN_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

/* What the program ends with. */
enum ctl_exit { CTL_DONE = 0, CTL_REFUSED = 1, CTL_USAGE = 2, CTL_NO_DAEMON = 3 };

#define CTL_SOCKET "/run/subgate/admin.sock"
#define CTL_ANSWER_MAXIMUM (2U << 20) /* bytes: the largest answer that the daemon passes on */

struct ctl_call {
	const char *socket;
	bool json;       /* print the answer as it came */
	bool help;       /* nothing to ask: show the usage */
	bool version;    /* nothing to ask: show the version */
	json_t *request; /* owned; NULL with help and version */
};

/*
 * Reads the words of the command line. STATUS_INVALID: what was wrong is on
 * `errors`. `now_s`, seconds since 1970, is what --expires counts from.
 */
MUST_USE enum status ctl_parse(int argc, char *const *argv, uint64_t now_s, FILE *errors, struct ctl_call *out_call);
void ctl_write_usage(FILE *out);

/*
 * Sends the request and waits for the answer. STATUS_UNAVAILABLE: there is no
 * daemon, or it went away or stayed silent; what is wrong is on `errors`.
 */
MUST_USE enum status ctl_exchange(const char *path, json_t *request, FILE *errors, json_t **out_reply);

/* The dialog in an answer, if there is one: it helps with refusals, too. */
void ctl_print_dialog(json_t *reply, FILE *out);
/* The answer, for people to read. Control bytes in it become '?', as they might steer the terminal. */
void ctl_print(const char *command, json_t *reply, FILE *out);

#endif
