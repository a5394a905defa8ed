/* Counts in JSON objects, which are hash maps of bounded depth and seeded hashes. */
#include "admin/tally.h"

#include <stdlib.h>
#include <string.h>

void tally_init(struct tally *tally)
{
	*tally = (struct tally){ .rows = json_object() };
}

void tally_free(struct tally *tally)
{
	json_decref(tally->rows);
	tally->rows = NULL;
}

json_t *tally_row(struct tally *tally, const char *key, json_t *members)
{
	json_t *row = json_object_get(tally->rows, key);
	if (row == NULL && json_object_size(tally->rows) < TALLY_ROWS_MAXIMUM &&
	    json_object_set(tally->rows, key, members) == 0)
		row = members;
	tally->is_cut |= row == NULL;
	json_decref(members);
	return row;
}

void tally_add(json_t *row, const char *field, json_int_t count)
{
	json_t *value = json_object_get(row, field);
	if (value)
		json_integer_set(value, json_integer_value(value) + count);
	else if (row)
		json_object_set_new(row, field, json_integer(count));
}

/* ---- in order */

struct sorted {
	const char *key;
	json_int_t count;
	json_t *row;
};

static int compare_rows(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;
	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->key, y->key);
}

json_t *tally_sort(const struct tally *tally, const char *field)
{
	size_t count = 0;
	const char *key;
	json_t *row, *list = json_array();
	struct sorted *sorted = calloc(json_object_size(tally->rows) + 1, sizeof(*sorted));
	if (sorted == NULL)
		return list;
	json_object_foreach(tally->rows, key, row)
	{
		json_int_t value = field ? json_integer_value(json_object_get(row, field)) : 0;
		sorted[count++] = (struct sorted){ key, value, row };
	}
	qsort(sorted, count, sizeof(*sorted), compare_rows);
	for (size_t i = 0; i < count; i++)
		json_array_append(list, sorted[i].row);
	free(sorted);
	return list;
}
