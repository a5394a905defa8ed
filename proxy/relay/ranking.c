/* Rankings: a sorted array of rows that are their own. */
#include "relay/ranking.h"

#include <stdlib.h>
#include <string.h>

static int compare_names(struct span a, struct span b)
{
	int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
	return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_with_row(struct span user, const struct ranked *figures, const struct ranking_row *row)
{
	if (figures->messages != row->figures.messages)
		return figures->messages > row->figures.messages ? -1 : 1;
	return compare_names(user, ranking_user(row));
}

static void remove_row(struct ranking *ranking, size_t index)
{
	free(ranking->rows[index]);
	ranking->count--;
	memmove(ranking->rows + index, ranking->rows + index + 1, (ranking->count - index) * sizeof(ranking->rows[0]));
}

static void remove_user(struct ranking *ranking, struct span user)
{
	for (size_t i = 0; i < ranking->count; i++) {
		if (span_equal(ranking_user(ranking->rows[i]), user)) {
			remove_row(ranking, i);
			return;
		}
	}
}

static size_t find_place(const struct ranking *ranking, struct span user, const struct ranked *figures)
{
	size_t first = 0, end = ranking->count;
	while (first < end) {
		size_t middle = first + (end - first) / 2;
		if (compare_with_row(user, figures, ranking->rows[middle]) > 0)
			first = middle + 1;
		else
			end = middle;
	}
	return first;
}

enum status ranking_add(struct ranking *ranking, struct span user, const struct ranked *figures)
{
	if (ranking->count == RANKING_ROWS && compare_with_row(user, figures, ranking->rows[RANKING_ROWS - 1]) > 0)
		return STATUS_OK;
	struct ranking_row *row = malloc(sizeof(*row) + user.size);
	if (row == NULL)
		return STATUS_NO_MEMORY;
	row->figures = *figures;
	row->user_size = user.size;
	memcpy(row->user, user.data, user.size);
	remove_user(ranking, user);
	if (ranking->count == RANKING_ROWS)
		remove_row(ranking, RANKING_ROWS - 1);
	size_t place = find_place(ranking, user, figures);
	memmove(ranking->rows + place + 1, ranking->rows + place, (ranking->count - place) * sizeof(ranking->rows[0]));
	ranking->rows[place] = row;
	ranking->count++;
	return STATUS_OK;
}

void ranking_clear(struct ranking *ranking)
{
	while (ranking->count)
		remove_row(ranking, ranking->count - 1);
}
