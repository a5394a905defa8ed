/* Owns the webhook and its secret. */
#include "relay/notice_call.h"

#include "base/log.h"
#include "role/role.h"

static void on_news(void *context, bool is_well, const char *what)
{
	(void)context;
	if (is_well)
		log_info("notify.url: %s", what);
	else
		log_error("notify.url: %s", what);
}

static enum status take_secrets(struct notice_call *call, const struct role_context *role)
{
	TRY(role_take_secret(role, "webhook-secret", &call->secret));
	enum status status = role_take_secret(role, "webhook-ca", &call->ca);
	return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status notice_call_begin(struct notice_call *call, const struct services *services)
{
	const char *url = services->config->notify.url;
	if (*url == '\0')
		return STATUS_OK;
	TRY(take_secrets(call, services->role));
	const struct webhook_options options = {
		.loop = services->loop,
		.stats = services->stats,
		.url = url,
		.node = services->role->node,
		.secret = &call->secret,
		.ca_pem = secret_reveal(&call->ca),
		.spool_fd = role_take_fd(services->role, "webhook-spool"),
		.on_news = on_news,
	};
	return options.spool_fd < 0 ? STATUS_NOT_FOUND : webhook_create(&options, &call->webhook);
}

void notice_call_take(void *context, const struct notice *notice)
{
	const struct notice_call *call = context;
	const struct webhook_call what = {
		.kind = span_of(notice_kind_text(notice->kind)),
		.severity = span_of(notice_severity_text(notice->severity)),
		.user = notice->user,
		.subject = notice->subject,
		.text = notice->text,
		.time_us = notice->time_us,
	};
	if (call->webhook)
		webhook_post(call->webhook, &what);
}

void notice_call_release(struct notice_call *call)
{
	if (call->webhook)
		webhook_release(call->webhook);
}

void notice_call_end(struct notice_call *call)
{
	webhook_free(&call->webhook);
	secret_wipe(&call->secret);
	secret_wipe(&call->ca);
}
