/* quota show, quota history and quota top, for people: one user with bars, or everybody by use. */
#include <stdlib.h>
#include <string.h>

#include "admin/ctl.h"
#include "base/clock.h"
#include "base/text.h"
#include "config/values.h"

#define BAR_WIDTH 20
#define BAR_SIZE (BAR_WIDTH + 3) /* bytes, brackets and the NUL included */
#define NAME_CELL 256            /* bytes, the NUL included; longer ones are cut */
#define USE_CELL 64              /* the same */

/* ---- numbers */

static json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void format_bar(json_int_t used, json_int_t limit, char out_bar[BAR_SIZE])
{
	json_int_t filled = used >= limit ? BAR_WIDTH : (json_int_t)((double)used / (double)limit * BAR_WIDTH);
	out_bar[0] = '[';
	memset(out_bar + 1, '#', (size_t)filled);
	memset(out_bar + 1 + filled, '.', (size_t)(BAR_WIDTH - filled));
	memcpy(out_bar + 1 + BAR_WIDTH, "]", 2);
}

/* Bytes from 1 MiB on are in MiB. */
static void format_amount(json_int_t amount, bool is_size, char out_text[USE_CELL])
{
	if (is_size && amount >= 1 << 20)
		snprintf(out_text, USE_CELL, "%.1fM", (double)amount / (1 << 20));
	else
		snprintf(out_text, USE_CELL, "%" JSON_INTEGER_FORMAT, amount);
}

static void format_limit(json_int_t limit, bool is_size, char out_text[USE_CELL])
{
	if (is_size)
		value_format_size((uint64_t)limit, out_text);
	else
		snprintf(out_text, USE_CELL, "%" JSON_INTEGER_FORMAT, limit);
}

/* ---- one user */

static void print_use(const json_t *reply, const char *label, const char *used_key, const char *limit_key, bool is_size,
		      FILE *out)
{
	json_int_t used = number_of(reply, used_key), limit = number_of(reply, limit_key);
	char use[USE_CELL], most[USE_CELL], left[USE_CELL], bar[BAR_SIZE], text[2 * USE_CELL + 8];
	if (!json_object_get(reply, used_key))
		return;
	format_amount(used, is_size, use);
	if (limit <= 0) {
		fprintf(out, "%-16s%s, no limit\n", label, use);
		return;
	}
	format_limit(limit, is_size, most);
	format_amount(used < limit ? limit - used : 0, is_size, left);
	format_bar(used, limit, bar);
	snprintf(text, sizeof(text), "%s of %s", use, most);
	fprintf(out, "%-16s%-16s  %s  %s left\n", label, text, bar, left);
}

static void print_text(const json_t *reply, const char *label, const char *key, FILE *out)
{
	char text[NAME_CELL];
	const char *value = json_string_value(json_object_get(reply, key));
	if (!value || !value[0])
		return;
	snprintf(text, sizeof(text), "%s", value);
	text_blank_controls(text, strlen(text));
	fprintf(out, "%-16s%s\n", label, text);
}

static void print_overrides(const json_t *reply, FILE *out)
{
	size_t i;
	json_t *row;
	json_array_foreach(json_object_get(reply, "set_by_hand"), i, row)
	{
		char until[CLOCK_TEXT_SIZE] = "";
		const char *limit = json_string_value(json_object_get(row, "limit"));
		json_int_t end = number_of(row, "until");
		if (end > 0)
			clock_format_seconds((uint64_t)end, until);
		fprintf(out, "%-16s%s=%" JSON_INTEGER_FORMAT "%s%s\n", i ? "" : "set by hand", limit ? limit : "",
			number_of(row, "value"), end > 0 ? " until " : "", until);
	}
}

