/* One command in the API: whether its session's right still holds, whether it may, and what came of it. */
#include <stdlib.h>
#include <string.h>

#include "admin/api_private.h"
#include "admin/commands.h"
#include "base/fnv.h"
#include "base/json_text.h"
#include "base/log.h"

/* A directory is asked anew, for somebody who goes on, after this long. */
#define DIRECTORY_MS 60000
/*
 * Of one command, by one user about themselves: all of it is kept, in app passwords and the audit, on disks and in the
 * Redis that all users share. So many at once, and as many an hour.
 */
#define OWN_CHANGES 30U
#define HOUR_SECONDS 3600U
static const struct pace_limit own_limit = { .burst = (uint64_t)OWN_CHANGES * HOUR_SECONDS, .a_second = OWN_CHANGES };

static void check_person(struct api *api, struct api_call *call, const struct person *person)
{
	const struct door_person_asked message = {
		.request = call->number,
		.user_id = span_of(person->user_id),
		.login = span_of(person->login),
		.rights = person->rights,
		.app_password_id = span_of(person->app_password_id),
		.address = span_of(call->address),
		.asks_directory = api_now_ms(api) - person->asked_ms >= DIRECTORY_MS,
	};
	memcpy(call->digest, person->digest, sizeof(call->digest));
	if (api->handler->check(api->context, &message) != STATUS_OK)
		api_fail_call(api, api_find_call(api, call->number), 503, "whether you may can't be known now");
}

/* ---- commands */

static void answer_fault(struct api *api, uint64_t request, enum access_role role, enum access_verdict verdict)
{
	if (verdict == ACCESS_HIDDEN || role == ACCESS_USER)
		api_answer_error(api, request, 404, NOT_HERE);
	else
		api_answer_error(api, request, 403, "your role may not do that");
}

/* Each command by itself: whoever makes too many app passwords can still revoke them. */
static bool takes_own_change(struct api *api, const struct admin_command *command, const struct person *person)
{
	if (command->effect == COMMAND_EFFECT_SHOWS || person->role >= access_least_role(command))
		return true;
	uint64_t digest = 3 * fnv_hash(span_of(person->user_id)) + fnv_hash(span_of(command->name));
	return pace_take(&api->own_changes[digest % OWN_CHANGES_PLACES], &own_limit, HOUR_SECONDS, api_now_ms(api));
}

static json_t *read_arguments(const struct admin_command *command, const struct door_console_asked *asked,
			      const char **out_error)
{
	if (command->effect != COMMAND_EFFECT_SHOWS)
		return api_read_body(asked->body, out_error);
	return api_read_query(command, asked->query, out_error);
}

/* The request as the control socket takes it. Answered if it is none. */
static enum status write_request(struct api *api, uint64_t request, const struct admin_command *command,
				 json_t *arguments, struct buf *out_text)
{
	char reason[COMMAND_REASON_SIZE];
	const struct admin_command *found;
	char *text = json_object_set_new(arguments, "command", json_string(command->name)) == 0 ? json_write(arguments)
												: NULL;
	enum status status = text ? buf_append_text(out_text, text) : STATUS_NO_MEMORY;
	free(text);
	if (status != STATUS_OK) {
		api_answer_error(api, request, status == STATUS_TOO_LARGE ? 413 : 503, "the request can't be taken");
		return status;
	}
	status = admin_command_check(buf_span(out_text), &found, reason);
	if (status != STATUS_OK)
		api_answer_error(api, request, 400, reason);
	return status;
}

static struct caller caller_of(const struct api_call *call)
{
	return (struct caller){
		.uid = CALLER_NO_UID,
		.right = call->role == ACCESS_ADMIN ? CALLER_ADMIN : CALLER_OPERATOR,
		.name = call->user,
		.token = call->token[0] ? call->token : NULL,
	};
}

/* It would be run now. */
static void answer_trial(struct api *api, struct api_call *call)
{
	uint64_t request = call->request;
	json_t *who = json_pack("{s:b, s:s, s:s}", "ok", 1, "user", call->user, "role", access_role_text(call->role));
	api_drop_call(api, api_find_call(api, call->number));
	api_answer_json(api, request, 200, who);
}

