/* Owns nothing. What can't be made for want of memory is missing; the page says what is there. */
#include "console/pages/overview.h"

#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "console/pages/consent.h"
#include "console/pages/history.h"

/* Of a daily limit, in percent, from where on it is worth a look. */
#define NEAR_PERCENT 80
/* Before a certificate ends, as the log warns of it. */
#define CERTIFICATE_DAYS 14

static const char *text_at(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "";
}

static void add_problem(json_t *problems, const char *kind, const char *what, const char *state)
{
	json_array_append_new(problems, json_pack("{s:s, s:s, s:s}", "kind", kind, "what", what, "state", state));
}

/* ---- processes, certificates, relays */

static void look_at_process(json_t *problems, const json_t *process)
{
	static const char *const fields[] = { "audit", "quota", "stuck_threads" };
	const char *role = text_at(process, "role"), *state = text_at(process, "state");
	if (strcmp(state, "hung") == 0 || strcmp(state, "waiting") == 0)
		add_problem(problems, "process", role, state);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (*text_at(process, fields[i]))
			add_problem(problems, fields[i], role, text_at(process, fields[i]));
}

static void look_at_relay(json_t *problems, const json_t *relay)
{
	const char *state = text_at(relay, "state");
	if (strcmp(state, "ready") != 0)
		add_problem(problems, state, text_at(relay, "name"), text_at(relay, "reason"));
}

static void look_at_certificate(json_t *problems, const json_t *certificate)
{
	uint64_t ends_s, now_s = clock_wall_us() / 1000000;
	const char *expires = text_at(certificate, "expires");
	if (clock_read_seconds(span_of(expires), &ends_s) == STATUS_OK &&
	    ends_s < now_s + UINT64_C(86400) * CERTIFICATE_DAYS)
		add_problem(problems, "certificate", text_at(certificate, "certificate"), expires);
}

static void look_at_service(json_t *problems, const json_t *service)
{
	const char *kind = text_at(service, "service"), *state = text_at(service, "state");
	if (strcmp(kind, "redis") == 0 && strcmp(state, "down") == 0)
		add_problem(problems, "redis", "Redis", state);
	else if (strcmp(kind, "directory") == 0 && strcmp(state, "down") == 0)
		add_problem(problems, "directory", text_at(service, "name"), state);
	else if (strcmp(kind, "directory") == 0 && strcmp(state, "refused") == 0)
		add_problem(problems, "directory_refused", text_at(service, "name"), state);
}

static void look_at_list(json_t *problems, const json_t *list, void (*look)(json_t *problems, const json_t *row))
{
	size_t i;
	const json_t *row;
	json_array_foreach(list, i, row)
	{
		look(problems, row);
	}
}

/* No relay that takes mail: nothing goes out. */
static json_t *has_way_out(const json_t *relays)
{
	size_t i;
	const json_t *row;
	json_array_foreach(relays, i, row)
	{
		const char *state = text_at(row, "state");
		if (strcmp(state, "ready") == 0 || strcmp(state, "trying") == 0)
			return json_true();
	}
	return json_boolean(relays == NULL);
}

/* What has not been answered is a problem, too. */
static void look_at_answers(json_t *problems, const json_t *data)
{
	static const char *const answers[] = { "status", "relays", "throttled" };
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		const char *error = text_at(json_object_get(data, answers[i]), "error");
		if (*error)
			add_problem(problems, "answer", answers[i], error);
	}
}

/* ---- figures */

static json_int_t sum_of(const json_t *list, const char *name)
{
	json_int_t sum = 0;
	size_t i;
	const json_t *row;
	json_array_foreach(list, i, row)
	{
		sum += json_integer_value(json_object_get(row, name));
	}
	return sum;
}

void overview_prepare(json_t *data)
{
	json_t *problems = json_array();
	const json_t *status = json_object_get(data, "status");
	const json_t *relays = json_object_get(json_object_get(data, "relays"), "relays");
	look_at_answers(problems, data);
	look_at_list(problems, json_object_get(status, "processes"), look_at_process);
	look_at_list(problems, json_object_get(status, "services"), look_at_service);
	look_at_list(problems, json_object_get(status, "certificates"), look_at_certificate);
	look_at_list(problems, relays, look_at_relay);
	json_object_set_new(data, "has_problems", json_boolean(json_array_size(problems) > 0));
	json_object_set_new(data, "problems", problems);
	json_object_set_new(data, "has_way_out", has_way_out(relays));
	json_object_set_new(data, "busy", json_integer(sum_of(relays, "busy")));
	json_object_set_new(data, "queued", json_integer(sum_of(relays, "waiting")));
}

/* The most messages of a row, and 1 at least, so that a bar has a length. */
static void put_most(json_t *whole, const char *list)
{
	json_int_t most = 1;
	size_t i;
	const json_t *row;
	json_array_foreach(json_object_get(whole, list), i, row)
	{
		json_int_t messages = json_integer_value(json_object_get(row, "messages"));
		most = messages > most ? messages : most;
	}
	json_object_set_new(whole, "most", json_integer(most));
}

void overview_prepare_me(json_t *data)
{
	history_prepare(data);
	put_most(json_object_get(data, "history"), "days");
}

void overview_prepare_people(json_t *data)
{
	json_t *top = json_object_get(data, "top");
	size_t i;
	json_t *row;
	put_most(top, "month");
	json_array_foreach(json_object_get(top, "today"), i, row)
	{
		json_int_t used = json_integer_value(json_object_get(row, "used"));
		json_int_t limit = json_integer_value(json_object_get(row, "limit"));
		json_object_set_new(row, "is_near", json_boolean(limit > 0 && used >= limit * NEAR_PERCENT / 100));
	}
}

void overview_prepare_person(json_t *data)
{
	put_most(json_object_get(data, "history"), "days");
	const json_t *limits = json_object_get(json_object_get(data, "quota"), "set_by_hand");
	json_object_set_new(data, "has_own_limits", json_boolean(json_array_size(limits) > 0));
}

void overview_prepare_relays(json_t *data)
{
	json_t *dialog = json_object_get(json_object_get(data, "result"), "dialog");
	json_object_set_new(data, "is_tested", json_boolean(dialog));
	if (dialog == NULL)
		dialog = json_object_get(json_object_get(data, "refusal"), "dialog");
	json_object_set_new(data, "has_dialog", json_boolean(json_array_size(dialog) > 0));
	if (dialog)
		json_object_set(data, "dialog", dialog);
	consent_prepare(data);
}
