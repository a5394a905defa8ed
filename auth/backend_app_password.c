/*
 * The back end of app passwords. They belong to a person, so the directories are asked first who the name means
 * (identify.h), and then that person's passwords are looked at. What is none of theirs may be a directory password that
 * happens to have the form, and is left to the next back end, as one guess; what was one once, revoked or expired, is
 * known for that and judged here.
 */
#include <string.h>

#include "auth/backend.h"
#include "auth/identify.h"
#include "base/clock.h"
#include "base/log.h"

static void refuse_password(struct chain_ask *ask, const char *reason)
{
	chain_answer(ask, VERDICT_WRONG, STATS_METHOD_APP_PASSWORD, reason);
}

static void defer_verdict(struct chain_ask *ask, const char *reason)
{
	chain_answer(ask, VERDICT_UNAVAILABLE, STATS_METHOD_APP_PASSWORD, reason);
}

static uint64_t now_s(void)
{
	return clock_wall_us() / 1000000;
}

/* ---- one that is theirs */

/* NULL: nothing keeps it from being used. */
static const char *fault_of(const struct chain_ask *ask, const struct app_password *password)
{
	if (password->is_revoked)
		return "app password revoked";
	if (password->expires_s && now_s() >= password->expires_s)
		return "app password expired";
	if (password->is_console != ask->credentials->for_console)
		return password->is_console ? "app password for the console alone" : "app password not for the console";
	return app_password_is_from(password, span_of(ask->credentials->address))
		       ? NULL
		       : "app password not allowed from this address";
}

static void keep_id(struct chain_ask *ask, const struct app_password *password)
{
	snprintf(ask->decision.app_password_id, sizeof(ask->decision.app_password_id), "%s", password->id);
}

static void grant_login(struct chain_ask *ask)
{
	uses_note(ask->chain->parts.uses, ask->decision.app_password_id, ask->credentials->address);
	chain_answer(ask, VERDICT_GRANTED, STATS_METHOD_APP_PASSWORD, "");
}

void app_password_admit(struct chain_ask *ask, const struct app_password *password, const struct identity *identity)
{
	const char *fault = fault_of(ask, password);
	keep_id(ask, password);
	if (fault)
		refuse_password(ask, fault);
	else if (identity_copy(identity, &ask->decision.identity) != STATUS_OK ||
		 scope_take(&ask->decision.scope, password) != STATUS_OK)
		defer_verdict(ask, "out of memory");
	else
		grant_login(ask);
}

/* ---- whose it is */

/* STATUS_NOT_FOUND: it is none of this owner's. */
static enum status match_owner(struct chain_ask *ask, const char *id, const struct app_password **out_password)
{
	struct secret normal SECRET_AUTO = { 0 };
	TRY(app_password_normalize(secret_reveal(&ask->credentials->password), &normal));
	return store_match(ask->chain->parts.store, span_of(id), &normal, out_password);
}

static enum status match_name(struct chain_ask *ask, const char *kind, const char *name,
			      const struct app_password **out_password)
{
	struct identity owner IDENTITY_AUTO;
	identity_init(&owner);
	TRY(identity_set_id(&owner, kind, span_of(name)));
	return match_owner(ask, owner.id, out_password);
}

static void on_assigned(void *context, enum status status)
{
	(void)context;
	if (status != STATUS_OK)
		log_warning("an app password was not assigned to its user, and will be next time: %s",
			    status_text(status));
}

void app_password_assign(struct chain_ask *ask, const struct app_password *password, const char *owner)
{
	struct buf line BUF_AUTO;
	struct app_password_change change = { .operation = CHANGE_ASSIGN, .owner = span_of(owner) };
	buf_init(&line, CHANGE_LINE_MAXIMUM);
	memcpy(change.id, password->id, sizeof(change.id));
	enum status status = change_format(&change, &line);
	if (status == STATUS_OK)
		status = store_submit(ask->chain->parts.store, buf_span(&line), on_assigned, NULL);
	if (status != STATUS_OK)
		on_assigned(NULL, status);
}

/* By the id, and by the names that passwords made before there were ids, or a directory, belong to. */
static enum status match_identity(struct chain_ask *ask, const struct identity *identity,
				  const struct app_password **out_password)
{
	const char *given = ask->credentials->name;
	enum status status = match_owner(ask, identity->id, out_password);
	if (status == STATUS_NOT_FOUND)
		status = match_name(ask, "name", identity->user, out_password);
	if (status == STATUS_NOT_FOUND && !span_equal(span_of(given), span_of(identity->user)))
		status = match_name(ask, "name", given, out_password);
	if (status == STATUS_OK && !span_equal(span_of((*out_password)->owner), span_of(identity->id)))
		app_password_assign(ask, *out_password, identity->id);
	return status;
}

