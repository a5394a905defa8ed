/* One question to the directories for each session that is looked at. Owns those under way. */
#include "auth/recheck.h"

#include <stdlib.h>

#include "auth/endings.h"
#include "auth/lookup.h"
#include "base/clock.h"
#include "base/log.h"

/* Invariant: in auth's list until it is answered. */
struct recheck {
	struct recheck *next, **at;
	struct auth *auth;
	struct lookup lookup;
	bool is_persons; /* of the console's; else a session of the relay's */
	uint32_t gate;
	uint64_t session, rights; /* of a person's, the number of admin's request */
	char user_id[IDENTITY_ID_SIZE];
};

/* ---- answers */

static void send_answer(const struct auth *auth, uint32_t gate, uint64_t session, enum recheck_verdict verdict,
			const char *reason)
{
	const struct door_rechecked message = {
		.gate = gate, .session = session, .verdict = (uint8_t)verdict, .reason = span_of(reason)
	};
	if (auth->relay && door_send_rechecked(auth->relay, &message) != STATUS_OK)
		log_warning("the relay does not take what becomes of a session");
}

static void send_checked(const struct auth *auth, uint64_t request, enum recheck_verdict verdict, const char *reason)
{
	const struct door_person_checked message = {
		.request = request,
		.verdict = (uint8_t)verdict,
		.reason = span_of(reason),
	};
	if (auth->admin && door_send_person_checked(auth->admin, &message) != STATUS_OK)
		log_warning("admin does not take what becomes of a session");
}

static void free_recheck(struct recheck *recheck)
{
	*recheck->at = recheck->next;
	if (recheck->next)
		recheck->next->at = recheck->at;
	lookup_end(&recheck->lookup);
	free(recheck);
}

static void answer_recheck(struct recheck *recheck, enum recheck_verdict verdict, const char *reason)
{
	if (recheck->is_persons)
		send_checked(recheck->auth, recheck->session, verdict, reason);
	else
		send_answer(recheck->auth, recheck->gate, recheck->session, verdict, reason);
	free_recheck(recheck);
}

/* What is remembered is outdated: it must not let them in again. */
static void end_session(struct recheck *recheck, const char *reason)
{
	endings_forget(recheck->auth, span_of(recheck->user_id));
	answer_recheck(recheck, RECHECK_ENDED, reason);
}

/* ---- the directory's word */

static void on_looked_up(void *context, enum lookup_result result, const struct identity *identity)
{
	struct recheck *recheck = context;
	if (result == LOOKUP_AWAY)
		answer_recheck(recheck, RECHECK_UNKNOWN, "");
	else if (result == LOOKUP_NO_ENTRY)
		end_session(recheck, "not in the directory");
	else if (!span_equal(span_of(identity->id), span_of(recheck->user_id)))
		end_session(recheck, "the name is somebody else's now");
	else if (recheck->lookup.refusal[0])
		end_session(recheck, recheck->lookup.refusal);
	else if (identity_rights(recheck->auth->role->config, identity) != recheck->rights)
		end_session(recheck, "rights changed");
	else
		answer_recheck(recheck, RECHECK_HOLDS, "");
}

/* ---- what is known here */

/* NULL: there is none. */
static const struct app_password *find_app_password(const struct auth *auth, struct span id)
{
	return auth->store ? store_find(auth->store, id) : NULL;
}

/* Why a session of this app password may not go on; NULL: it may, or was not begun with one. */
static const char *refuse_app_password(const struct auth *auth, struct span id)
{
	if (span_is_empty(id))
		return NULL;
	const struct app_password *password = find_app_password(auth, id);
	if (password == NULL || password->is_revoked)
		return "app password revoked";
	if (password->expires_s && clock_wall_us() / 1000000 >= password->expires_s)
		return "app password expired";
	return NULL;
}

