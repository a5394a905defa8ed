/* GRANT, its withdrawal, and AUTH_FAILED, made from an exchange. */
#include "auth/grant.h"

#include "auth/gate_door.h"
#include "auth/relay_door.h"
#include "base/log.h"

/* "" where no back end decided. */
static const char *method_text(enum stats_method method)
{
	switch (method) {
	case STATS_METHOD_LDAP:
		return "ldap";
	case STATS_METHOD_APP_PASSWORD:
		return "app_password";
	case STATS_METHOD_NONE:
	default:
		return "";
	}
}

enum status auth_grant_ask(struct exchange *exchange)
{
	struct auth *auth = exchange->gate->auth;
	const struct decision *decision = &exchange->ask.decision;
	if (!auth_relay_has_room(auth))
		return STATUS_UNAVAILABLE;
	exchange->grant = ++auth->last_grant;
	struct door_grant message = {
		.request = exchange->grant,
		.gate = exchange->gate->instance,
		.session = exchange->session,
		.user = span_of(decision->identity.user),
		.auth_method = span_of(method_text(decision->method)),
		.sasl_mechanism = span_of(exchange->mechanism->name),
		.app_password_id = span_of(decision->app_password_id),
		.groups = codec_list_of(&decision->identity.groups),
		.senders = codec_list_of(&decision->identity.senders),
		.client = exchange->client,
	};
	TRY(map_add(&auth->granting, &exchange->by_grant, map_hash_number(&auth->granting, exchange->grant)));
	enum status status = door_send_grant(auth->relay, &message);
	if (status != STATUS_OK)
		map_remove(&auth->granting, &exchange->by_grant);
	return status;
}

void auth_grant_withdraw(const struct exchange *exchange)
{
	const struct auth *auth = exchange->gate->auth;
	struct door_grant_withdrawn message = { .gate = exchange->gate->instance, .session = exchange->session };
	if (auth->relay && door_send_grant_withdrawn(auth->relay, &message) != STATUS_OK)
		log_warning("a grant can't be taken back: there is no relay any more");
}

void auth_grant_report_failure(const struct exchange *exchange, struct span user, const char *reason)
{
	const struct auth *auth = exchange->gate->auth;
	const struct decision *decision = &exchange->ask.decision;
	struct door_auth_failed message = {
		.gate = exchange->gate->instance,
		.session = exchange->session,
		.user = user,
		.auth_method = span_of(method_text(decision->method)),
		.sasl_mechanism = span_of(exchange->mechanism->name),
		.app_password_id = span_of(decision->app_password_id),
		.reason = span_of(reason),
		.client = exchange->client,
	};
	if (!auth_relay_has_room(auth) || door_send_auth_failed(auth->relay, &message) != STATUS_OK)
		log_warning("login refused (%s), and there is no relay, or none in time, to record it", reason);
}