static void print_user(const json_t *reply, FILE *out)
{
	print_text(reply, json_is_true(json_object_get(reply, "shared")) ? "shared by" : "user", "user", out);
	print_text(reply, "state", "state", out);
	print_text(reply, "section", "section", out);
	print_use(reply, "messages", "used", "limit", false, out);
	print_use(reply, "recipients", "recipients_used", "recipients_limit", false, out);
	print_use(reply, "bytes", "bytes_used", "bytes_limit", true, out);
	print_use(reply, "new recipients", "new_recipients_used", "new_recipients_limit", false, out);
	print_use(reply, "last hour", "hour_used", "hour_limit", false, out);
	print_use(reply, "last minute", "minute_used", "minute_limit", false, out);
	print_overrides(reply, out);
	print_text(reply, "resets at", "resets_at", out);
	if (json_object_get(reply, "counted_before"))
		fprintf(out, "%-16s%" JSON_INTEGER_FORMAT " messages until now\n", "had counted",
			number_of(reply, "counted_before"));
	if (json_object_get(reply, "shared_quota")) {
		fputc('\n', out);
		print_user(json_object_get(reply, "shared_quota"), out);
	}
}

/* ---- everybody */

static double share_of(const json_t *row)
{
	json_int_t limit = number_of(row, "limit");
	return limit > 0 ? (double)number_of(row, "used") / (double)limit : 0;
}

/* Messages: of today, or of the days of a history. */
static json_int_t messages_of(const json_t *row)
{
	return number_of(row, json_object_get(row, "used") ? "used" : "messages");
}

static const char *name_of(const json_t *row)
{
	const char *name = json_string_value(json_object_get(row, "user"));
	return name ? name : "";
}

/* By use: the share of the limit, then messages; by name where that is the same. */
static int compare_rows(const void *a, const void *b)
{
	const json_t *one = *(json_t *const *)a, *other = *(json_t *const *)b;
	double shares[] = { share_of(one), share_of(other) };
	json_int_t used[] = { messages_of(one), messages_of(other) };
	if (shares[0] < shares[1] || shares[0] > shares[1])
		return shares[0] > shares[1] ? -1 : 1;
	if (used[0] != used[1])
		return used[0] > used[1] ? -1 : 1;
	return strcmp(name_of(one), name_of(other));
}

static int compare_names(const void *a, const void *b)
{
	const json_t *one = *(json_t *const *)a, *other = *(json_t *const *)b;
	int order = strcmp(name_of(one), name_of(other));
	return order ? order
		     : json_is_true(json_object_get(one, "shared")) - json_is_true(json_object_get(other, "shared"));
}

/* Redis may have named somebody twice, and they may have sent in between. */
static size_t drop_repeated(json_t **rows, size_t count)
{
	size_t kept = 0;
	qsort(rows, count, sizeof(json_t *), compare_names);
	for (size_t i = 0; i < count; i++) {
		if (kept == 0 || compare_names(&rows[kept - 1], &rows[i]) != 0)
			rows[kept++] = rows[i];
	}
	return kept;
}

void ctl_quota_sort(json_t *reply)
{
	json_t *list = json_object_get(reply, "users"), *sorted = json_array();
	size_t count = json_array_size(list);
	json_t **rows = calloc(count + 1, sizeof(json_t *));
	for (size_t i = 0; rows && i < count; i++)
		rows[i] = json_array_get(list, i);
	if (rows) {
		count = drop_repeated(rows, count);
		qsort(rows, count, sizeof(json_t *), compare_rows);
	}
	for (size_t i = 0; rows && i < count; i++)
		json_array_append(sorted, rows[i]);
	if (rows && list)
		json_object_set(reply, "users", sorted);
	json_decref(sorted);
	free(rows);
}

/* A row of the table that ctl_print makes. */
static json_t *describe_row(const json_t *row)
{
	json_int_t limit = number_of(row, "limit"), used = number_of(row, "used");
	char name[NAME_CELL], bar[BAR_SIZE] = "", percent[USE_CELL] = "no limit";
	snprintf(name, sizeof(name), "%.200s%s", name_of(row),
		 json_is_true(json_object_get(row, "shared")) ? " (shared)" : "");
	if (limit > 0) {
		format_bar(used, limit, bar);
		snprintf(percent, sizeof(percent), "%s %3.0f %%", bar, 100 * share_of(row));
	}
	json_t *shown = json_pack("{s:s, s:s, s:I}", "user", name, "use", percent, "messages", used);
	if (limit > 0)
		json_object_set_new(shown, "limit", json_integer(limit));
	json_object_set(shown, "left", json_object_get(row, "left"));
	json_object_set(shown, "recipients", json_object_get(row, "recipients_used"));
	json_object_set(shown, "resets_at", json_object_get(row, "resets_at"));
	return shown;
}

