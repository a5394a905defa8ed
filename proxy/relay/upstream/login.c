/*
 * From the banner to being logged in: EHLO, STARTTLS, AUTH (RFC 5321, 3207,
 * 4954, 4616). A secret goes out only over TLS whose certificate was verified,
 * or if tls = "none" is configured, and is wiped as soon as the upstream has
 * answered. A refused EHLO is a failure, as HELO offers no AUTH.
 *
 * How it fails: we back off from an account whose login is refused. If this
 * process lacks something, it alone opens no connections for a while; after any
 * other failure, no process of the node does. No reason that we give quotes a
 * secret, even if the upstream does.
 */
#include <stdio.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/mask.h"
#include "relay/upstream/private.h"

#define COMMAND_MAXIMUM 512    /* bytes: RFC 5321, 4.5.3.1.4; a longer AUTH goes in two steps, RFC 4954, 4 */
#define RESPONSE_MAXIMUM 12288 /* bytes of a line within AUTH, its end included: RFC 4954, 4 */
#define AUTH_MAXIMUM 131072    /* bytes: the largest secret in base64 */

static void fail_with_reason(struct upstream_connection *c, const char *what, const struct reply *reply)
{
	char reason[UPSTREAM_REASON_SIZE];
	upstream_describe(reason, what, reply);
	upstream_connection_lost(c, reason);
}

/* ---- greeting, EHLO, STARTTLS */

void upstream_login_say_ehlo(struct upstream_connection *c)
{
	struct buf line BUF_AUTO;
	buf_init(&line, COMMAND_MAXIMUM);
	if (buf_printf(&line, "EHLO %s\r\n", c->pool->options.helo) != STATUS_OK) {
		upstream_connection_unequipped(c, "no EHLO line can be made");
		return;
	}
	upstream_connection_set_state(c, CONNECTION_EHLO);
	(void)upstream_connection_ask(c, buf_span(&line), upstream_connection_time_left(c));
}

void upstream_login_on_greeting(struct upstream_connection *c, const struct reply *reply)
{
	if (reply->code == 220)
		upstream_login_say_ehlo(c);
	else
		fail_with_reason(c, "greeting", reply);
}

static void become_ready(struct upstream_connection *c)
{
	stream_expect_no_secrets(c->stream);
	if (c->pool->relay->dsn && !c->features.dsn)
		log_warning("relay %s: dsn = true, but it does not offer DSN: what clients ask for is dropped",
			    c->pool->relay->name);
	if (c->pool->relay->smtputf8 && !c->features.smtputf8)
		log_warning(
			"relay %s: smtputf8 = true, but it does not offer SMTPUTF8: messages that need it are refused",
			c->pool->relay->name);
	log_info("relay %s: connected to %s%s%s", c->pool->relay->name, c->host,
		 stream_is_secure(c->stream) ? ", " : "", stream_tls_version(c->stream));
	upstream_backoff_on_login(c->account);
	upstream_connection_become_idle(c);
}

/* An administrator's trial is a single login, and always allowed. */
static bool may_log_in(const struct upstream_connection *c)
{
	return c->trial || upstream_backoff_allows_login(c->account);
}

void upstream_login_ask_credential(struct upstream_connection *c)
{
	struct upstream_pool *pool = c->pool;
	if (!may_log_in(c)) {
		upstream_connection_close(c);
		return;
	}
	upstream_connection_set_state(c, CONNECTION_CREDENTIAL);
	stream_set_deadline(c->stream, upstream_connection_time_left(c));
	c->ticket = ++pool->next_ticket;
	pool->options.ask_credential(pool->options.context, pool->relay->name, c->account->mailbox, c->ticket);
}

static bool may_send_secrets(const struct upstream_connection *c)
{
	const struct config_relay *relay = c->pool->relay;
	return relay->tls == RELAY_TLS_NONE || (relay->tls_verify && stream_is_secure(c->stream));
}

void upstream_login_on_ehlo(struct upstream_connection *c, const struct reply *reply)
{
	const struct config_relay *relay = c->pool->relay;
	if (reply->code != 250) {
		fail_with_reason(c, "EHLO refused", reply);
		return;
	}
	upstream_features_read(reply->text, &c->features);
	if (relay->tls == RELAY_TLS_STARTTLS && !stream_is_secure(c->stream)) {
		if (!c->features.starttls) {
			fail_with_reason(c, "STARTTLS is not offered, and nothing goes without it", NULL);
			return;
		}
		upstream_connection_set_state(c, CONNECTION_STARTTLS);
		(void)upstream_connection_ask(c, SPAN("STARTTLS\r\n"), upstream_connection_time_left(c));
	} else if (relay->auth == RELAY_AUTH_NONE) {
		become_ready(c);
	} else if (!may_send_secrets(c)) {
		fail_with_reason(c, "tls_verify = false: no password goes to a relay whose certificate is not verified",
				 NULL);
	} else {
		upstream_login_ask_credential(c);
	}
}

