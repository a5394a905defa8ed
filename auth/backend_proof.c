/*
 * The back end of SCRAM's proofs of app passwords. Before the client is challenged the directories are asked whom the
 * name means, as that person's salt goes into the challenge; whoever has none gets a false one, the same each time.
 * Then the proof is held against each of their passwords.
 *
 * A proof is no guess that counts: of 115 random bits none is guessed, and a directory password can't be proved.
 */
#include <string.h>

#include "auth/backend.h"
#include "auth/identify.h"
#include "auth/sasl/scram.h"

#define OWNERS_MAXIMUM 4   /* ids that a person's passwords may belong to */
#define TRIED_MAXIMUM 1024 /* passwords that a proof is held against */

static void answer_proof(struct chain_ask *ask, enum verdict verdict, const char *reason)
{
	chain_answer(ask, verdict, STATS_METHOD_APP_PASSWORD, reason);
}

/* ---- whose they may be */

struct owners {
	char ids[OWNERS_MAXIMUM][IDENTITY_ID_SIZE];
	size_t count;
};

static enum status add_named(struct owners *owners, const char *kind, const char *name)
{
	struct identity owner IDENTITY_AUTO;
	identity_init(&owner);
	TRY(identity_set_id(&owner, kind, span_of(name)));
	memcpy(owners->ids[owners->count++], owner.id, sizeof(owner.id));
	return STATUS_OK;
}

/* A service's; the person's; and those of their names, from before there were ids. */
static enum status find_owners(const struct chain_ask *ask, struct owners *out_owners)
{
	const struct identity *person = &ask->claims;
	const char *given = ask->credentials->name;
	*out_owners = (struct owners){ 0 };
	TRY(add_named(out_owners, "service", given));
	if (person->id[0]) {
		memcpy(out_owners->ids[out_owners->count++], person->id, sizeof(person->id));
		TRY(add_named(out_owners, "name", person->user));
	}
	return add_named(out_owners, "name", given);
}

/* ---- the salt */

static const struct app_password *find_salted(const struct chain_ask *ask, const struct owners *owners)
{
	for (size_t i = 0; i < owners->count; i++) {
		const struct app_password *password = store_first(ask->chain->parts.store, span_of(owners->ids[i]));
		for (; password; password = store_next(password))
			if (password->iterations)
				return password;
	}
	return NULL;
}

/* Of the person, so that it stays when they get their first password; or of the name. */
static enum status make_false_salt(const struct chain_ask *ask, const struct owners *owners,
				   unsigned char out_salt[APP_PASSWORD_SALT_SIZE])
{
	const char *owner = ask->claims.id[0] ? ask->claims.id : owners->ids[owners->count - 1];
	return app_password_make_salt(secret_reveal(ask->chain->parts.key), span_of(owner), out_salt);
}

static void offer_salt(struct chain_ask *ask)
{
	struct owners owners;
	unsigned char salt[APP_PASSWORD_SALT_SIZE];
	if (find_owners(ask, &owners) != STATUS_OK || make_false_salt(ask, &owners, salt) != STATUS_OK) {
		answer_proof(ask, VERDICT_UNAVAILABLE, "out of memory");
		return;
	}
	const struct app_password *password = find_salted(ask, &owners);
	ask->on_salt(ask->context, password ? password->salt : salt,
		     password ? password->iterations : APP_PASSWORD_ITERATIONS);
}

static void keep_person(struct chain_ask *ask, const struct identity *identity)
{
	if (identity == NULL || identity_copy(identity, &ask->claims) == STATUS_OK)
		offer_salt(ask);
	else
		answer_proof(ask, VERDICT_UNAVAILABLE, "out of memory");
}

/* Why they may not come in is only for whoever has one of their passwords. */
static void keep_refused(struct chain_ask *ask, const struct identity *identity, const char *reason)
{
	ask->refusal = reason;
	keep_person(ask, identity);
}

/* A service's password needs no directory. */
static void keep_stranger(struct chain_ask *ask, const char *reason)
{
	(void)reason;
	offer_salt(ask);
}

static const struct identify_plan plan = {
	.method = STATS_METHOD_APP_PASSWORD,
	.grant = keep_person,
	.refuse = keep_refused,
	.defer = keep_stranger,
};

static void begin_proof(struct chain_ask *ask)
{
	struct app_password_store *store = ask->chain->parts.store;
	if (store == NULL)
		answer_proof(ask, VERDICT_WRONG, "no app passwords here");
	else if (store_refresh(store) != STATUS_OK)
		answer_proof(ask, VERDICT_UNAVAILABLE, "app passwords can't be read");
	else
		identify_user(ask, &plan);
}

const struct backend backend_proof = { .name = "proof", .begin = begin_proof };

/* ---- the proof */