static void begin_match(struct chain_ask *ask);

static void on_looked(void *context, bool has_news)
{
	if (has_news)
		begin_match(context);
	else
		chain_pass(context, "wrong app password");
}

/* It may have been made just now, on another node. */
static void answer_mismatch(struct chain_ask *ask, enum status status)
{
	if (status != STATUS_NOT_FOUND) {
		defer_verdict(ask, "out of memory");
		return;
	}
	bool is_first = !ask->has_looked;
	ask->has_looked = true;
	if (!is_first || !store_look(ask->chain->parts.store, on_looked, ask, &ask->store_waiter))
		chain_pass(ask, "wrong app password");
}

static void grant_identity(struct chain_ask *ask, const struct identity *identity)
{
	const struct app_password *password = NULL;
	enum status status = match_identity(ask, identity, &password);
	if (status == STATUS_OK)
		app_password_admit(ask, password, identity);
	else
		answer_mismatch(ask, status);
}

/* Why they may not is only for whoever has one of their passwords. */
static void refuse_identity(struct chain_ask *ask, const struct identity *identity, const char *reason)
{
	const struct app_password *password = NULL;
	enum status status = identity ? match_identity(ask, identity, &password)
				      : match_name(ask, "name", ask->credentials->name, &password);
	if (status != STATUS_OK) {
		answer_mismatch(ask, status);
		return;
	}
	keep_id(ask, password);
	if (password->is_revoked)
		refuse_password(ask, "app password revoked");
	else
		chain_answer(ask, VERDICT_DISABLED, STATS_METHOD_APP_PASSWORD, reason);
}

static const struct identify_plan plan = {
	.method = STATS_METHOD_APP_PASSWORD,
	.grant = grant_identity,
	.refuse = refuse_identity,
};

/* ---- those of printers and programs */

enum status app_password_admit_service(struct chain_ask *ask, const struct app_password *password)
{
	struct identity identity IDENTITY_AUTO;
	identity_init(&identity);
	TRY(name_canonical(span_of(ask->credentials->name), identity.user));
	TRY(identity_set_id(&identity, "service", span_of(identity.user)));
	struct span senders = span_of(app_password_text(password, APP_PASSWORD_SENDERS)), sender;
	while (senders.size > 0 && span_cut(&senders, '\n', &sender))
		TRY(identity_add(&identity.senders, sender));
	app_password_admit(ask, password, &identity);
	return STATUS_OK;
}

/* A service has no entry: nobody need be asked. */
static void begin_match(struct chain_ask *ask)
{
	const struct app_password *password = NULL;
	enum status status = match_name(ask, "service", ask->credentials->name, &password);
	if (status == STATUS_OK)
		status = app_password_admit_service(ask, password);
	if (status == STATUS_NOT_FOUND)
		identify_user(ask, &plan);
	else if (status != STATUS_OK)
		defer_verdict(ask, "out of memory");
}

static void on_store_known(void *context, bool is_known)
{
	if (is_known)
		begin_match(context);
	else
		defer_verdict(context, "app passwords can't be read");
}

static void ask_store(struct chain_ask *ask)
{
	struct app_password_store *store = ask->chain->parts.store;
	enum status status = store_refresh(store);
	if (status == STATUS_OK)
		begin_match(ask);
	else if (status == STATUS_AGAIN)
		store_wait(store, on_store_known, ask, &ask->store_waiter);
	else
		defer_verdict(ask, "app passwords can't be read");
}

static void begin_app_password(struct chain_ask *ask)
{
	struct secret normal SECRET_AUTO = { 0 };
	struct app_password_store *store = ask->chain->parts.store;
	enum status status = app_password_normalize(secret_reveal(&ask->credentials->password), &normal);
	if (status == STATUS_NOT_FOUND || (status == STATUS_OK && store == NULL))
		chain_pass(ask, "unknown user or wrong password");
	else if (status != STATUS_OK)
		defer_verdict(ask, "out of memory");
	else
		ask_store(ask);
}

const struct backend backend_app_password = { .name = "app_password", .begin = begin_app_password };
