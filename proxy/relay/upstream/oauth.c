/*
 * Logging in with a token: XOAUTH2, as Google and Microsoft have it, and
 * OAUTHBEARER (RFC 7628). Both carry it in one response. An upstream that
 * doesn't take it says why in a challenge, which must be answered before the
 * verdict comes (RFC 7628, 3.2.3).
 *
 * How it fails: a token refused for good (5xx) may have been revoked, or have
 * expired early. Its owner is told, and asked for another one, once. If there is
 * none, or it is refused too, we back off from the account.
 */
#include <string.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/mask.h"
#include "relay/upstream/private.h"

#define EXPLANATION_MAXIMUM 8192 /* bytes of a challenge; those seen have some 200 */

bool upstream_oauth_is_mechanism(struct span mechanism)
{
	return span_equal_nocase(mechanism, SPAN("xoauth2")) || span_equal_nocase(mechanism, SPAN("oauthbearer"));
}

/* ---- the response */

/* RFC 5801, 4: within a name, "," and "=" are written otherwise. */
static enum status append_name(struct buf *b, struct span name)
{
	for (size_t i = 0; i < name.size; i++) {
		if (name.data[i] == ',')
			TRY(buf_append_text(b, "=2C"));
		else if (name.data[i] == '=')
			TRY(buf_append_text(b, "=3D"));
		else
			TRY(buf_append_byte(b, name.data[i]));
	}
	return STATUS_OK;
}

static enum status append_token(struct buf *b, struct span token)
{
	TRY(buf_append_text(b, "\001auth=Bearer "));
	TRY(buf_append(b, token));
	return buf_append_text(b, "\001\001");
}

static enum status make_xoauth2(const struct upstream_credential *credential, struct buf *b)
{
	TRY(buf_append_text(b, "user="));
	TRY(buf_append(b, credential->user));
	return append_token(b, credential->secret);
}

static enum status make_bearer(const struct config_relay *relay, const struct upstream_credential *credential,
			       struct buf *b)
{
	TRY(buf_append_text(b, "n,a="));
	TRY(append_name(b, credential->user));
	TRY(buf_printf(b, ",\001host=%s\001port=%u", relay->host, (unsigned)relay->port));
	return append_token(b, credential->secret);
}

static enum status make_response(const struct upstream_connection *c, const struct upstream_credential *credential,
				 struct secret *out_blob)
{
	struct buf response BUF_AUTO;
	struct buf text BUF_AUTO;
	buf_init_sensitive(&response, SECRET_MAXIMUM);
	buf_init_sensitive(&text, SECRET_MAXIMUM);
	TRY(c->is_bearer ? make_bearer(c->pool->relay, credential, &response) : make_xoauth2(credential, &response));
	TRY(base64_encode(buf_span(&response), &text));
	return secret_from_span(buf_span(&text), out_blob);
}

/* ---- the login */

/* The configured mechanism if it is offered, else the other one: both take the same token. */
static bool choose_bearer(const struct upstream_connection *c, struct span mechanism)
{
	bool wants_bearer = span_equal_nocase(mechanism, SPAN("oauthbearer"));
	return wants_bearer ? c->features.auth_oauthbearer : !c->features.auth_xoauth2;
}

void upstream_oauth_begin(struct upstream_connection *c, const struct upstream_credential *credential)
{
	if (!c->features.auth_xoauth2 && !c->features.auth_oauthbearer) {
		upstream_pool_count_login(c->pool, STATS_RESULT_FAILED);
		upstream_connection_unusable(c, "neither AUTH XOAUTH2 nor AUTH OAUTHBEARER is offered");
		return;
	}
	c->is_bearer = choose_bearer(c, credential->mechanism);
	c->serial = credential->serial;
	if (secret_from_span(credential->secret, &c->password) != STATUS_OK ||
	    make_response(c, credential, &c->blob) != STATUS_OK) {
		upstream_connection_unequipped(c, "out of memory");
		return;
	}
	upstream_connection_set_state(c, CONNECTION_AUTH);
	upstream_login_say_blob(c, c->is_bearer ? SPAN("AUTH OAUTHBEARER") : SPAN("AUTH XOAUTH2"),
				AUTH_MAY_BE_EXPLAINED);
}

void upstream_oauth_on_explanation(struct upstream_connection *c, const struct reply *reply)
{
	char shown[UPSTREAM_REASON_SIZE];
	struct buf text BUF_AUTO;
	const struct span secrets[] = { secret_reveal(&c->password), secret_reveal(&c->blob) };
	buf_init_sensitive(&text, EXPLANATION_MAXIMUM);
	if (base64_decode(span_trim(reply->text), &text) == STATUS_OK) {
		mask_text(buf_span(&text), secrets, sizeof(secrets) / sizeof(secrets[0]), shown, sizeof(shown));
		log_warning("relay %s: it does not take our token: %s", c->pool->relay->name, shown);
	} else {
		log_warning("relay %s: it does not take our token, and says no readable reason", c->pool->relay->name);
	}
	c->auth_step = AUTH_SENT_ALL;
	/* XOAUTH2 wants an empty line, OAUTHBEARER the byte 1. */
	(void)upstream_connection_say(c, c->is_bearer ? SPAN("AQ==\r\n") : SPAN("\r\n"),
				      upstream_connection_time_left(c));
}

bool upstream_oauth_begin_anew(struct upstream_connection *c, const struct reply *reply)
{
	struct upstream_pool *pool = c->pool;
	if (c->serial == 0 || c->has_new_token || reply->code / 100 != 5)
		return false;
	c->has_new_token = true;
	log_info("relay %s: login refused: %u; a new token is asked for", pool->relay->name, reply->code);
	pool->options.refuse_credential(pool->options.context, pool->relay->name, c->account->mailbox, c->serial);
	upstream_login_wipe(c);
	upstream_login_ask_credential(c);
	return true;
}