static bool is_of_directory(const struct auth *auth, struct span user_id)
{
	const struct config *config = auth->role->config;
	for (size_t i = 0; i < config->ldap.count; i++) {
		struct span name = span_of(config->ldap.items[i].name);
		if (span_starts_with(user_id, name) && user_id.size > name.size &&
		    (user_id.data[name.size] == ':' || user_id.data[name.size] == '#'))
			return true;
	}
	return false;
}

static enum status ask_directories(struct auth *auth, const struct door_recheck *message, bool is_persons)
{
	char login[NAME_SIZE];
	struct recheck *recheck = calloc(1, sizeof(*recheck));
	if (recheck == NULL)
		return STATUS_NO_MEMORY;
	recheck->auth = auth;
	recheck->is_persons = is_persons;
	recheck->gate = message->gate;
	recheck->session = message->session;
	recheck->rights = message->rights;
	snprintf(recheck->user_id, sizeof(recheck->user_id), "%.*s", SPAN_ARGS(message->user_id));
	snprintf(login, sizeof(login), "%.*s", SPAN_ARGS(message->login));
	recheck->next = auth->rechecks;
	recheck->at = &auth->rechecks;
	if (recheck->next)
		recheck->next->at = &recheck->next;
	auth->rechecks = recheck;
	lookup_begin(&auth->chain.parts, login, on_looked_up, recheck, &recheck->lookup);
	return STATUS_OK;
}

/* What is known here: NULL where nothing keeps them out. */
static const char *refuse_session(const struct auth *auth, const struct door_recheck *message)
{
	if (locks_hold(auth->locks, message->user_id, message->login))
		return "user locked";
	return refuse_app_password(auth, message->app_password_id);
}

void recheck_begin(struct auth *auth, const struct door_recheck *message)
{
	const char *refusal = refuse_session(auth, message);
	if (refusal)
		send_answer(auth, message->gate, message->session, RECHECK_ENDED, refusal);
	else if (!is_of_directory(auth, message->user_id))
		send_answer(auth, message->gate, message->session, RECHECK_HOLDS, "");
	else if (ask_directories(auth, message, false) != STATUS_OK)
		send_answer(auth, message->gate, message->session, RECHECK_UNKNOWN, "");
}

/* A session of mail has one address for life; a browser's cookie may turn up anywhere. */
static const char *refuse_address(const struct auth *auth, const struct door_person_asked *message)
{
	const struct app_password *password = find_app_password(auth, message->app_password_id);
	return password && !app_password_is_from(password, message->address)
		       ? "app password not allowed from this address"
		       : NULL;
}

void recheck_begin_person(struct auth *auth, const struct door_person_asked *message)
{
	const struct door_recheck as_session = {
		.session = message->request,
		.user_id = message->user_id,
		.login = message->login,
		.rights = message->rights,
		.app_password_id = message->app_password_id,
	};
	const char *refusal = refuse_session(auth, &as_session);
	if (refusal == NULL)
		refusal = refuse_address(auth, message);
	if (refusal)
		send_checked(auth, message->request, RECHECK_ENDED, refusal);
	else if (!message->asks_directory || !is_of_directory(auth, message->user_id))
		send_checked(auth, message->request, RECHECK_HOLDS, "");
	else if (ask_directories(auth, &as_session, true) != STATUS_OK)
		send_checked(auth, message->request, RECHECK_UNKNOWN, "");
}

static void drop_rechecks(struct auth *auth, bool is_persons)
{
	struct recheck *next = NULL;
	for (struct recheck *recheck = auth->rechecks; recheck; recheck = next) {
		next = recheck->next;
		if (recheck->is_persons == is_persons)
			free_recheck(recheck);
	}
}

void recheck_drop_relays(struct auth *auth)
{
	drop_rechecks(auth, false);
}

void recheck_drop_people(struct auth *auth)
{
	drop_rechecks(auth, true);
}

void recheck_drop_all(struct auth *auth)
{
	while (auth->rechecks)
		free_recheck(auth->rechecks);
}
