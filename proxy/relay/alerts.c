/* Beginning and end of what tells people. Owns them. */
#include "relay/alerts.h"

#include "role/role.h"

enum status alerts_begin(struct alerts *alerts, struct services *services, struct deliveries *deliveries)
{
	alerts->services = services;
	notices_begin(&services->notices, services->loop, services->stats, alerts->sinks, ALERTS_SINKS);
	TRY(own_mail_create(services, deliveries, &alerts->own_mail));
	alerts->notice_mail = (struct notice_mail){ services, alerts->own_mail };
	alerts->sinks[0] = (struct notice_sink){ notice_mail_take, &alerts->notice_mail };
	alerts->sinks[1] = (struct notice_sink){ notice_call_take, &alerts->notice_call };
	return notice_call_begin(&alerts->notice_call, services);
}

static enum status open_judge(struct alerts *alerts, struct redis *redis, struct events *events)
{
	struct services *services = alerts->services;
	const struct config *config = services->config;
	if (config->alert.score == 0)
		return STATUS_OK;
	TRY(scores_create(services->loop, redis, config->redis.prefix, config->alert.learning / 1000, &alerts->scores));
	scores_want_replicas(alerts->scores, config->redis.replicas);
	TRY(judge_create(services, alerts->scores, events, &alerts->judge));
	services->judge = (struct message_judge){ judge_ask, alerts->judge };
	return STATUS_OK;
}

enum status alerts_open(struct alerts *alerts, struct redis *redis, struct events *events)
{
	struct services *services = alerts->services;
	struct secret texts SECRET_AUTO = { 0 };
	enum status status = role_take_secret(services->role, "notify-texts", &texts);
	if (status != STATUS_OK && status != STATUS_NOT_FOUND)
		return status;
	TRY(told_create(redis, services->config->redis.prefix, &alerts->told));
	TRY(warnings_create(services, alerts->told, alerts->own_mail, secret_reveal(&texts), &alerts->warnings));
	TRY(expiry_notice_create(services, alerts->told, &alerts->expiry));
	services->charge_listener = (struct charge_listener){ warnings_look, alerts->warnings };
	return open_judge(alerts, redis, events);
}

size_t alerts_pending(const struct alerts *alerts)
{
	return own_mail_count(alerts->own_mail);
}

void alerts_drain(struct alerts *alerts)
{
	expiry_notice_drain(alerts->expiry);
	own_mail_drain(alerts->own_mail);
}

void alerts_close(struct alerts *alerts)
{
	told_free(&alerts->told);
	warnings_free(&alerts->warnings);
	expiry_notice_free(&alerts->expiry);
	scores_free(&alerts->scores);
	judge_free(&alerts->judge);
}

void alerts_end_mail(struct alerts *alerts)
{
	own_mail_free(&alerts->own_mail);
	notice_call_end(&alerts->notice_call);
}