/* STATUS_NOT_FOUND: none of this owner's, as far as they were tried. */
static enum status find_owned(const struct chain_ask *ask, const char *owner, size_t *tried,
			      const struct app_password **out_password)
{
	const struct scram *scram = ask->credentials->scram;
	const struct app_password *password = store_first(ask->chain->parts.store, span_of(owner));
	for (; password && *tried < TRIED_MAXIMUM; password = store_next(password), ++*tried) {
		if (password->iterations == 0 || !scram_is_about(scram, password->salt, password->iterations))
			continue;
		enum status status = scram_prove(scram, password->stored_key);
		if (status == STATUS_OK)
			*out_password = password;
		if (status != STATUS_NOT_FOUND)
			return status;
	}
	return STATUS_NOT_FOUND;
}

static enum status find_proved(const struct chain_ask *ask, const struct owners *owners,
			       const struct app_password **out_password)
{
	size_t tried = 0;
	for (size_t i = 0; i < owners->count; i++) {
		enum status status = find_owned(ask, owners->ids[i], &tried, out_password);
		if (status != STATUS_NOT_FOUND)
			return status;
	}
	return STATUS_NOT_FOUND;
}

/* Without an id it is a password from before the directory, which is away: nobody says whose it is by now. */
static void admit_person(struct chain_ask *ask, const struct app_password *password)
{
	snprintf(ask->decision.app_password_id, sizeof(ask->decision.app_password_id), "%s", password->id);
	if (ask->refusal || ask->claims.id[0] == '\0') {
		answer_proof(ask, ask->refusal ? VERDICT_DISABLED : VERDICT_UNAVAILABLE,
			     ask->refusal ? ask->refusal : "directory away");
		return;
	}
	if (!span_equal(span_of(password->owner), span_of(ask->claims.id)))
		app_password_assign(ask, password, ask->claims.id);
	app_password_admit(ask, password, &ask->claims);
}

static void refuse_as_identified(struct chain_ask *ask)
{
	bool is_away = ask->identified == IDENTIFIED_WHILE_AWAY;
	answer_proof(ask, is_away ? VERDICT_UNAVAILABLE : VERDICT_WRONG,
		     is_away ? "directory away" : "wrong app password");
}

static void refuse_person(struct chain_ask *ask, const struct identity *identity)
{
	(void)identity;
	refuse_as_identified(ask);
}

static void refuse_refused(struct chain_ask *ask, const struct identity *identity, const char *reason)
{
	(void)identity, (void)reason;
	refuse_as_identified(ask);
}

static const struct identify_plan refusing = {
	.method = STATS_METHOD_APP_PASSWORD,
	.grant = refuse_person,
	.refuse = refuse_refused,
};

/*
 * While a directory is away a stranger is put off, as they may be somebody there, and so is everybody else: whoever a
 * directory told us of would show otherwise.
 */
static void refuse_proof(struct chain_ask *ask)
{
	if (ask->identified == IDENTIFIED_LATELY)
		identify_user_anew(ask, &refusing);
	else
		refuse_as_identified(ask);
}

static void on_looked(void *context, bool has_news)
{
	if (has_news)
		chain_judge_proof(context);
	else
		refuse_proof(context);
}

/* It may have been made just now, on another node. */
static void answer_mismatch(struct chain_ask *ask, enum status status)
{
	bool is_first = !ask->has_looked;
	ask->has_looked = true;
	if (status != STATUS_NOT_FOUND)
		answer_proof(ask, VERDICT_UNAVAILABLE, "out of memory");
	else if (!is_first || !store_look(ask->chain->parts.store, on_looked, ask, &ask->store_waiter))
		refuse_proof(ask);
}

static void judge_with(struct chain_ask *ask, const struct owners *owners)
{
	const struct app_password *password = NULL;
	enum status status = find_proved(ask, owners, &password);
	if (status != STATUS_OK) {
		answer_mismatch(ask, status);
		return;
	}
	memcpy(ask->decision.server_key, password->server_key, sizeof(ask->decision.server_key));
	if (!span_equal(span_of(password->owner), span_of(owners->ids[0])))
		admit_person(ask, password);
	else if (app_password_admit_service(ask, password) != STATUS_OK)
		answer_proof(ask, VERDICT_UNAVAILABLE, "out of memory");
}

void chain_judge_proof(struct chain_ask *ask)
{
	struct owners owners;
	if (store_refresh(ask->chain->parts.store) != STATUS_OK)
		answer_proof(ask, VERDICT_UNAVAILABLE, "app passwords can't be read");
	else if (find_owners(ask, &owners) != STATUS_OK)
		answer_proof(ask, VERDICT_UNAVAILABLE, "out of memory");
	else
		judge_with(ask, &owners);
}
