/*
 * subgatectl: asks a running subgate over its control socket, prints the answer
 * as a table or as JSON, and exits with 0 (done), 1 (refused), 2 (wrong usage) or
 * 3 (no daemon). It may show a new app password, so it leaves no core dump.
 */
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "admin/ctl.h"
#include "admin/ctl_authorize.h"
#include "setup/client_settings.h"

static enum ctl_exit print_settings(const json_t *reply)
{
	const char *fault = NULL;
	enum status status = client_settings_write(reply, stdout, &fault);
	if (status != STATUS_OK)
		fprintf(stderr, "subgatectl: %s\n", fault ? fault : status_text(status));
	return status == STATUS_OK ? CTL_DONE : CTL_REFUSED;
}

static enum ctl_exit print_reply(const struct ctl_call *call, json_t *reply)
{
	if (json_is_null(reply))
		return CTL_DONE;
	if (strcmp(call->topic->name, "quota show") == 0 || strcmp(call->topic->name, "quota history") == 0)
		ctl_quota_sort(reply);
	bool done = json_is_true(json_object_get(reply, "ok"));
	const char *error = json_string_value(json_object_get(reply, "error"));
	if (call->json) {
		json_dumpf(reply, stdout, JSON_COMPACT);
		fputc('\n', stdout);
		return done ? CTL_DONE : CTL_REFUSED;
	}
	if (done && strcmp(call->topic->name, "client-settings") == 0)
		return print_settings(reply);
	ctl_print_dialog(reply, stdout);
	if (done) {
		ctl_print(call->topic->name, reply, stdout);
	} else {
		fprintf(stderr, "subgatectl: %s\n", error ? error : "refused");
	}
	return done ? CTL_DONE : CTL_REFUSED;
}

static bool is_authorizing(const struct ctl_call *call)
{
	return strcmp(call->topic->name, "relay authorize") == 0;
}

/* What needs no daemon. */
static void write_own_text(const struct ctl_call *call)
{
	switch (call->task) {
	case CTL_TASK_VERSION:
		printf("subgatectl %s\n", SUBGATE_VERSION);
		break;
	case CTL_TASK_COMPLETION:
		ctl_write_completion(stdout);
		break;
	case CTL_TASK_REFERENCE:
		ctl_write_reference(stdout);
		break;
	case CTL_TASK_ASK:
	case CTL_TASK_HELP:
	default:
		ctl_write_help(call->topic, call->topic_is_group, stdout);
	}
}

static enum ctl_exit ask_daemon(const struct ctl_call *call)
{
	json_t *reply;
	if (is_authorizing(call) && ctl_begin_consent(call->request, stderr) != STATUS_OK)
		return CTL_REFUSED;
	bool is_local = call->topic->role == ROLE_KINDS;
	enum status asked = is_local ? ctl_run_local(call, stderr, &reply)
				     : ctl_exchange_pages(call->socket, call->request, stderr, &reply);
	if (asked != STATUS_OK)
		return CTL_NO_DAEMON;
	if (is_authorizing(call) && ctl_is_consent(reply)) {
		json_t *last = NULL;
		enum status status = ctl_finish_consent(call, reply, stderr, &last);
		json_decref(reply);
		if (status != STATUS_OK)
			return status == STATUS_UNAVAILABLE ? CTL_NO_DAEMON : CTL_REFUSED;
		reply = last;
	}
	enum ctl_exit result = print_reply(call, reply);
	json_decref(reply);
	return result;
}

static enum ctl_exit run_call(const struct ctl_call *call)
{
	if (call->task == CTL_TASK_ASK)
		return ask_daemon(call);
	write_own_text(call);
	return CTL_DONE;
}

int main(int argc, char **argv)
{
	struct ctl_call call;
	prctl(PR_SET_DUMPABLE, 0);
	if (ctl_parse(argc, argv, (uint64_t)time(NULL), stderr, &call) != STATUS_OK)
		return CTL_USAGE;
	enum ctl_exit result = run_call(&call);
	json_decref(call.request);
	if (fflush(stdout) != 0 && result == CTL_DONE)
		return CTL_REFUSED;
	return (int)result;
}
