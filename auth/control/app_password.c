/*
 * "app-password create" and "rotate". A password is made in steps, none of which the loop waits for: the directories
 * say whose it will be, a thread hashes it, and the store makes it last; only then is it shown. It is in the answer to
 * its creation and nowhere else.
 */
#include "auth/control/app_password.h"

#include <stdlib.h>
#include <string.h>

#include "auth/control/control.h"
#include "auth/drain.h"
#include "auth/lookup.h"
#include "base/clock.h"
#include "base/log.h"

#define HASH_TIMEOUT_MS 30000

/* Invariant: in auth's list until it is freed, so that none is left when the role stops in the middle of one. */
struct making {
	struct making *next, **at;
	struct control_call call;
	struct lookup lookup;
	struct app_password_request request;
	char owner[IDENTITY_ID_SIZE];
	struct secret shown;
};

/* The part that takes milliseconds; it owns what the thread touches. */
struct hashing {
	struct job job; /* first */
	struct secret normal;
	struct app_password_hash hash;
	enum status status;
};

static void free_making(struct making *making)
{
	*making->at = making->next;
	if (making->next)
		making->next->at = making->at;
	lookup_end(&making->lookup);
	secret_wipe(&making->shown);
	free(making);
}

/* Frees it; the role may have waited for it. */
static void finish_making(struct making *making)
{
	struct auth *auth = making->call.auth;
	free_making(making);
	auth_check_drained(auth);
}

static void refuse_making(struct making *making, const char *error)
{
	auth_control_refuse(&making->call, error);
	finish_making(making);
}

void app_password_drop_makings(struct auth *auth)
{
	while (auth->makings)
		free_making(auth->makings);
}

/* ---- kept */

static void on_kept(void *context, enum status status)
{
	struct making *making = context;
	const struct app_password_request *request = &making->request;
	if (status == STATUS_OK && store_find(making->call.auth->store, span_of(request->id)) == NULL)
		status = STATUS_NOT_FOUND; /* it was not read back */
	if (status != STATUS_OK) {
		log_error("app passwords: one can't be kept: %s", status_text(status));
		refuse_making(making, app_password_store_fault(status));
		return;
	}
	auth_control_answer_secret(
		&making->call,
		json_pack("{ss ss ss}", "id", request->id, "user", request->user, "label", request->label), "password",
		&making->shown);
	finish_making(making);
}

/* The new one, and with it the end of the one that it takes the place of. */
static enum status write_lines(const struct making *making, const struct app_password_hash *hash, struct buf *lines)
{
	const struct app_password_request *request = &making->request;
	struct app_password_change change = app_password_request_change(request);
	change.owner = span_of(making->owner);
	change.hash = *hash;
	TRY(change_format(&change, lines));
	if (request->rotated[0] == '\0')
		return STATUS_OK;
	change = (struct app_password_change){ .operation = CHANGE_EXPIRE, .expires_s = request->overlap_s };
	memcpy(change.id, request->rotated, sizeof(change.id));
	return change_format(&change, lines);
}

static void keep_password(struct making *making, const struct app_password_hash *hash)
{
	struct buf lines BUF_AUTO;
	buf_init_sensitive(&lines, (size_t)2 * CHANGE_LINE_MAXIMUM);
	enum status status = write_lines(making, hash, &lines);
	if (status == STATUS_OK)
		status = store_submit(making->call.auth->store, buf_span(&lines), on_kept, making);
	if (status != STATUS_OK)
		refuse_making(making, app_password_store_fault(status));
}

/* ---- hashed */

static void run_hashing(struct job *job, void *local)
{
	struct hashing *hashing = (struct hashing *)job;
	(void)local;
	hashing->status = app_password_make_hash(&hashing->normal, &hashing->hash);
}

static void destroy_hashing(struct job *job)
{
	struct hashing *hashing = (struct hashing *)job;
	secret_wipe(&hashing->normal);
	free(hashing);
}

static void on_hashed(void *context, struct job *job, enum status status)
{
	struct making *making = context;
	const struct hashing *hashing = (const struct hashing *)job;
	if (status == STATUS_OK && hashing->status == STATUS_OK)
		keep_password(making, &hashing->hash);
	else
		refuse_making(making, "no app password could be made");
}

/* One salt for all of an owner's. */
static enum status choose_salt(const struct making *making, unsigned char out_salt[APP_PASSWORD_SALT_SIZE])
{
	const struct auth *auth = making->call.auth;
	const struct app_password *other = store_first(auth->store, span_of(making->owner));
	for (; other; other = store_next(other)) {
		if (other->iterations == 0)
			continue;
		memcpy(out_salt, other->salt, APP_PASSWORD_SALT_SIZE);
		return STATUS_OK;
	}
	return app_password_make_salt(secret_reveal(&auth->key), span_of(making->owner), out_salt);
}

