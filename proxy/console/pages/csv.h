/* Records of the audit as lines of a table (RFC 4180), which spreadsheets open. Pure. */
#ifndef CONSOLE_PAGES_CSV_H
#define CONSOLE_PAGES_CSV_H

#include <jansson.h>

#include "base/buf.h"

/* The line with the columns' names. STATUS_NO_MEMORY, STATUS_TOO_LARGE. */
MUST_USE enum status csv_add_head(struct buf *out_text);
/* What it has no column for is left out. The same. */
MUST_USE enum status csv_add_record(const json_t *record, struct buf *out_text);
/*
 * One cell, in quotes. What a spreadsheet would take for a formula, as it begins with = + - @, a tab, a CR or an LF,
 * gets a ' before it: what senders write must not be run by whoever reads it. So does what comes after a ; or tab, or
 * on a further line, as where the comma is the decimal sign these split the cell. Blanks and quotes in between change
 * nothing; the LF of a CRLF needs none. The same.
 */
MUST_USE enum status csv_add_cell(struct span text, struct buf *out_text);

#endif