void upstream_login_on_starttls(struct upstream_connection *c, const struct reply *reply)
{
	const struct config_relay *relay = c->pool->relay;
	if (reply->code != 220) {
		fail_with_reason(c, "STARTTLS refused", reply);
		return;
	}
	if (buf_size(stream_input(c->stream))) {
		fail_with_reason(c, "bytes after the reply to STARTTLS: somebody tampers with this connection", NULL);
		return;
	}
	const char *name = relay->tls_name[0] ? relay->tls_name : relay->host;
	upstream_connection_set_state(c, CONNECTION_SECURING);
	if (stream_secure_client(c->stream, c->pool->tls, span_of(name)) != STATUS_OK)
		fail_with_reason(c, "TLS can't begin", NULL);
}

/* ---- AUTH */

void upstream_login_wipe(struct upstream_connection *c)
{
	secret_wipe(&c->user);
	secret_wipe(&c->password);
	secret_wipe(&c->blob);
}

static enum status make_base64(struct span bytes, struct secret *out_secret)
{
	struct buf text BUF_AUTO;
	buf_init_sensitive(&text, AUTH_MAXIMUM);
	TRY(base64_encode(bytes, &text));
	return secret_from_span(buf_span(&text), out_secret);
}

/* RFC 4616: authorization identity (none), NUL, user, NUL, password. */
static enum status make_plain(const struct upstream_credential *credential, struct secret *out_blob)
{
	struct buf plain BUF_AUTO;
	buf_init_sensitive(&plain, AUTH_MAXIMUM);
	TRY(buf_append_byte(&plain, '\0'));
	TRY(buf_append(&plain, credential->user));
	TRY(buf_append_byte(&plain, '\0'));
	TRY(buf_append(&plain, credential->secret));
	return make_base64(buf_span(&plain), out_blob);
}

static void say_auth_line(struct upstream_connection *c, struct span command, struct span space, struct span secret)
{
	struct buf line BUF_AUTO;
	buf_init_sensitive(&line, AUTH_MAXIMUM);
	if (buf_append(&line, command) != STATUS_OK || buf_append(&line, space) != STATUS_OK ||
	    buf_append(&line, secret) != STATUS_OK || buf_append_text(&line, "\r\n") != STATUS_OK) {
		upstream_connection_unequipped(c, "the login does not fit a line");
		return;
	}
	upstream_trial_trace(c, "C: %.*s%s", SPAN_ARGS(command),
			     span_is_empty(secret)    ? ""
			     : span_is_empty(command) ? "***"
						      : " ***");
	(void)upstream_connection_ask(c, buf_span(&line), upstream_connection_time_left(c));
}

void upstream_login_say_blob(struct upstream_connection *c, struct span command, enum auth_step next)
{
	struct span blob = secret_reveal(&c->blob);
	if (blob.size + 2 > RESPONSE_MAXIMUM) {
		upstream_connection_unequipped(c, "what we log in with is longer than a line of AUTH may be");
		return;
	}
	bool fits = command.size + 1 + blob.size + 2 <= COMMAND_MAXIMUM;
	c->auth_step = fits ? next : AUTH_WANTS_BLOB;
	c->after_blob = next;
	say_auth_line(c, command, fits ? SPAN(" ") : SPAN(""), fits ? blob : SPAN(""));
}

/* The configured mechanism if it is offered, else the other one: both show the upstream the same password. */
static bool choose_plain(const struct upstream_connection *c, struct span mechanism)
{
	return c->features.auth_plain && !(span_equal_nocase(mechanism, SPAN("login")) && c->features.auth_login);
}

static void take_no_credential(struct upstream_connection *c, struct span why)
{
	char reason[UPSTREAM_REASON_SIZE];
	snprintf(reason, sizeof(reason), "no credentials: %.*s", SPAN_ARGS(why));
	upstream_pool_count_login(c->pool, STATS_RESULT_FAILED);
	upstream_trial_note(c, reason);
	if (c->has_new_token) { /* the previous one was refused: the account's fault, not the auth role's */
		upstream_connection_close(c);
		upstream_backoff_login(c->account, reason);
	} else {
		upstream_connection_unequipped(c, reason);
	}
}

