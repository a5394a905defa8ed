/* Requests of browsers find their way here, and the answers of roles theirs. Owns the sessions. */
#include "admin/api.h"

#include <stdlib.h>
#include <string.h>

#include "admin/api_private.h"
#include "admin/commands.h"
#include "base/fnv.h"

/*
 * Requests without a session, of all browsers: the console may be an attacker's, and its requests take turns with those
 * of administrators at the control socket. A session has a limit of its own.
 */
static const struct pace_limit asking_limit = { .burst = 400, .a_second = 200 };
/* Those from one address, as the console tells it, so that it leaves room for others to log in. */
static const struct pace_limit stranger_limit = { .burst = 100, .a_second = 20 };

/* ---- requests */

static const struct {
	const char *path, *method;
	void (*take)(struct api *api, const struct door_console_asked *asked);
} own_paths[] = {
	{ "/api/v1/login", "POST", api_log_in },
	{ "/api/v1/login/begin", "POST", api_begin_login },
	{ "/api/v1/login/finish", "POST", api_finish_login },
	{ "/api/v1/logout", "POST", api_log_out },
	{ "/api/v1/session", "GET", api_show_session },
	{ "/api/v1/openapi.json", "GET", api_show_description },
};

/* False, and answered: another one was meant. */
static bool is_method(struct api *api, const struct door_console_asked *asked, const char *method)
{
	bool is_read = span_equal(asked->method, SPAN("HEAD")) && strcmp(method, "GET") == 0;
	if (is_read || span_equal(asked->method, span_of(method)))
		return true;
	const struct door_console_answered answer = {
		.request = asked->request,
		.code = 405,
		.allow = span_of(method),
		.body = SPAN("{\"ok\":false,\"error\":\"another method is expected\"}"),
	};
	api_answer(api, &answer);
	return false;
}

static void route_request(struct api *api, const struct door_console_asked *asked)
{
	for (size_t i = 0; i < sizeof(own_paths) / sizeof(own_paths[0]); i++) {
		if (!span_equal(asked->path, span_of(own_paths[i].path)))
			continue;
		if (is_method(api, asked, own_paths[i].method))
			own_paths[i].take(api, asked);
		return;
	}
	const struct admin_command *command = api_find_command(asked->path);
	if (command == NULL)
		api_answer_error(api, asked->request, 404, NOT_HERE);
	else if (is_method(api, asked, command->effect == COMMAND_EFFECT_SHOWS ? "GET" : "POST"))
		api_run_command(api, asked, command);
}

static bool takes_stranger(struct api *api, struct span address)
{
	char network[NETWORK_TEXT_SIZE];
	network_of_client(address, network);
	struct pace *place = &api->strangers[fnv_hash(span_of(network)) % STRANGERS_PLACES];
	return pace_take(place, &stranger_limit, 1, api_now_ms(api)) &&
	       pace_take(&api->taken, &asking_limit, 1, api_now_ms(api));
}

void api_take(struct api *api, const struct door_console_asked *asked)
{
	if (asked->body.size > COMMAND_LINE_MAXIMUM) { /* a console of ours would have said so itself */
		api_answer_error(api, asked->request, 413, "a request has 65536 bytes at most");
		return;
	}
	bool is_known =
		span_is_empty(asked->bearer) ? api_find_session(api, asked) != NULL : api_bearer_is_valid(api, asked);
	if (is_known || takes_stranger(api, asked->address))
		route_request(api, asked);
	else
		api_answer_error(api, asked->request, 429, "too many requests; try again in a moment");
}

/* ---- life */

void api_lose_console(struct api *api)
{
	while (api->calls)
		api_drop_call(api, &api->calls);
}

static bool waits_for(const struct api_call *call, enum role_kind role)
{
	return call->state == API_RUNS ? call->command->role == role : role == ROLE_AUTH;
}

void api_lose_role(struct api *api, enum role_kind role)
{
	struct api_call **at = &api->calls;
	while (*at) {
		if (waits_for(*at, role))
			api_fail_call(api, at, 503, "the process that was to answer is gone");
		else
			at = &(*at)->next;
	}
}

enum status api_create(struct loop *loop, const struct config *config, struct token_store *tokens,
		       const struct api_handler *handler, void *context, struct api **out_api)
{
	struct api *api = calloc(1, sizeof(*api));
	if (api == NULL)
		return STATUS_NO_MEMORY;
	api->loop = loop;
	api->config = config;
	api->tokens = tokens;
	api->handler = handler;
	api->context = context;
	api->people.session_limit_ms = config->console.session_limit;
	api->people.idle_limit_ms = config->console.idle_limit;
	enum status status = tickets_init(&api->tickets);
	if (status == STATUS_OK)
		status = timer_make(loop, api_sweep_calls, api, &api->sweep);
	if (status == STATUS_OK)
		status = timer_make(loop, api_tell_uses, api, &api->telling);
	if (status == STATUS_OK)
		*out_api = api;
	else
		api_free(&api);
	return status;
}

struct people *api_people(struct api *api)
{
	return &api->people;
}

void api_free(struct api **api)
{
	if (*api == NULL)
		return;
	api_lose_console(*api);
	people_end_all(&(*api)->people);
	tickets_free(&(*api)->tickets);
	timer_free(&(*api)->sweep);
	timer_free(&(*api)->telling);
	api_drop_uses(*api);
	free(*api);
	*api = NULL;
}
