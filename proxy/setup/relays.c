/* Questions about the relay. Owns nothing. */
#include "setup/relays.h"

#include <string.h>

#include "base/ascii.h"
#include "config/values.h"
#include "setup/paths.h"
#include "setup/relay_kinds.h"
#include "smtp/address.h"

#define GOOGLE_SECRET 16 /* letters of an app password of Google */

/* ---- what answers must look like */

static const char *judge_account(const char *text)
{
	return address_is_valid(span_of(text), false) && strchr(text, '@') ? NULL
									   : "Expected an address: name@example.com";
}

static const char *judge_something(const char *text)
{
	return *text ? NULL : "It is needed.";
}

static const char *judge_google_secret(const char *text)
{
	for (const char *c = text; *c; c++)
		if (!ascii_is_alphanumeric(*c))
			return "An app password of Google has 16 letters, and nothing else.";
	return strlen(text) == GOOGLE_SECRET ? NULL
					     : "An app password of Google has 16 letters; this has another number.";
}

static const char *judge_host(const char *text)
{
	return *text && value_is_host(span_of(text)) ? NULL : "Expected a name or an address.";
}

static const char *judge_port(const char *text)
{
	uint64_t port;
	return span_to_u64(span_of(text), &port) == STATUS_OK && port >= 1 && port <= 65535 ? NULL
											    : "Expected 1 to 65535.";
}

static const char *judge_region(const char *text)
{
	return *text && value_is_name(span_of(text)) ? NULL : "Expected a name such as eu-central-1.";
}

/* ---- what was there before */

/* Of a relay of the same kind; else `usual`. */
static const char *former_text(const struct plan *plan, const char *(*field)(const struct config_relay *),
			       const char *usual)
{
	const char *text = plan_relay_goes_on(plan) ? field(plan_former_relay(plan)) : NULL;
	return text && *text ? text : usual;
}

static const char *field_user(const struct config_relay *relay)
{
	return relay->user;
}

static const char *field_host(const struct config_relay *relay)
{
	return relay->host;
}

static const char *field_authority(const struct config_relay *relay)
{
	return relay->ca_file;
}

/* relay@example.com, of a host mail.example.com. */
static const char *guess_account(const struct plan *plan, char out_text[ASK_SIZE])
{
	const char *dot = strchr(plan->hostname, '.');
	if (dot && strchr(dot + 1, '.'))
		snprintf(out_text, ASK_SIZE, "relay@%.400s", dot + 1);
	else
		snprintf(out_text, ASK_SIZE, "relay@%.400s", plan->hostname);
	return out_text;
}

/* The file that has its secret; NULL: none, or of another kind. */
static const char *kept_secret(const struct plan *plan, char out_path[PATH_MAX])
{
	struct secret secret SECRET_AUTO = { 0 };
	const struct config_relay *former = plan_former_relay(plan);
	if (!plan_relay_goes_on(plan) || config_relay_has_tokens(former) != (strcmp(plan->relay.auth, "xoauth2") == 0))
		return NULL;
	if (plan_relay_secret(plan, out_path) != STATUS_OK || secret_from_path(out_path, &secret) != STATUS_OK)
		return NULL;
	return out_path;
}

static enum status ask_password(struct ask *ask, struct plan *plan, bool is_grouped, ask_judge *judge)
{
	char path[PATH_MAX], kept[ASK_SIZE];
	bool is_kept = kept_secret(plan, path) != NULL;
	snprintf(kept, sizeof(kept), "what is in %.400s", is_kept ? path : "");
	return ask_secret(ask, QUESTION_relay_password, is_kept ? kept : NULL, is_grouped, judge,
			  &plan->relay.password);
}

/* ---- each kind */

static enum status ask_google(struct ask *ask, struct plan *plan)
{
	char guess[ASK_SIZE];
	TRY(ask_text(ask, QUESTION_relay_user, former_text(plan, field_user, guess_account(plan, guess)), judge_account,
		     plan->relay.user));
	return ask_password(ask, plan, true, judge_google_secret);
}

static enum status ask_microsoft(struct ask *ask, struct plan *plan)
{
	static const struct ask_choice ways[] = {
		{ "token", "of an application of your tenant: what Microsoft wants from 2027 on" },
		{ "password", "of the mailbox: where the tenant still allows it" },
	};
	const struct config_relay *former = plan_relay_goes_on(plan) ? plan_former_relay(plan) : NULL;
	const struct config_oauth *oauth = former ? config_find_oauth(plan->config, former->oauth) : NULL;
	char guess[ASK_SIZE];
	size_t way = 0;
	TRY(ask_choice(ask, QUESTION_relay_login, ways, 2, former && !config_relay_has_tokens(former), &way));
	snprintf(plan->relay.auth, ASK_SIZE, "%s", way == 0 ? "xoauth2" : "login");
	TRY(ask_text(ask, QUESTION_relay_user, former_text(plan, field_user, guess_account(plan, guess)), judge_account,
		     plan->relay.user));
	if (way == 0) {
		TRY(ask_text(ask, QUESTION_relay_tenant, oauth ? oauth->tenant : strchr(plan->relay.user, '@') + 1,
			     judge_host, plan->relay.tenant));
		TRY(ask_text(ask, QUESTION_relay_application, oauth ? oauth->client_id : "", judge_something,
			     plan->relay.application));
	}
	return ask_password(ask, plan, false, NULL);
}

