/*
 * subgatectl: asks a running subgate over its control socket, prints the
 * answer as a table or as JSON, and ends with 0 (done), 1 (refused), 2 (wrong
 * usage) or 3 (no daemon). It may show a new app password, so it leaves no core.
 */
#include <sys/prctl.h>
#include <time.h>

#include "admin/ctl.h"

static enum ctl_exit print_reply(const struct ctl_call *call, json_t *reply)
{
	bool done = json_is_true(json_object_get(reply, "ok"));
	const char *command = json_string_value(json_object_get(call->request, "command"));
	const char *error = json_string_value(json_object_get(reply, "error"));
	if (call->json) {
		json_dumpf(reply, stdout, JSON_COMPACT);
		fputc('\n', stdout);
	} else if (done) {
		ctl_print(command, reply, stdout);
	} else {
		fprintf(stderr, "subgatectl: %s\n", error ? error : "refused");
	}
	return done ? CTL_DONE : CTL_REFUSED;
}

static enum ctl_exit run(const struct ctl_call *call)
{
	json_t *reply;
	if (call->help)
		ctl_write_usage(stdout);
	if (call->version)
		printf("subgatectl %s\n", SUBGATE_VERSION);
	if (call->help || call->version)
		return CTL_DONE;
	if (ctl_exchange(call->socket, call->request, stderr, &reply) != STATUS_OK)
		return CTL_NO_DAEMON;
	enum ctl_exit result = print_reply(call, reply);
	json_decref(reply);
	return result;
}

int main(int argc, char **argv)
{
	struct ctl_call call;
	prctl(PR_SET_DUMPABLE, 0);
	if (ctl_parse(argc, argv, (uint64_t)time(NULL), stderr, &call) != STATUS_OK)
		return CTL_USAGE;
	enum ctl_exit result = run(&call);
	json_decref(call.request);
	if (fflush(stdout) != 0 && result == CTL_DONE)
		return CTL_REFUSED;
	return (int)result;
}
