/* Searches: who is meant, and which passwords are theirs. */
#include "auth/control/search.h"

#include <stdlib.h>
#include <string.h>

#include "auth/control/app_password.h"
#include "auth/drain.h"

bool app_password_can_use_store(const struct control_call *call)
{
	if (call->auth->store && store_refresh(call->auth->store) == STATUS_OK)
		return true;
	auth_control_refuse(call, call->auth->store ? "the app passwords can't be read"
						    : "this configuration has no app passwords");
	return false;
}

const char *app_password_store_fault(enum status status)
{
	if (status == STATUS_TIMEOUT)
		return "the store does not answer; whether it was done is not known";
	if (status == STATUS_UNAVAILABLE)
		return "no change is taken now: Redis is away, or too many changes wait";
	if (status == STATUS_NOT_FOUND)
		return "the file of app passwords was replaced just now; try again";
	if (status == STATUS_TOO_LARGE)
		return "the file of app passwords is full";
	return "the file of app passwords can't be written";
}

/* ---- life */

static void free_search(struct app_password_search *search)
{
	*search->at = search->next;
	if (search->next)
		search->next->at = search->at;
	lookup_end(&search->lookup);
	json_decref(search->answer);
	free(search);
}

void app_password_search_free(struct app_password_search *search)
{
	struct auth *auth = search->call.auth;
	free_search(search);
	auth_check_drained(auth);
}

void app_password_drop_searches(struct auth *auth)
{
	while (auth->searches)
		free_search(auth->searches);
}

/* ---- whose */

static bool has_owner(const struct app_password *password, const char *kind, const char *name)
{
	struct identity owner;
	return identity_set_id(&owner, kind, span_of(name)) == STATUS_OK &&
	       span_equal(span_of(password->owner), span_of(owner.id));
}

/* A directory that knows the name says whose it is; else who it was made for does. */
bool app_password_search_is_theirs(const struct app_password_search *search, const struct app_password *password)
{
	if (span_equal(span_of(password->owner), span_of(search->owner)))
		return true;
	if (!span_equal(span_of(app_password_text(password, APP_PASSWORD_USER)), span_of(search->user)))
		return false;
	return !search->is_entry || has_owner(password, "name", search->user) ||
	       has_owner(password, "service", search->user);
}

static void run_search(struct app_password_search *search)
{
	if (!search->run(search))
		app_password_search_free(search);
}

static void on_looked_up(void *context, enum lookup_result result, const struct identity *identity)
{
	struct app_password_search *search = context;
	search->is_entry = result == LOOKUP_ENTRY;
	snprintf(search->owner, sizeof(search->owner), "%s", identity->id);
	run_search(search);
}

struct app_password_search *app_password_search_make(const struct control_call *call, const char *user,
						     bool (*run)(struct app_password_search *search))
{
	char name[NAME_SIZE] = "";
	if (!app_password_can_use_store(call))
		return NULL;
	if (user && name_canonical(span_of(user), name) != STATUS_OK) {
		auth_control_refuse(call, "user must be a name of 1 to 255 bytes without control characters");
		return NULL;
	}
	struct app_password_search *search = calloc(1, sizeof(*search));
	if (search == NULL) {
		auth_control_refuse(call, "out of memory");
		return NULL;
	}
	search->call = *call;
	search->run = run;
	memcpy(search->user, name, sizeof(name));
	search->next = call->auth->searches;
	search->at = &call->auth->searches;
	if (search->next)
		search->next->at = &search->next;
	call->auth->searches = search;
	return search;
}

void app_password_search_begin(struct app_password_search *search)
{
	if (search->user[0])
		lookup_begin(&search->call.auth->chain.parts, search->user, on_looked_up, search, &search->lookup);
	else
		run_search(search);
}
