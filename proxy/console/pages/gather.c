/* Owns nothing. Rows are known by their "user", and whether it is "shared". */
#include "console/pages/gather.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_MAXIMUM 4000

static const char *user_of(const json_t *row)
{
	const char *user = json_string_value(json_object_get(row, "user"));
	return user ? user : "";
}

static json_int_t use_of(const json_t *row)
{
	const json_t *used = json_object_get(row, "used");
	return json_integer_value(used ? used : json_object_get(row, "messages"));
}

static int compare_rows(const void *a, const void *b)
{
	const json_t *one = *(json_t *const *)a, *other = *(json_t *const *)b;
	if (use_of(one) != use_of(other))
		return use_of(one) < use_of(other) ? 1 : -1;
	int order = strcmp(user_of(one), user_of(other));
	if (order)
		return order;
	return json_is_true(json_object_get(one, "shared")) - json_is_true(json_object_get(other, "shared"));
}

/* The rows in their order, each once; NULL: out of memory. The caller's to free; rows stay the list's. */
static json_t **order_rows(const json_t *rows, size_t *out_count)
{
	size_t count = json_array_size(rows), kept = 0;
	json_t **ordered = calloc(count + 1, sizeof(json_t *));
	if (ordered == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		ordered[i] = json_array_get(rows, i);
	qsort(ordered, count, sizeof(json_t *), compare_rows);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || compare_rows(&ordered[kept - 1], &ordered[i]) != 0)
			ordered[kept++] = ordered[i];
	*out_count = kept;
	return ordered;
}

json_t *gather_add(json_t *data, const char *name, const char *list, json_t *answer)
{
	json_t *whole = json_object_get(data, name), *next = json_object_get(answer, "next");
	if (whole == NULL)
		return json_object_set_new(data, name, answer) == 0 ? json_object_get(data, name) : NULL;
	json_t *rows = json_object_get(whole, list), *more = json_object_get(answer, list);
	int failed = json_is_array(more) ? json_array_extend(rows, more) : 0;
	json_object_del(whole, "next");
	if (next && failed == 0)
		failed = json_object_set(whole, "next", next);
	json_decref(answer);
	return failed ? NULL : whole;
}

int gather_has_room(const json_t *whole, const char *list)
{
	return json_array_size(json_object_get(whole, list)) < ROWS_MAXIMUM;
}

void gather_sort(json_t *whole, const char *list, size_t most)
{
	size_t count = 0;
	json_t *sorted = json_array();
	json_t **ordered = order_rows(json_object_get(whole, list), &count);
	for (size_t i = 0; ordered && i < count && i < most; i++)
		json_array_append(sorted, ordered[i]);
	free(ordered);
	if (ordered && sorted)
		json_object_set(whole, list, sorted);
	json_decref(sorted);
}
