/*
 * Answers as tables. A few answers have a form of their own here. Of any other,
 * each list of objects becomes a table of its own keys, and each single value a line.
 */
#include <inttypes.h>
#include <string.h>

#include "admin/ctl.h"
#include "admin/ctl_audit.h"
#include "base/clock.h"
#include "base/span.h"
#include "base/text.h"

/* Bytes, the NUL included; longer ones are cut. */
#define CELL_SIZE 256
#define COLUMNS_MAXIMUM 14
/* Letters between two dashes. */
#define PASSWORD_GROUP 5
/* Rows of each list of a report; --json has all. */
#define REPORT_ROWS 20

/* ---- cells */

static bool is_time(const char *key)
{
	static const char *const times[] = { "checked", "created", "expires",   "last_used",
					     "since",   "started", "resets_at", "until" };
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (strcmp(key, times[i]) == 0)
			return true;
	}
	return false;
}

static void format_number(const char *key, json_int_t number, char out_cell[CELL_SIZE])
{
	char time[CLOCK_TEXT_SIZE];
	if (is_time(key) && number > 0) {
		clock_format_seconds((uint64_t)number, time);
		snprintf(out_cell, CELL_SIZE, "%s", time);
	} else if (is_time(key)) {
		snprintf(out_cell, CELL_SIZE, "-");
	} else {
		snprintf(out_cell, CELL_SIZE, "%" JSON_INTEGER_FORMAT, number);
	}
}

static void format_cell(const char *key, const json_t *value, char out_cell[CELL_SIZE])
{
	if (json_is_string(value))
		snprintf(out_cell, CELL_SIZE, "%s", json_string_value(value));
	else if (json_is_integer(value))
		format_number(key, json_integer_value(value), out_cell);
	else if (json_is_real(value))
		snprintf(out_cell, CELL_SIZE, "%g", json_real_value(value));
	else if (json_is_boolean(value))
		snprintf(out_cell, CELL_SIZE, "%s", json_is_true(value) ? "yes" : "no");
	else
		out_cell[0] = '\0';
	if (out_cell[0] == '\0')
		snprintf(out_cell, CELL_SIZE, "-");
	text_blank_controls(out_cell, strlen(out_cell));
}

static int measure_text(const char *text)
{
	return (int)text_width(span_of(text));
}

static void write_padded(FILE *out, const char *text, int width, bool last)
{
	fputs(text, out);
	if (last)
		fputc('\n', out);
	else
		fprintf(out, "%*s", width - measure_text(text) + 2, "");
}

/* ---- tables */

struct table {
	const char *keys[COLUMNS_MAXIMUM];
	int widths[COLUMNS_MAXIMUM];
	unsigned count;
};

static void add_column(struct table *table, const char *key)
{
	for (unsigned i = 0; i < table->count; i++) {
		if (strcmp(table->keys[i], key) == 0)
			return;
	}
	if (table->count == COLUMNS_MAXIMUM)
		return;
	table->widths[table->count] = measure_text(key);
	table->keys[table->count++] = key;
}

static void measure_rows(struct table *table, json_t *rows)
{
	size_t index;
	json_t *row, *value;
	const char *key;
	char cell[CELL_SIZE];
	json_array_foreach(rows, index, row)
	{
		json_object_foreach(row, key, value)
		{
			add_column(table, key);
		}
		for (unsigned i = 0; i < table->count; i++) {
			format_cell(table->keys[i], json_object_get(row, table->keys[i]), cell);
			if (measure_text(cell) > table->widths[i])
				table->widths[i] = measure_text(cell);
		}
	}
}

static void write_heading(const struct table *table, FILE *out)
{
	for (unsigned i = 0; i < table->count; i++) {
		char heading[CELL_SIZE];
		snprintf(heading, sizeof(heading), "%s", table->keys[i]);
		for (char *c = heading; *c; c++)
			*c = *c == '_' ? ' ' : *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
		write_padded(out, heading, table->widths[i], i + 1 == table->count);
	}
}

static void print_table(json_t *rows, FILE *out)
{
	struct table table = { .count = 0 };
	size_t index;
	json_t *row;
	measure_rows(&table, rows);
	write_heading(&table, out);
	json_array_foreach(rows, index, row)
	{
		for (unsigned i = 0; i < table.count; i++) {
			char cell[CELL_SIZE];
			format_cell(table.keys[i], json_object_get(row, table.keys[i]), cell);
			write_padded(out, cell, table.widths[i], i + 1 == table.count);
		}
	}
}

/* ---- answers */

static const char *text_of(json_t *reply, const char *key, char out_cell[CELL_SIZE])
{
	format_cell(key, json_object_get(reply, key), out_cell);
	return out_cell;
}

/* In groups of five, which are easiest to type. */
static void print_password(struct span password, FILE *out)
{
	bool grouped = span_contains_byte(password, '-');
	fputs("    ", out);
	for (size_t i = 0; i < password.size; i++) {
		if (!grouped && i > 0 && i % PASSWORD_GROUP == 0)
			fputc('-', out);
		fputc(password.data[i], out);
	}
	fputc('\n', out);
}

static void print_created(json_t *reply, FILE *out)
{
	char user[CELL_SIZE], label[CELL_SIZE], id[CELL_SIZE];
	const char *password = json_string_value(json_object_get(reply, "password"));
	fprintf(out, "App password %s for %s (%s):\n\n", text_of(reply, "id", id), text_of(reply, "user", user),
		text_of(reply, "label", label));
	print_password(span_of(password), out);
	fprintf(out, "\nIt is shown this once. Dashes, spaces and case do not matter when it is typed.\n");
}

