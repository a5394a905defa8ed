/* Rows that count something, each found by its key: for reports. Bounded; what is beyond is left out. */
#ifndef ADMIN_TALLY_H
#define ADMIN_TALLY_H

#include <jansson.h>
#include <stdbool.h>

#define TALLY_ROWS_MAXIMUM 100000

struct tally {
	json_t *rows; /* by key, in the order in which they came */
	bool is_cut;  /* there would have been more */
};

void tally_init(struct tally *tally);
void tally_free(struct tally *tally);
/* The row of that key; a new one is `members`, which it takes. NULL where there is room for no more. */
json_t *tally_row(struct tally *tally, const char *key, json_t *members);
void tally_add(json_t *row, const char *field, json_int_t count); /* NULL: nothing */
/* A list of the rows, those of the most (`field`) first; NULL: by key. */
json_t *tally_sort(const struct tally *tally, const char *field);

#endif