/* "eu-central-1" of "email-smtp.eu-central-1.amazonaws.com". */
static void former_region(const struct plan *plan, char out_text[ASK_SIZE])
{
	const char *host = former_text(plan, field_host, "");
	size_t size = strlen(host), before = sizeof(RELAY_SES_HOST) - 1, after = sizeof(RELAY_SES_DOMAIN) - 1;
	bool is_known = size > before + after && strncmp(host, RELAY_SES_HOST, before) == 0;
	snprintf(out_text, ASK_SIZE, "%.*s", is_known ? (int)(size - before - after) : 12,
		 is_known ? host + before : "eu-central-1");
}

static enum status ask_ses(struct ask *ask, struct plan *plan)
{
	char region[ASK_SIZE], answer[ASK_SIZE];
	former_region(plan, region);
	TRY(ask_text(ask, QUESTION_relay_region, region, judge_region, answer));
	snprintf(plan->relay.host, ASK_SIZE, RELAY_SES_HOST "%.64s" RELAY_SES_DOMAIN, answer);
	TRY(ask_text(ask, QUESTION_relay_user, former_text(plan, field_user, ""), judge_something, plan->relay.user));
	return ask_password(ask, plan, false, NULL);
}

static enum status ask_tls(struct ask *ask, struct plan *plan, size_t usual)
{
	static const struct ask_choice ways[] = {
		{ "implicit", "from the first byte on, as at port 465" },
		{ "starttls", "after STARTTLS, as at port 587" },
		{ "none", "for a server on this machine alone" },
	};
	const struct config_relay *former = plan_relay_goes_on(plan) ? plan_former_relay(plan) : NULL;
	size_t way;
	TRY(ask_choice(ask, QUESTION_relay_tls, ways, 3, former ? (size_t)former->tls : usual, &way));
	snprintf(plan->relay.tls, ASK_SIZE, "%s", ways[way].name);
	if (way == 2)
		return STATUS_OK;
	return ask_text(ask, QUESTION_relay_ca, former_text(plan, field_authority, ""), paths_judge_optional_file,
			plan->relay.authority);
}

static enum status ask_server(struct ask *ask, struct plan *plan, const char *usual_host, const char *usual_port,
			      size_t usual_tls)
{
	char port[ASK_SIZE];
	const struct config_relay *former = plan_relay_goes_on(plan) ? plan_former_relay(plan) : NULL;
	snprintf(port, sizeof(port), "%s", usual_port);
	if (former)
		snprintf(port, sizeof(port), "%u", (unsigned)former->port);
	TRY(ask_text(ask, QUESTION_relay_host, former_text(plan, field_host, usual_host), judge_host,
		     plan->relay.host));
	TRY(ask_text(ask, QUESTION_relay_port, port, judge_port, plan->relay.port));
	TRY(ask_tls(ask, plan, usual_tls));
	TRY(ask_text(ask, QUESTION_relay_user, former_text(plan, field_user, ""), NULL, plan->relay.user));
	snprintf(plan->relay.auth, ASK_SIZE, "%s", *plan->relay.user ? "plain" : "none");
	return *plan->relay.user ? ask_password(ask, plan, false, NULL) : STATUS_OK;
}

static enum status ask_own(struct ask *ask, struct plan *plan)
{
	return ask_server(ask, plan, "127.0.0.1", "25", 2);
}

static enum status ask_other(struct ask *ask, struct plan *plan)
{
	return ask_server(ask, plan, "", "465", 0);
}

/* ---- all of it */

static enum status (*const asks[RELAY_KINDS])(struct ask *ask, struct plan *plan) = {
	[RELAY_KIND_GMAIL] = ask_google,
	[RELAY_KIND_GOOGLE_RELAY] = ask_google,
	[RELAY_KIND_MICROSOFT] = ask_microsoft,
	[RELAY_KIND_SES] = ask_ses,
	[RELAY_KIND_OWN] = ask_own,
	[RELAY_KIND_OTHER] = ask_other,
};

static size_t find_usual(const struct plan *plan)
{
	const struct config_relay *former = plan_former_relay(plan);
	return former ? (size_t)(relay_kind_of(former) - relay_kinds) : 0;
}

static void begin_relay(struct plan_relay *relay, const struct relay_kind *kind)
{
	relay->kind = kind;
	snprintf(relay->host, ASK_SIZE, "%s", kind->host);
	snprintf(relay->port, ASK_SIZE, "%s", kind->port);
	snprintf(relay->tls, ASK_SIZE, "%s", kind->tls);
	snprintf(relay->auth, ASK_SIZE, "%s", kind->auth);
}

enum status relays_ask(struct ask *ask, struct plan *plan)
{
	struct ask_choice choices[RELAY_KINDS];
	size_t index;
	if (plan->keeps_relays) {
		fputs("\nRelays: there are several, or routes between them, so they stay as they are.\n", ask->out);
		return STATUS_OK;
	}
	for (size_t i = 0; i < RELAY_KINDS; i++)
		choices[i] = relay_kinds[i].choice;
	TRY(ask_choice(ask, QUESTION_relay, choices, RELAY_KINDS, find_usual(plan), &index));
	begin_relay(&plan->relay, &relay_kinds[index]);
	fprintf(ask->out, "\n%s", relay_kinds[index].guide);
	return asks[index](ask, plan);
}