static void begin_with_password(struct upstream_connection *c, const struct upstream_credential *credential)
{
	if (!c->features.auth_plain && !c->features.auth_login) {
		upstream_pool_count_login(c->pool, STATS_RESULT_FAILED);
		upstream_connection_unusable(c, "neither AUTH PLAIN nor AUTH LOGIN is offered");
		return;
	}
	if (secret_from_span(credential->secret, &c->password) != STATUS_OK ||
	    make_base64(credential->user, &c->user) != STATUS_OK || make_plain(credential, &c->blob) != STATUS_OK) {
		upstream_connection_unequipped(c, "out of memory");
		return;
	}
	upstream_connection_set_state(c, CONNECTION_AUTH);
	if (choose_plain(c, credential->mechanism)) {
		upstream_login_say_blob(c, SPAN("AUTH PLAIN"), AUTH_SENT_ALL);
	} else {
		c->auth_step = AUTH_WANTS_USER;
		say_auth_line(c, SPAN("AUTH LOGIN"), SPAN(""), SPAN(""));
	}
}

void upstream_login_with(struct upstream_connection *c, const struct upstream_credential *credential)
{
	if (!may_log_in(c))
		upstream_connection_close(c);
	else if (!credential->available)
		take_no_credential(c, credential->reason);
	else if (span_equal_nocase(credential->mechanism, SPAN("none")))
		become_ready(c);
	else if (upstream_oauth_is_mechanism(credential->mechanism))
		upstream_oauth_begin(c, credential);
	else
		begin_with_password(c, credential);
}

static void say_next_step(struct upstream_connection *c, const struct reply *reply)
{
	struct secret SECRET_AUTO encoded = { 0 };
	switch (c->auth_step) {
	case AUTH_WANTS_BLOB:
		c->auth_step = c->after_blob;
		say_auth_line(c, SPAN(""), SPAN(""), secret_reveal(&c->blob));
		return;
	case AUTH_WANTS_USER:
		c->auth_step = AUTH_WANTS_PASSWORD;
		say_auth_line(c, SPAN(""), SPAN(""), secret_reveal(&c->user));
		return;
	case AUTH_WANTS_PASSWORD:
		c->auth_step = AUTH_SENT_ALL;
		if (make_base64(secret_reveal(&c->password), &encoded) == STATUS_OK)
			say_auth_line(c, SPAN(""), SPAN(""), secret_reveal(&encoded));
		else
			upstream_connection_unequipped(c, "out of memory");
		return;
	case AUTH_MAY_BE_EXPLAINED:
		upstream_oauth_on_explanation(c, reply);
		return;
	case AUTH_SENT_ALL:
		break;
	}
	upstream_connection_unusable(c, "login: it asks for more than was agreed");
}

/* Servers that don't know a command tend to repeat it. */
static bool quotes_secret(const struct upstream_connection *c, struct span text)
{
	struct secret SECRET_AUTO encoded = { 0 };
	if (make_base64(secret_reveal(&c->password), &encoded) != STATUS_OK)
		return true;
	return mask_quotes(text, secret_reveal(&c->password)) || mask_quotes(text, secret_reveal(&c->blob)) ||
	       mask_quotes(text, secret_reveal(&encoded));
}

void upstream_login_mask(const struct upstream_connection *c, struct span text, char *out_text, size_t size)
{
	bool is_explanation = c->auth_step == AUTH_MAY_BE_EXPLAINED && text.size > 80;
	if (is_explanation)
		snprintf(out_text, size, "(its reason; the log has it)");
	else if (quotes_secret(c, text))
		snprintf(out_text, size, "(its text quotes our password and is left out)");
	else
		snprintf(out_text, size, "%.*s", SPAN_ARGS(text));
}

static void take_refusal(struct upstream_connection *c, const struct reply *reply)
{
	char reason[UPSTREAM_REASON_SIZE];
	struct reply shown = *reply;
	if (quotes_secret(c, reply->text))
		shown.text = SPAN("(its text quotes our password and is left out)");
	/* 421 is about the connection (RFC 5321, 3.8), and what isn't a refusal answers something else. */
	if (reply->code == 421 || reply->code < 400) {
		upstream_pool_count_login(c->pool, STATS_RESULT_FAILED);
		fail_with_reason(c, "login", &shown);
		return;
	}
	if (upstream_oauth_begin_anew(c, &shown))
		return;
	upstream_describe(reason, "login refused", &shown);
	upstream_pool_count_login(c->pool, STATS_RESULT_REFUSED);
	upstream_trial_note(c, reason);
	upstream_connection_close(c);
	const struct upstream_verdict verdict = { .may_back_off = true };
	if (reply->code == 432)
		upstream_backoff_on_refusal(c->account, UPSTREAM_THROTTLED, reply->code, &verdict, reason);
	else
		upstream_backoff_login(c->account, reason);
}

void upstream_login_on_auth(struct upstream_connection *c, const struct reply *reply)
{
	if (reply->code == 334) {
		say_next_step(c, reply);
	} else if (reply->code == 235) {
		upstream_login_wipe(c);
		upstream_pool_count_login(c->pool, STATS_RESULT_OK);
		become_ready(c);
	} else {
		take_refusal(c, reply);
	}
}