/* ---- a history */

static json_t *describe_day(const json_t *day, json_int_t most)
{
	char bar[BAR_SIZE], bytes[USE_CELL];
	format_bar(number_of(day, "messages"), most, bar);
	format_amount(number_of(day, "bytes"), true, bytes);
	return json_pack("{s:O, s:O, s:s, s:O, s:s}", "day", json_object_get(day, "day"), "messages",
			 json_object_get(day, "messages"), "of_most", bar, "recipients",
			 json_object_get(day, "recipients"), "bytes", bytes);
}

/* One user's days; bars are of the day with the most. */
static void print_days(const json_t *reply, FILE *out, void (*print_table)(json_t *rows, FILE *out))
{
	const json_t *days = json_object_get(reply, "days");
	json_int_t most = 1;
	size_t i;
	json_t *day, *rows = json_array();
	char bytes[USE_CELL];
	json_array_foreach(days, i, day)
	{
		most = number_of(day, "messages") > most ? number_of(day, "messages") : most;
	}
	json_array_foreach(days, i, day)
	{
		json_array_append_new(rows, describe_day(day, most));
	}
	format_amount(number_of(reply, "bytes"), true, bytes);
	print_text(reply, "user", "user", out);
	fprintf(out, "%-16s%" JSON_INTEGER_FORMAT " messages, %" JSON_INTEGER_FORMAT " recipients, %s bytes\n\n",
		"together", number_of(reply, "messages"), number_of(reply, "recipients"), bytes);
	print_table(rows, out);
	json_decref(rows);
}

static json_t *describe_sent(const json_t *row)
{
	char bytes[USE_CELL];
	format_amount(number_of(row, "bytes"), true, bytes);
	return json_pack("{s:s, s:I, s:I, s:s}", "user", name_of(row), "messages", number_of(row, "messages"),
			 "recipients", number_of(row, "recipients"), "bytes", bytes);
}

/* ---- any answer */

static void print_rows(const json_t *users, FILE *out, void (*print_table)(json_t *rows, FILE *out))
{
	size_t i;
	json_t *row, *rows = json_array();
	json_array_foreach(users, i, row)
	{
		json_array_append_new(rows, json_object_get(row, "used") ? describe_row(row) : describe_sent(row));
	}
	if (json_array_size(rows))
		print_table(rows, out);
	else
		fputs("nobody has sent anything\n", out);
	json_decref(rows);
}

static void print_top(const json_t *reply, FILE *out, void (*print_table)(json_t *rows, FILE *out))
{
	const char *at = json_string_value(json_object_get(reply, "at"));
	if (!json_is_true(json_object_get(reply, "whole")))
		fprintf(out, "not all users have been looked at yet: ask again in some seconds\n\n");
	fprintf(out,
		"Today: %" JSON_INTEGER_FORMAT " messages by %" JSON_INTEGER_FORMAT " senders of %" JSON_INTEGER_FORMAT
		" users, as of %s\n\n",
		number_of(reply, "sent"), number_of(reply, "senders"), number_of(reply, "looked_at"), at ? at : "-");
	print_rows(json_object_get(reply, "today"), out, print_table);
	fputs("\nThe last 30 days:\n\n", out);
	print_rows(json_object_get(reply, "month"), out, print_table);
}

void ctl_quota_print(const json_t *reply, FILE *out, void (*print_table)(json_t *rows, FILE *out))
{
	const json_t *users = json_object_get(reply, "users");
	if (users)
		print_rows(users, out, print_table);
	else if (json_object_get(reply, "days"))
		print_days(reply, out, print_table);
	else if (json_object_get(reply, "month"))
		print_top(reply, out, print_table);
	else
		print_user(reply, out);
}