static void run_call(struct api *api, struct api_call *call)
{
	if (call->is_trial) {
		answer_trial(api, call);
		return;
	}
	const struct admin_request request = { call->number, call->command, &call->caller, buf_span(&call->arguments) };
	uint64_t number = call->number;
	call->state = API_RUNS;
	enum status status = api->handler->ask(api->context, &request);
	struct api_call **at = api_find_call(api, number);
	if (status != STATUS_OK && *at)
		api_fail_call(api, at, 503,
			      status == STATUS_UNAVAILABLE ? "who knows that is not running" : RECORDER_REFUSAL);
}

/* A program's token that has leaked must not outlive its end by another one. */
static bool begets_token(const struct admin_command *command, const struct api_asker *asker)
{
	return asker->token && strcmp(command->name, "api-token create") == 0;
}

static void pass_command(struct api *api, const struct door_console_asked *asked, const struct admin_command *command,
			 const struct api_asker *asker, json_t *arguments)
{
	struct buf text BUF_AUTO;
	buf_init_sensitive(&text, COMMAND_LINE_MAXIMUM);
	/* A token is nobody: there is nothing that is its own. */
	enum access_verdict verdict = access_judge(command, asker->role, asker->person ? asker->user : NULL, arguments);
	if (verdict == ACCESS_ALLOWED && begets_token(command, asker))
		verdict = ACCESS_FORBIDDEN;
	if (verdict != ACCESS_ALLOWED) {
		answer_fault(api, asked->request, asker->role, verdict);
		return;
	}
	if (asker->person && !takes_own_change(api, command, asker->person)) {
		api_answer_error(api, asked->request, 429, "too many changes; try again in some minutes");
		return;
	}
	if (write_request(api, asked->request, command, arguments, &text) != STATUS_OK)
		return;
	struct api_call *call = api_begin_call(api, asked, API_IS_ASKED, asker);
	if (call == NULL)
		return;
	call->command = command;
	call->arguments = text;
	buf_init(&text, 0);
	call->role = asker->role;
	call->is_trial = asked->is_trial;
	call->caller = caller_of(call);
	if (asker->person)
		check_person(api, call, asker->person);
	else
		run_call(api, call);
}

void api_run_command(struct api *api, const struct door_console_asked *asked, const struct admin_command *command)
{
	bool changes = command->effect != COMMAND_EFFECT_SHOWS;
	struct api_asker asker;
	const char *error = NULL;
	if (!api_find_asker(api, asked, changes, &asker))
		return;
	json_t *arguments = read_arguments(command, asked, &error);
	if (arguments)
		pass_command(api, asked, command, &asker, arguments);
	else
		api_answer_error(api, asked->request, 400, error);
	json_decref(arguments);
}

void api_take_checked(struct api *api, const struct door_person_checked *checked)
{
	struct api_call **at = api_find_call(api, checked->request);
	struct api_call *call = *at;
	if (call == NULL || call->state != API_IS_ASKED)
		return;
	struct person *person = people_find_digest(&api->people, call->digest, api_now_ms(api));
	if (person && checked->verdict == RECHECK_ENDED) {
		log_info("a session of %s at the console ends: %.*s", person->user, SPAN_ARGS(checked->reason));
		people_end(&api->people, person);
		person = NULL;
	}
	if (person == NULL) {
		api_fail_call(api, at, 401, WRONG_TOKEN);
		return;
	}
	if (checked->verdict != RECHECK_HOLDS) {
		api_fail_call(api, at, 503, "whether you may can't be known now");
		return;
	}
	if (api_now_ms(api) - person->asked_ms >= DIRECTORY_MS)
		person->asked_ms = api_now_ms(api);
	run_call(api, call);
}

void api_take_reply(struct api *api, uint64_t number, struct span json)
{
	struct api_call **at = api_find_call(api, number);
	if (*at == NULL || (*at)->state != API_RUNS)
		return;
	uint64_t request = (*at)->request;
	api_drop_call(api, at);
	api_answer_text(api, request, json);
}

void api_take_error(struct api *api, uint64_t number, const char *error)
{
	struct api_call **at = api_find_call(api, number);
	if (*at && (*at)->state == API_RUNS)
		api_fail_call(api, at, 503, error);
}
