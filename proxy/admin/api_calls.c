/* Calls under way: how many there may be, and their ends. Owns them. */
#include <stdlib.h>
#include <string.h>

#include "admin/api_private.h"
#include "admin/commands.h"

#define CALLS_MAXIMUM 256
#define CALLS_OF_A_USER 16
/* Each may wait for a directory. */
#define LOGINS_MAXIMUM 512
#define LOGINS_OF_A_NETWORK 16
/* Longer than any role takes (control_socket.c), tests of relays included. */
#define CALL_MS 70000
#define SWEEP_MS 1000

uint64_t api_now_ms(const struct api *api)
{
	return loop_now_ms(api->loop);
}

struct api_call **api_find_call(struct api *api, uint64_t number)
{
	struct api_call **at = &api->calls;
	while (*at && (*at)->number != number)
		at = &(*at)->next;
	return at;
}

void api_drop_call(struct api *api, struct api_call **at)
{
	struct api_call *call = *at;
	*at = call->next;
	api->call_count--;
	buf_free(&call->arguments);
	free(call);
}

void api_fail_call(struct api *api, struct api_call **at, unsigned code, const char *error)
{
	uint64_t request = (*at)->request;
	api_drop_call(api, at);
	api_answer_error(api, request, code, error);
}

static bool is_login(enum api_state state)
{
	return state == API_LEAVES || state == API_LOGS_IN;
}

/* Of this user, which is theirs (429); of all, or of logins (503); 0: there is room. */
static unsigned find_excess(const struct api *api, enum api_state state, const struct api_asker *asker,
			    const char *network)
{
	const char *user = asker ? asker->user : "", *token = asker && asker->token ? asker->token->id : "";
	size_t of_user = 0, logins = 0, of_network = 0;
	for (const struct api_call *call = api->calls; call; call = call->next) {
		bool logs_in = is_login(call->state);
		of_user += !logs_in && strcmp(call->user, user) == 0 && strcmp(call->token, token) == 0;
		logins += logs_in;
		of_network += logs_in && strcmp(call->network, network) == 0;
	}
	if (is_login(state))
		return logins < LOGINS_MAXIMUM && of_network < LOGINS_OF_A_NETWORK ? 0 : 503;
	return of_user >= CALLS_OF_A_USER ? 429 : api->call_count - logins >= CALLS_MAXIMUM ? 503 : 0;
}

struct span api_address_of(const struct door_console_asked *asked)
{
	struct network network;
	struct span told = asked->address;
	return told.size < NETWORK_TEXT_SIZE && network_parse(told, &network) == STATUS_OK ? told : (struct span){ 0 };
}

/* NULL, and answered: there is no room. */
struct api_call *api_begin_call(struct api *api, const struct door_console_asked *asked, enum api_state state,
				const struct api_asker *asker)
{
	char network[NETWORK_TEXT_SIZE];
	struct span address = api_address_of(asked);
	network_of_client(address, network);
	unsigned excess = find_excess(api, state, asker, network);
	struct api_call *call = excess ? NULL : calloc(1, sizeof(*call));
	if (call == NULL) {
		api_answer_error(api, asked->request, excess ? excess : 503, "too many requests are under way");
		return NULL;
	}
	call->api = api;
	call->number = API_NUMBERS | ++api->last_number;
	call->request = asked->request;
	call->state = state;
	call->until_ms = api_now_ms(api) + CALL_MS;
	buf_init_sensitive(&call->arguments, COMMAND_LINE_MAXIMUM);
	snprintf(call->address, sizeof(call->address), "%.*s", SPAN_ARGS(address));
	memcpy(call->network, network, sizeof(call->network));
	if (asker)
		snprintf(call->user, sizeof(call->user), "%s", asker->user);
	if (asker && asker->token)
		memcpy(call->token, asker->token->id, sizeof(call->token));
	call->next = api->calls;
	api->calls = call;
	if (api->call_count++ == 0)
		timer_set(api->sweep, SWEEP_MS);
	return call;
}

void api_sweep_calls(void *context)
{
	struct api *api = context;
	struct api_call **at = &api->calls;
	while (*at) {
		if (api_now_ms(api) >= (*at)->until_ms)
			api_fail_call(api, at, 504, "no answer came in time");
		else
			at = &(*at)->next;
	}
	if (api->call_count)
		timer_set(api->sweep, SWEEP_MS);
}
