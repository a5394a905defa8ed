/*
 * "app-password list" and "expiring". Lists come in pages, as does the looking: one answer looks at so many passwords
 * that the loop is not held up.
 */
#include <string.h>

#include "auth/control/control.h"
#include "auth/control/search.h"
#include "auth/uses.h"
#include "base/clock.h"

#define ROWS_MAXIMUM USES_ASKED_MAXIMUM /* of a page: with all their lists they fit into a frame */
#define LOOKED_AT_MAXIMUM 20000         /* passwords, for a page: 2 ms */
#define PAGE_BYTES (256U << 10)         /* of texts in a page */

static json_t *seconds_or_null(uint64_t seconds)
{
	return seconds ? json_integer((json_int_t)seconds) : json_null();
}

/* As the command line takes it; null where there is none. */
static json_t *list_or_null(const struct app_password *password, enum app_password_text which)
{
	char list[CHANGE_LIST_MAXIMUM + 1];
	snprintf(list, sizeof(list), "%s", app_password_text(password, which));
	for (char *c = list; *c; c++)
		if (*c == '\n')
			*c = ',';
	return list[0] ? json_string(list) : json_null();
}

/* Takes `value` over. False: memory ran out. */
static bool set_value(json_t *row, const char *name, json_t *value)
{
	return json_object_set_new(row, name, value) == 0;
}

static json_t *make_row(const struct app_password *password)
{
	json_t *row = json_object();
	bool whole = set_value(row, "id", json_string(password->id)) &&
		     set_value(row, "user", json_string(app_password_text(password, APP_PASSWORD_USER))) &&
		     set_value(row, "label", json_string(app_password_text(password, APP_PASSWORD_LABEL))) &&
		     set_value(row, "created", json_integer(password->created_s)) &&
		     set_value(row, "expires", seconds_or_null(password->expires_s)) &&
		     set_value(row, "from", list_or_null(password, APP_PASSWORD_FROM)) &&
		     set_value(row, "senders", list_or_null(password, APP_PASSWORD_SENDERS)) &&
		     set_value(row, "recipients", list_or_null(password, APP_PASSWORD_RECIPIENTS)) &&
		     set_value(row, "messages_per_day", seconds_or_null(password->messages_per_day)) &&
		     set_value(row, "console", json_boolean(password->is_console)) &&
		     set_value(row, "owner", list_or_null(password, APP_PASSWORD_RESPONSIBLE));
	if (whole)
		return row;
	json_decref(row);
	return NULL;
}

static bool is_wanted(const struct app_password_search *search, const struct app_password *password)
{
	uint64_t now_s = clock_wall_us() / 1000000;
	if (password->is_revoked || (search->user[0] && !app_password_search_is_theirs(search, password)))
		return false;
	return search->until_s == 0 || (password->expires_s > now_s && password->expires_s <= search->until_s);
}

/* Rows of those that are wanted, from search->after on, and where the next page begins. False: memory ran out. */
static bool fill_page(const struct app_password_search *search, json_t *rows, size_t *out_next)
{
	const struct app_password_store *store = search->call.auth->store;
	size_t number = search->after, end = number + LOOKED_AT_MAXIMUM, bytes = 0;
	for (; number < store_count(store) && number < end; number++) {
		const struct app_password *password = store_at(store, number);
		if (json_array_size(rows) == ROWS_MAXIMUM || bytes >= PAGE_BYTES)
			break;
		if (!is_wanted(search, password))
			continue;
		if (json_array_append_new(rows, make_row(password)) != 0)
			return false;
		for (unsigned i = 0; i < APP_PASSWORD_TEXTS; i++)
			bytes += strlen(app_password_text(password, i));
	}
	*out_next = number;
	return true;
}

/* NULL: memory ran out. A list that lacks somebody would be taken for a whole one. */
static json_t *make_page(const struct app_password_search *search)
{
	json_t *rows = json_array();
	size_t next = 0;
	char text[24];
	bool whole = fill_page(search, rows, &next);
	json_t *page = json_pack("{so}", "app_passwords", rows);
	snprintf(text, sizeof(text), "%zu", next);
	if (whole && next < store_count(search->call.auth->store))
		whole = set_value(page, "next", json_string(text));
	if (whole)
		return page;
	json_decref(page);
	return NULL;
}

static void add_uses(void *context, const struct use *uses)
{
	struct app_password_search *search = context;
	bool whole = true;
	size_t index;
	json_t *row;
	json_array_foreach(json_object_get(search->answer, "app_passwords"), index, row)
	{
		const char *address = uses[index].address;
		whole &= set_value(row, "last_used", seconds_or_null(uses[index].last_s)) &&
			 set_value(row, "last_from", address[0] ? json_string(address) : json_null());
	}
	auth_control_answer(&search->call, whole ? json_incref(search->answer) : NULL);
	app_password_search_free(search);
}

static bool answer_page(struct app_password_search *search)
{
	char ids[ROWS_MAXIMUM][APP_PASSWORD_ID_SIZE];
	size_t index;
	json_t *row;
	search->answer = make_page(search);
	json_t *rows = json_object_get(search->answer, "app_passwords");
	json_array_foreach(rows, index, row)
	{
		const char *id = json_string_value(json_object_get(row, "id"));
		snprintf(ids[index], sizeof(ids[index]), "%s", id ? id : "");
	}
	static const struct use unknown[ROWS_MAXIMUM];
	if (json_array_size(rows) == 0 ||
	    uses_recall(search->call.auth->uses, ids, json_array_size(rows), add_uses, search) != STATUS_OK)
		add_uses(search, unknown);
	return true;
}

/* False, and answered: it is no place that a page ended at. */
static bool read_after(const struct control_call *call, const json_t *arguments, size_t *out_after)
{
	const char *text = auth_control_text(arguments, "after");
	uint64_t after = 0;
	if (text && (span_to_u64(span_of(text), &after) != STATUS_OK || after > SIZE_MAX / 2)) {
		auth_control_refuse(call, "after must be what an answer gave as \"next\"");
		return false;
	}
	*out_after = (size_t)after;
	return true;
}

static void begin_list(const struct control_call *call, const json_t *arguments, const char *user, uint64_t until_s)
{
	size_t after = 0;
	if (!read_after(call, arguments, &after))
		return;
	struct app_password_search *search = app_password_search_make(call, user, answer_page);
	if (search == NULL)
		return;
	search->after = after;
	search->until_s = until_s;
	app_password_search_begin(search);
}

void auth_control_list_app_passwords(const struct control_call *call, const json_t *arguments)
{
	begin_list(call, arguments, auth_control_text(arguments, "user"), 0);
}

void auth_control_list_expiring(const struct control_call *call, const json_t *arguments)
{
	json_int_t until_s = json_integer_value(json_object_get(arguments, "within"));
	begin_list(call, arguments, NULL, until_s > 0 ? (uint64_t)until_s : 1);
}
