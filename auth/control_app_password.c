/*
 * "app-password create", "list" and "revoke". A change is answered when it is
 * on disk; the disk is waited for by a job's thread. The password is in the
 * answer to its creation and nowhere else.
 */
#include <stdlib.h>
#include <time.h>

#include "auth/control.h"
#include "auth/drain.h"
#include "base/ascii.h"
#include "base/clock.h"
#include "base/log.h"

#define DISK_TIMEOUT_MS 30000 /* then the disk is broken, and nobody knows whether the change is on it */

/* A change on its way to the disk. */
struct change {
	struct job job; /* first */
	const struct app_password_store *store;
	struct buf line;
	enum status status; /* of the append */
	struct control_call call;
	struct secret shown; /* a new one's password; empty for a revocation */
	struct app_password_record record;
};

static uint64_t now_s(void)
{
	return clock_wall_us() / 1000000;
}

/* ---- the change */

static void write_change(struct job *job, void *local)
{
	struct change *change = (struct change *)job;
	(void)local;
	change->status = store_append(change->store, buf_span(&change->line));
}

static void destroy_change(struct job *job)
{
	struct change *change = (struct change *)job;
	buf_free(&change->line);
	secret_wipe(&change->shown);
	free(change);
}

static void answer_change(const struct change *change)
{
	const struct app_password_record *record = &change->record;
	if (secret_is_empty(&change->shown))
		auth_control_answer(&change->call, json_object());
	else
		auth_control_answer_secret(
			&change->call,
			json_pack("{ss ss ss}", "id", record->id, "user", record->user, "label", record->label),
			"password", &change->shown);
}

static void on_written(void *context, struct job *job, enum status status)
{
	struct auth *auth = context;
	const struct change *change = (const struct change *)job;
	auth->changes--;
	if (status != STATUS_OK) {
		log_error("app passwords: the disk does not answer");
		auth_control_refuse(&change->call, "the disk does not answer; whether it was done is not known");
	} else if (change->status != STATUS_OK) {
		log_error("app passwords: the file can't be written: %s", status_text(change->status));
		auth_control_refuse(&change->call, "the file of app passwords can't be written");
	} else {
		answer_change(change);
	}
	auth_check_drained(auth);
}

static enum status make_change(const struct control_call *call, struct change **out_change)
{
	struct change *change = calloc(1, sizeof(*change));
	if (change == NULL)
		return STATUS_NO_MEMORY;
	change->job = (struct job){
		.run = write_change,
		.destroy = destroy_change,
		.on_done = on_written,
		.context = call->auth,
	};
	change->store = call->auth->store;
	change->call = *call;
	buf_init_sensitive(&change->line, STORE_LINE_MAXIMUM);
	*out_change = change;
	return STATUS_OK;
}

static void drop_change(struct change *change)
{
	destroy_change(&change->job);
}

static void submit_change(struct change *change)
{
	struct control_call call = change->call;
	if (jobs_submit(call.auth->disk, &change->job, DISK_TIMEOUT_MS) == STATUS_OK) {
		call.auth->changes++;
		return;
	}
	drop_change(change);
	auth_control_refuse(&call, "too many changes wait for the disk");
}

/* ---- create */

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (ascii_is_control(*text))
			return false;
	return true;
}

static const char *read_restrictions(const json_t *arguments, struct app_password_record *record)
{
	const json_t *expires = json_object_get(arguments, "expires");
	const char *from = auth_control_text(arguments, "from");
	if (expires && !json_is_null(expires)) {
		if (!json_is_integer(expires) || json_integer_value(expires) <= (json_int_t)now_s())
			return "expires must be a time to come, in seconds since 1970";
		record->expires_s = (uint64_t)json_integer_value(expires);
	}
	if (from) {
		struct span text = span_of(from);
		if (text.size >= sizeof(record->from_text) || network_parse(text, &record->from) != STATUS_OK)
			return "from must be a network, such as 192.0.2.0/24 or 2001:db8::/32";
		snprintf(record->from_text, sizeof(record->from_text), "%s", from);
	}
	return NULL;
}

/* What is wrong with the request, or NULL. */
static const char *read_request(const json_t *arguments, struct app_password_record *record)
{
	const char *label = auth_control_text(arguments, "label");
	if (name_canonical(span_of(auth_control_text(arguments, "user")), record->user) != STATUS_OK)
		return "user must be a name of 1 to 255 bytes without control characters";
	if (label && (span_of(label).size > STORE_LABEL_MAXIMUM || !is_printable(label)))
		return "label must have at most 100 bytes and no control characters";
	snprintf(record->label, sizeof(record->label), "%s", label ? label : "");
	record->created_s = now_s();
	return read_restrictions(arguments, record);
}

