/* "app-password revoke" and "rotate": one of somebody's is changed, and the answer comes when the change lasts. */
#include <string.h>

#include "auth/control/app_password.h"
#include "auth/control/control.h"
#include "auth/control/search.h"
#include "base/clock.h"
#include "base/log.h"

/* NULL, and answered: it is none of theirs. */
static const struct app_password *find_theirs(const struct app_password_search *search)
{
	const struct app_password *password = store_find(search->call.auth->store, span_of(search->id));
	if (password && !password->is_revoked && app_password_search_is_theirs(search, password))
		return password;
	auth_control_refuse(&search->call, "no such app password");
	return NULL;
}

static void begin_one(const struct control_call *call, const json_t *arguments, uint64_t until_s,
		      bool (*run)(struct app_password_search *search))
{
	const char *user = auth_control_text(arguments, "user"), *id = auth_control_text(arguments, "id");
	struct app_password_search *search = app_password_search_make(call, user ? user : "", run);
	if (search == NULL)
		return;
	if (id && strlen(id) < sizeof(search->id))
		memcpy(search->id, id, strlen(id));
	search->until_s = until_s;
	app_password_search_begin(search);
}

/* ---- revoke */

static void on_revoked(void *context, enum status status)
{
	struct app_password_search *search = context;
	if (status == STATUS_OK) {
		auth_control_answer(&search->call, json_object());
	} else {
		log_error("app passwords: a revocation can't be kept: %s", status_text(status));
		auth_control_refuse(&search->call, app_password_store_fault(status));
	}
	app_password_search_free(search);
}

static enum status submit_revocation(struct app_password_search *search, const struct app_password *password)
{
	struct app_password_change change = { .operation = CHANGE_REVOKE };
	struct buf line BUF_AUTO;
	buf_init(&line, CHANGE_LINE_MAXIMUM);
	memcpy(change.id, password->id, sizeof(change.id));
	TRY(change_format(&change, &line));
	return store_submit(search->call.auth->store, buf_span(&line), on_revoked, search);
}

static bool revoke_found(struct app_password_search *search)
{
	const struct app_password *password = find_theirs(search);
	if (password == NULL)
		return false;
	enum status status = submit_revocation(search, password);
	if (status == STATUS_OK)
		return true;
	auth_control_refuse(&search->call, app_password_store_fault(status));
	return false;
}

void auth_control_revoke_app_password(const struct control_call *call, const json_t *arguments)
{
	begin_one(call, arguments, 0, revoke_found);
}

/* ---- rotate */

static bool rotate_found(struct app_password_search *search)
{
	const struct app_password *password = find_theirs(search);
	if (password)
		app_password_rotate(&search->call, password, search->until_s);
	return false;
}

void auth_control_rotate_app_password(const struct control_call *call, const json_t *arguments)
{
	json_int_t overlap_s = json_integer_value(json_object_get(arguments, "overlap"));
	begin_one(call, arguments, overlap_s > 0 ? (uint64_t)overlap_s : clock_wall_us() / 1000000, rotate_found);
}
