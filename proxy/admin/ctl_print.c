/*
 * Answers as tables. A few answers have a form of their own here. Of any other,
 * each list of objects becomes a table of its own keys, and each single value a line.
 */
#include <inttypes.h>
#include <string.h>

#include "admin/ctl.h"
#include "base/clock.h"
#include "base/span.h"
#include "base/text.h"
#include "config/values.h"

/* Bytes, the NUL included; longer ones are cut. */
#define CELL_SIZE 256
#define COLUMNS_MAXIMUM 14
/* Letters between two dashes. */
#define PASSWORD_GROUP 5

/* ---- cells */

static bool is_time(const char *key)
{
	static const char *const times[] = {
		"created", "expires", "last_used", "since", "started", "resets_at", "until"
	};
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

/* In columns on the screen: UTF-8's continuation bytes take none. */
static int measure_text(const char *text)
{
	int width = 0;
	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
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

static void print_use(json_t *reply, const char *what, const char *used_key, const char *limit_key, bool is_size,
		      FILE *out)
{
	char used[CELL_SIZE], limit[CELL_SIZE];
	json_int_t maximum = json_integer_value(json_object_get(reply, limit_key));
	json_int_t count = json_integer_value(json_object_get(reply, used_key));
	if (!json_object_get(reply, used_key))
		return;
	if (is_size && maximum > 0)
		value_format_size((uint64_t)maximum, limit);
	else
		text_of(reply, limit_key, limit);
	if (is_size && count >= 1 << 20)
		snprintf(used, sizeof(used), "%.1fM", (double)count / (1 << 20));
	else
		text_of(reply, used_key, used);
	if (maximum > 0)
		fprintf(out, "%-12s%s of %s\n", what, used, limit);
	else
		fprintf(out, "%-12s%s, no limit\n", what, used);
}

static void print_quota(json_t *reply, FILE *out)
{
	char text[CELL_SIZE];
	fprintf(out, "%-12s%s\n", "user", text_of(reply, "user", text));
	print_use(reply, "messages", "used", "limit", false, out);
	print_use(reply, "recipients", "recipients_used", "recipients_limit", false, out);
	print_use(reply, "bytes", "bytes_used", "bytes_limit", true, out);
	fprintf(out, "%-12s%s\n", "resets at", text_of(reply, "resets_at", text));
}

static void print_status(json_t *reply, FILE *out)
{
	char version[CELL_SIZE], node[CELL_SIZE], started[CELL_SIZE];
	fprintf(out, "subgate %s on %s, since %s\n\n", text_of(reply, "version", version), text_of(reply, "node", node),
		text_of(reply, "started", started));
	print_table(json_object_get(reply, "processes"), out);
}

static void print_any(json_t *reply, FILE *out)
{
	const char *key;
	json_t *value;
	bool empty = true;
	json_object_foreach(reply, key, value)
	{
		char cell[CELL_SIZE];
		if (strcmp(key, "ok") == 0 || json_is_false(value))
			continue;
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
	else if (strcmp(command, "quota show") == 0 || strcmp(command, "quota reset") == 0)
		print_quota(reply, out);
	else if (strcmp(command, "relay test") == 0)
		fprintf(out, "the relay works\n");
	else if (strcmp(command, "status") == 0)
		print_status(reply, out);
	else
		print_any(reply, out);
}