static enum status make_id(struct app_password_store *store, struct app_password_record *record)
{
	do
		TRY(app_password_make_id(record->id));
	while (store_find(store, record->id));
	return STATUS_OK;
}

static enum status fill_change(struct change *change, struct app_password_store *store)
{
	struct secret normal SECRET_AUTO = { 0 };
	TRY(make_id(store, &change->record));
	TRY(app_password_generate(&normal));
	TRY(app_password_show(&normal, &change->shown));
	TRY(app_password_make_hash(&normal, &change->record.hash));
	return store_format_create(&change->record, &change->line);
}

/* False, and answered: there is nothing to work with. */
static bool can_use_store(const struct control_call *call)
{
	if (call->auth->store && store_refresh(call->auth->store) == STATUS_OK)
		return true;
	auth_control_refuse(call, call->auth->store ? "the file of app passwords can't be read"
						    : "this configuration has no app passwords");
	return false;
}

void auth_control_create_app_password(const struct control_call *call, const json_t *arguments)
{
	struct app_password_record record = { 0 };
	struct change *change = NULL;
	if (!can_use_store(call))
		return;
	const char *fault = read_request(arguments, &record);
	if (fault) {
		auth_control_refuse(call, fault);
		return;
	}
	if (make_change(call, &change) != STATUS_OK) {
		auth_control_refuse(call, "out of memory");
		return;
	}
	change->record = record;
	if (fill_change(change, call->auth->store) == STATUS_OK) {
		submit_change(change);
	} else {
		drop_change(change);
		auth_control_refuse(call, "no app password could be made");
	}
}

/* ---- revoke */

void auth_control_revoke_app_password(const struct control_call *call, const json_t *arguments)
{
	const char *id = auth_control_text(arguments, "id");
	char user[NAME_SIZE];
	struct change *change = NULL;
	if (!can_use_store(call))
		return;
	const struct app_password_record *record = id ? store_find(call->auth->store, id) : NULL;
	if (record == NULL || name_canonical(span_of(auth_control_text(arguments, "user")), user) != STATUS_OK ||
	    !span_equal(span_of(user), span_of(record->user))) {
		auth_control_refuse(call, "no such app password");
		return;
	}
	if (make_change(call, &change) != STATUS_OK) {
		auth_control_refuse(call, "out of memory");
		return;
	}
	if (store_format_revoke(record->id, &change->line) == STATUS_OK) {
		submit_change(change);
	} else {
		drop_change(change);
		auth_control_refuse(call, "out of memory");
	}
}

/* ---- list */

static json_t *seconds_or_null(uint64_t seconds)
{
	return seconds ? json_integer((json_int_t)seconds) : json_null();
}

struct listing {
	json_t *rows;
	bool truncated;
};

static void add_row(void *context, const struct app_password_record *record)
{
	struct listing *listing = context;
	json_t *rows = listing->rows;
	json_t *from = record->from_text[0] ? json_string(record->from_text) : json_null();
	listing->truncated = json_array_size(rows) >= CONTROL_ROWS_MAXIMUM;
	if (!listing->truncated)
		json_array_append_new(rows, json_pack("{ss ss ss sI so sO so}", "id", record->id, "user", record->user,
						      "label", record->label, "created", (json_int_t)record->created_s,
						      "expires", seconds_or_null(record->expires_s), "from", from,
						      "last_used", seconds_or_null(record->last_used_s)));
	json_decref(from);
}

void auth_control_list_app_passwords(const struct control_call *call, const json_t *arguments)
{
	const char *given = auth_control_text(arguments, "user");
	char user[NAME_SIZE] = "";
	if (!can_use_store(call))
		return;
	if (given && name_canonical(span_of(given), user) != STATUS_OK) {
		auth_control_refuse(call, "user must be a name of 1 to 255 bytes without control characters");
		return;
	}
	struct listing listing = { .rows = json_array() };
	store_list(call->auth->store, given ? user : NULL, add_row, &listing);
	auth_control_answer(call, json_pack("{so sb}", "app_passwords", listing.rows, "truncated", listing.truncated));
}