static void print_created_token(json_t *reply, FILE *out)
{
	char label[CELL_SIZE], role[CELL_SIZE], id[CELL_SIZE];
	const char *token = json_string_value(json_object_get(reply, "token"));
	fprintf(out, "API token %s for %s (%s):\n\n    %s\n\nIt is shown this once.\n", text_of(reply, "id", id),
		text_of(reply, "label", label), text_of(reply, "role", role), token ? token : "");
}

static void print_further(json_t *rows, FILE *out)
{
	if (json_array_size(rows) == 0)
		return;
	fputc('\n', out);
	print_table(rows, out);
}

static json_int_t number_of(const json_t *reply, const char *key)
{
	return json_integer_value(json_object_get(reply, key));
}

static void print_traffic(const json_t *traffic, FILE *out)
{
	if (traffic == NULL)
		return;
	fprintf(out,
		"\nMessages in the last %lld s: %lld handed over, %lld refused by a relay, %lld failed, %lld unknown;"
		" %lld refusals of our own\nSessions: %lld logged in, %lld before that\n",
		number_of(traffic, "seconds"), number_of(traffic, "ok"), number_of(traffic, "refused"),
		number_of(traffic, "failed"), number_of(traffic, "unknown"), number_of(traffic, "turned_away"),
		number_of(traffic, "sessions_authenticated"), number_of(traffic, "sessions_open"));
}

static void print_status(json_t *reply, FILE *out)
{
	char version[CELL_SIZE], node[CELL_SIZE], started[CELL_SIZE];
	fprintf(out, "subgate %s on %s, since %s\n\n", text_of(reply, "version", version), text_of(reply, "node", node),
		text_of(reply, "started", started));
	print_table(json_object_get(reply, "processes"), out);
	print_further(json_object_get(reply, "services"), out);
	print_further(json_object_get(reply, "certificates"), out);
	print_traffic(json_object_get(reply, "traffic"), out);
}

/* Each value a line, then each list a table under its name. */
static void print_user(json_t *reply, FILE *out)
{
	const char *key;
	json_t *value;
	json_object_foreach(reply, key, value)
	{
		char cell[CELL_SIZE];
		format_cell(key, value, cell);
		if (!json_is_array(value) && strcmp(key, "ok") != 0)
			fprintf(out, "%-18s%s\n", key, cell);
	}
	json_object_foreach(reply, key, value)
	{
		if (!json_is_array(value))
			continue;
		fprintf(out, "\n%s:%s\n", key, json_array_size(value) ? "" : " none");
		if (json_array_size(value))
			print_table(value, out);
	}
}

/* The first rows of a list, which are the most important. */
static void print_report_list(json_t *reply, const char *key, const char *title, FILE *out)
{
	size_t index;
	json_t *row, *shown = json_array();
	json_t *rows = json_object_get(reply, key);
	json_array_foreach(rows, index, row)
	{
		if (index < REPORT_ROWS)
			json_array_append(shown, row);
	}
	fprintf(out, "\n%s\n\n", title);
	if (json_array_size(rows) == 0)
		fputs("none\n", out);
	else
		print_table(shown, out);
	if (json_array_size(rows) > REPORT_ROWS)
		fprintf(out, "and %zu more: --json shows them\n", json_array_size(rows) - REPORT_ROWS);
	json_decref(shown);
}

static void print_report(json_t *reply, FILE *out)
{
	char from[CELL_SIZE];
	fprintf(out, "Since %s\n", text_of(reply, "from", from));
	print_report_list(reply, "users", "Who sent most", out);
	print_report_list(reply, "refusals", "What was refused, and why", out);
	print_report_list(reply, "relays", "Relays", out);
	print_report_list(reply, "new_addresses", "Addresses that users had not come from in the four weeks before",
			  out);
	if (json_is_true(json_object_get(reply, "truncated")))
		fputs("\nThere was more than can be counted.\n", out);
	if (json_is_true(json_object_get(reply, "incomplete")))
		fputs("\nNot all of the audit could be read.\n", out);
}

static void print_any(json_t *reply, FILE *out)
{
	const char *key;
	json_t *value;
	bool empty = true;
	json_object_foreach(reply, key, value)
	{
		char cell[CELL_SIZE];
		if (strcmp(key, "ok") == 0 || json_is_false(value) || json_is_object(value))
			continue; /* objects are for programs */
		empty = false;
		format_cell(key, value, cell);
		if (!json_is_array(value))
			fprintf(out, "%s: %s\n", key, cell);
		else if (json_array_size(value) == 0)
			fprintf(out, "none\n");
		else
			print_table(value, out);
	}
	if (empty)
		fprintf(out, "done\n");
}

void ctl_print_dialog(json_t *reply, FILE *out)
{
	size_t index;
	json_t *line;
	json_array_foreach(json_object_get(reply, "dialog"), index, line)
	{
		char cell[4 * CELL_SIZE];
		snprintf(cell, sizeof(cell), "%s", json_string_value(line) ? json_string_value(line) : "");
		text_blank_controls(cell, strlen(cell));
		fprintf(out, "%s\n", cell);
	}
}

void ctl_print(const char *command, json_t *reply, FILE *out)
{
	if (strcmp(command, "app-password create") == 0)
		print_created(reply, out);
	else if (strcmp(command, "api-token create") == 0)
		print_created_token(reply, out);
	else if (strncmp(command, "quota ", 6) == 0)
		ctl_quota_print(reply, out, print_table);
	else if (strcmp(command, "user show") == 0)
		print_user(reply, out);
	else if (strcmp(command, "relay test") == 0)
		fprintf(out, "the relay works\n");
	else if (strcmp(command, "status") == 0)
		print_status(reply, out);
	else if (strcmp(command, "audit show") == 0)
		ctl_audit_print_message(reply, out);
	else if (strcmp(command, "audit report") == 0)
		print_report(reply, out);
	else
		print_any(reply, out);
}
