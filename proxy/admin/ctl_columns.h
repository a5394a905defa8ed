/*
 * Rows in columns, written as they come: the first of them decide how wide a column is, and a later one that is wider
 * widens it for those that follow. Nothing is cut.
 */
#ifndef ADMIN_CTL_COLUMNS_H
#define ADMIN_CTL_COLUMNS_H

#include <stdbool.h>
#include <stdio.h>

#define COLUMNS_COUNT_MAXIMUM 8
#define COLUMNS_KEPT 200 /* rows that are gathered before the first is written */

struct columns {
	FILE *out;
	unsigned count;
	unsigned widths[COLUMNS_COUNT_MAXIMUM];
	char *kept[COLUMNS_KEPT][COLUMNS_COUNT_MAXIMUM]; /* owned */
	unsigned kept_count;
	bool flows; /* rows are written as they come */
};

void columns_begin(struct columns *columns, unsigned count, FILE *out);
/* `count` cells, of printable text; they stay the caller's. The first row is the heading. */
void columns_add(struct columns *columns, const char *const *cells);
/* What was gathered is written. */
void columns_end(struct columns *columns);

#endif
