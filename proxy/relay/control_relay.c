/* relay list, pause and resume: what administrators see of the relays, and their hand on them. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "relay/control.h"

bool control_find_relay(struct control *control, uint64_t request, const json_t *object, size_t *out_index)
{
	const struct config *config = control->services->config;
	const char *name = json_string_value(json_object_get(object, "relay"));
	const struct config_relay *relay = name ? config_find_relay(config, name) : NULL;
	if (relay) {
		*out_index = (size_t)(relay - config->relay.items);
		return true;
	}
	control_refuse(control, request, "there is no such relay; subgatectl relay list names them");
	return false;
}

/* ---- relay list */

static const char *state_of(const struct upstream_pool_state *state)
{
	if (state->paused)
		return "paused";
	if (state->backoff == UPSTREAM_BACKOFF_NONE)
		return "ready";
	return state->backoff_left_ms ? "resting" : "trying";
}

/* What is wrong: why we back off from it, else the last fault. */
static const char *reason_of(const struct upstream_pool_state *state)
{
	return state->backoff == UPSTREAM_BACKOFF_NONE ? state->last_error : state->backoff_reason;
}

/* "3 of 50 messages, 4 recipients in 24 h" */
static void describe_budget(const struct budget *budget, char *out_text, size_t size)
{
	struct budget_state state = { 0 };
	out_text[0] = '\0';
	if (budget == NULL)
		return;
	budget_show(budget, &state);
	int used = snprintf(out_text, size, "%llu", (unsigned long long)state.messages);
	if (state.limits.messages_per_day)
		snprintf(out_text + used, size - (size_t)used, " of %llu",
			 (unsigned long long)state.limits.messages_per_day);
}

static json_t *describe_relay(const struct services *services, size_t index)
{
	const struct config_relay *relay = &services->config->relay.items[index];
	struct upstream_pool_state state;
	char address[300], connections[64], used[64];
	upstream_pool_show(services->pools[index], &state);
	uint64_t until = state.backoff_left_ms ? clock_wall_us() / 1000000 + (state.backoff_left_ms + 999) / 1000 : 0;
	snprintf(address, sizeof(address), "%s:%u", relay->host, (unsigned)relay->port);
	snprintf(connections, sizeof(connections), "%zu of %u", state.idle + state.busy, (unsigned)relay->connections);
	describe_budget(services->budgets ? services->budgets[index] : NULL, used, sizeof(used));
	json_t *row = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s, s:I, s:s}", "name", relay->name, "address",
		address, "user", relay->user, "state", state_of(&state), "connections", connections, "busy",
		(json_int_t)state.busy, "waiting", (json_int_t)state.waiting, "logins", (json_int_t)state.logins,
		"messages", (json_int_t)state.messages, "sent_in_24_h", used, "rest",
		upstream_backoff_text(state.backoff), "until", (json_int_t)until, "reason", reason_of(&state));
	const struct config_oauth *oauth = config_find_oauth(services->config, relay->oauth);
	bool is_by_consent = config_relay_has_tokens(relay) && oauth && oauth->grant == OAUTH_REFRESH_TOKEN;
	json_object_set_new(row, "by_consent", json_boolean(is_by_consent));
	return row;
}

void control_list_relays(struct control *control, uint64_t request, const json_t *object)
{
	json_t *relays = json_array();
	(void)object;
	for (size_t i = 0; i < control->services->config->relay.count; i++)
		json_array_append_new(relays, describe_relay(control->services, i));
	control_reply(control, request, json_pack("{s:b, s:o}", "ok", 1, "relays", relays));
}

/* ---- relay pause, relay resume */

static void pause_relay(struct control *control, uint64_t request, const json_t *object, bool pause)
{
	size_t index;
	if (!control_find_relay(control, request, object, &index))
		return;
	if (pause)
		upstream_pool_pause(control->services->pools[index]);
	else
		upstream_pool_resume(control->services->pools[index]);
	control_reply(control, request, json_pack("{s:b}", "ok", 1));
}

void control_pause_relay(struct control *control, uint64_t request, const json_t *object)
{
	pause_relay(control, request, object, true);
}

void control_resume_relay(struct control *control, uint64_t request, const json_t *object)
{
	pause_relay(control, request, object, false);
}