static enum status make_id(const struct app_password_store *store, char id[APP_PASSWORD_ID_SIZE])
{
	do
		TRY(app_password_make_id(id));
	while (store_find(store, span_of(id)));
	return STATUS_OK;
}

static enum status fill_hashing(struct making *making, struct hashing *hashing)
{
	TRY(make_id(making->call.auth->store, making->request.id));
	TRY(choose_salt(making, hashing->hash.salt));
	TRY(app_password_generate(&hashing->normal));
	return app_password_show(&hashing->normal, &making->shown);
}

static void hash_password(struct making *making)
{
	struct hashing *hashing = calloc(1, sizeof(*hashing));
	enum status status = hashing ? fill_hashing(making, hashing) : STATUS_NO_MEMORY;
	if (status == STATUS_OK) {
		hashing->job = (struct job){
			.run = run_hashing, .destroy = destroy_hashing, .on_done = on_hashed, .context = making
		};
		status = jobs_submit(store_jobs(making->call.auth->store), &hashing->job, HASH_TIMEOUT_MS);
	}
	if (status == STATUS_OK)
		return;
	if (hashing)
		destroy_hashing(&hashing->job);
	refuse_making(making, "no app password could be made now");
}

/* ---- whose it will be */

/* NULL: it can be theirs. */
static const char *choose_owner(struct making *making, enum lookup_result result, const struct identity *identity)
{
	const struct auth *auth = making->call.auth;
	bool required = auth->directory_count > 0 && auth->role->config->app_password.require_directory_entry;
	struct identity service;
	if (result == LOOKUP_AWAY)
		return "the directory can't be asked now, so nobody knows whose it would be";
	if (making->request.is_service) {
		if (result == LOOKUP_ENTRY)
			return "somebody in the directory has this name; a service needs one of its own";
		if (identity_set_id(&service, "service", span_of(making->request.user)) != STATUS_OK)
			return "out of memory";
		snprintf(making->owner, sizeof(making->owner), "%s", service.id);
		return NULL;
	}
	if (result == LOOKUP_NO_ENTRY && required)
		return "no such user in the directory; --service makes one for a printer or a program";
	snprintf(making->owner, sizeof(making->owner), "%s", identity->id);
	snprintf(making->request.user, sizeof(making->request.user), "%s", identity->user);
	return NULL;
}

static void on_looked_up(void *context, enum lookup_result result, const struct identity *identity)
{
	struct making *making = context;
	const char *fault = choose_owner(making, result, identity);
	if (fault)
		refuse_making(making, fault);
	else
		hash_password(making);
}

/* Answered if it fails. */
static struct making *begin_making(const struct control_call *call, const struct app_password_request *request)
{
	struct making *making = calloc(1, sizeof(*making));
	if (making == NULL) {
		auth_control_refuse(call, "out of memory");
		return NULL;
	}
	making->call = *call;
	making->request = *request;
	making->request.created_s = clock_wall_us() / 1000000;
	making->next = call->auth->makings;
	making->at = &call->auth->makings;
	if (making->next)
		making->next->at = &making->next;
	call->auth->makings = making;
	return making;
}

void auth_control_create_app_password(const struct control_call *call, const json_t *arguments)
{
	struct app_password_request request = { 0 };
	if (!app_password_can_use_store(call))
		return;
	const char *fault = app_password_request_read(arguments, &request);
	if (fault) {
		auth_control_refuse(call, fault);
		return;
	}
	struct making *making = begin_making(call, &request);
	if (making)
		lookup_begin(&call->auth->chain.parts, request.user, on_looked_up, making, &making->lookup);
}

/* ---- rotate */

/* It may do what the old one may, and lives as long as that one was meant to. */
static struct app_password_request request_like(const struct app_password *old, uint64_t overlap_s)
{
	struct app_password_request request = {
		.messages_per_day = old->messages_per_day,
		.is_console = old->is_console,
		.overlap_s = old->expires_s && old->expires_s < overlap_s ? old->expires_s : overlap_s,
	};
	app_password_request_copy(old, &request);
	memcpy(request.rotated, old->id, sizeof(request.rotated));
	if (old->expires_s > old->created_s)
		request.expires_s = clock_wall_us() / 1000000 + (old->expires_s - old->created_s);
	return request;
}

void app_password_rotate(const struct control_call *call, const struct app_password *password, uint64_t overlap_s)
{
	const struct app_password_request request = request_like(password, overlap_s);
	struct making *making = begin_making(call, &request);
	if (making == NULL)
		return;
	snprintf(making->owner, sizeof(making->owner), "%s", password->owner);
	hash_password(making);
}
