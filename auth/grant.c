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
	case STATS_METHOD_TOKEN:
		return "token";
	case STATS_METHOD_OIDC:
		return "oidc";
	case STATS_METHOD_CERTIFICATE:
		return "certificate";
	case STATS_METHOD_NONE:
	default:
		return "";
	}
}

/* A list too long is cut: the user may use less than the configuration says, and hears so when they try. */
static void lend_senders(const struct config *config, struct identity *identity)
{
	enum status status = identity_lend_senders(config, identity);
	if (status != STATUS_OK)
		log_warning("senders of %s are left out: %s", identity->user, status_text(status));
}

/* What the configuration lends goes through the scope of the password, too. */
enum status auth_grant_prepare(struct exchange *exchange)
{
	const struct config *config = exchange->gate->auth->role->config;
	struct decision *decision = &exchange->ask.decision;
	lend_senders(config, &decision->identity);
	TRY(scope_narrow(&decision->scope, span_of(config->sender.delimiter), &decision->identity));
	return identity_keep_groups_of(config, &decision->identity);
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
		.user_id = span_of(decision->identity.id),
		.login = span_of(exchange->credentials.name),
		.rights = exchange->rights,
		.auth_method = span_of(method_text(decision->method)),
		.sasl_mechanism = span_of(exchange->mechanism->name),
		.app_password_id = span_of(decision->app_password_id),
		.languages = span_of(decision->identity.languages),
		.groups = codec_list_of(&decision->identity.groups),
		.senders = codec_list_of(&decision->identity.senders),
		.senders_bind = buf_size(&decision->scope.senders) > 0,
		.recipients = codec_list_of(&decision->scope.recipients),
		.messages_per_day = decision->scope.messages_per_day,
		.client = exchange->client,
	};
	TRY(map_add(&auth->granting, &exchange->by_grant, map_hash_number(&auth->granting, exchange->grant)));
	enum status status = door_send_grant(auth->relay, &message);
	if (status != STATUS_OK)
		map_remove(&auth->granting, &exchange->by_grant);
	return status;
}

void auth_grant_note_unheard(struct auth *auth, const char *what)
{
	char more[LOG_PACE_TEXT];
	if (log_pace_take(&auth->unheard, loop_now_ms(auth->role->loop), more))
		log_warning("%s%s", what, more);
}

void auth_grant_withdraw(const struct exchange *exchange)
{
	struct auth *auth = exchange->gate->auth;
	struct door_grant_withdrawn message = { .gate = exchange->gate->instance, .session = exchange->session };
	if (auth->relay && door_send_grant_withdrawn(auth->relay, &message) != STATUS_OK)
		auth_grant_note_unheard(auth, "a grant can't be taken back: there is no relay any more");
}

void auth_grant_report_failure(const struct exchange *exchange, struct span user, const char *reason)
{
	struct auth *auth = exchange->gate->auth;
	const struct decision *decision = &exchange->ask.decision;
	char text[160];
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
	if (auth_relay_has_room(auth) && door_send_auth_failed(auth->relay, &message) == STATUS_OK)
		return;
	snprintf(text, sizeof(text), "login refused (%.80s), and there is no relay, or none in time, to record it",
		 reason);
	auth_grant_note_unheard(auth, text);
}
