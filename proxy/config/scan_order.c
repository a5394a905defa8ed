/*
 * The places of a scan in the order of their section, kind, name and title, so that each is found without a look at the
 * others. Of places that are alike, the first in the file comes first. The order is the scan's own.
 */
#include <stdlib.h>
#include <string.h>

#include "config/scan.h"

static int compare_numbers(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

static int compare_spans(struct span a, struct span b)
{
	int order = compare_numbers(a.size, b.size);
	return order || a.size == 0 ? order : memcmp(a.data, b.data, a.size);
}

static int compare_kinds(const struct scan_place *a, const struct scan_place *b)
{
	int order = compare_numbers(a->within, b->within);
	if (order == 0)
		order = (int)a->is_section - (int)b->is_section;
	if (order == 0)
		order = compare_spans(a->name, b->name);
	return order ? order : compare_spans(a->title, b->title);
}

static int compare_places(const void *left, const void *right)
{
	const struct scan_place *a = *(const struct scan_place *const *)left;
	const struct scan_place *b = *(const struct scan_place *const *)right;
	int order = compare_kinds(a, b);
	return order ? order : (a > b) - (a < b); /* of one array, in the order of the file */
}

enum status scan_sort(struct scan *scan)
{
	const struct scan_place **order = calloc(scan->count + 1, sizeof(*order));
	if (!order)
		return STATUS_NO_MEMORY;
	for (size_t i = 0; i < scan->count; i++)
		order[i] = &scan->places[i];
	qsort(order, scan->count, sizeof(*order), compare_places);
	scan->order = order;
	return STATUS_OK;
}

const struct scan_place *scan_find_first(const struct scan *scan, const struct scan_place *alike)
{
	size_t low = 0, high = scan->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare_kinds(scan->order[middle], alike) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < scan->count && compare_kinds(scan->order[low], alike) == 0 ? scan->order[low] : NULL;
}

const struct scan_place *scan_find_option(const struct scan *scan, size_t within, struct span name)
{
	return scan_find_first(scan, &(struct scan_place){ .name = name, .within = within });
}

size_t scan_find_section(const struct scan *scan, struct span name, struct span title)
{
	struct scan_place alike = { .name = name, .title = title, .within = PLACE_TOP, .is_section = true };
	const struct scan_place *place = scan_find_first(scan, &alike);
	return place ? (size_t)(place - scan->places) : PLACE_NONE;
}
