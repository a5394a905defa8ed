/* Owns the cells of the first rows, until all of them are measured. Without memory, rows are written at once. */
#include "admin/ctl_columns.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define GAP 2 /* blanks between two columns */

void columns_begin(struct columns *columns, unsigned count, FILE *out)
{
	*columns = (struct columns){ .out = out, .count = count };
}

static void measure_row(struct columns *columns, const char *const *cells)
{
	for (unsigned i = 0; i + 1 < columns->count; i++) {
		unsigned width = text_width(span_of(cells[i]));
		if (width > columns->widths[i])
			columns->widths[i] = width;
	}
}

static void write_row(const struct columns *columns, const char *const *cells)
{
	for (unsigned i = 0; i + 1 < columns->count; i++) {
		int gap = (int)(columns->widths[i] - text_width(span_of(cells[i]))) + GAP;
		fprintf(columns->out, "%s%*s", cells[i], gap, "");
	}
	fprintf(columns->out, "%s\n", cells[columns->count - 1]);
}

static void flush_rows(struct columns *columns)
{
	for (unsigned row = 0; row < columns->kept_count; row++) {
		write_row(columns, (const char *const *)columns->kept[row]);
		for (unsigned i = 0; i < columns->count; i++)
			free(columns->kept[row][i]);
	}
	columns->kept_count = 0;
	columns->flows = true;
}

static bool keep_row(struct columns *columns, const char *const *cells)
{
	char **kept = columns->kept[columns->kept_count];
	for (unsigned i = 0; i < columns->count; i++) {
		kept[i] = strdup(cells[i]);
		if (kept[i])
			continue;
		while (i)
			free(kept[--i]);
		return false;
	}
	columns->kept_count++;
	return true;
}

void columns_add(struct columns *columns, const char *const *cells)
{
	measure_row(columns, cells);
	if (!columns->flows && keep_row(columns, cells)) {
		if (columns->kept_count == COLUMNS_KEPT)
			flush_rows(columns);
		return;
	}
	if (!columns->flows)
		flush_rows(columns);
	write_row(columns, cells);
}

void columns_end(struct columns *columns)
{
	flush_rows(columns);
}
