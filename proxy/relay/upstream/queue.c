/*
 * The attempts that wait for a connection. Each has a turn: the one after that
 * of its user's last waiting attempt or, if there is none, the current one. So
 * users share connections evenly, however many each of them wants.
 *
 * Attempts of one user that want the same account stand in a line, and lines
 * are sorted by the turns of their first ones: in one heap for all of the pool,
 * and in one for each account. So whoever looks for the next one to be served
 * passes over a user, or an account, at once, and finds it at a cost that does
 * not grow with those that wait. Owns the lines.
 */
#include <stdlib.h>

#include "relay/upstream/private.h"

static struct upstream_line *line_of(struct heap_link *link, enum upstream_order order)
{
	struct heap_link *first = link - order;
	return HEAP_OWNER(first, struct upstream_line, links);
}

static struct heap *heap_of(const struct upstream_line *line, enum upstream_order order)
{
	return order == UPSTREAM_BY_POOL ? &line->account->pool->lines : &line->account->lines;
}

/* ---- lines */

struct upstream_line *upstream_line_hold(struct upstream_share *share, struct upstream_account *account)
{
	struct upstream_line *line;
	for (line = TAILQ_FIRST(&share->lines); line && line->account != account; line = TAILQ_NEXT(line, in_share))
		;
	if (line == NULL) {
		line = calloc(1, sizeof(*line));
		if (line == NULL)
			return NULL;
		line->account = account;
		TAILQ_INIT(&line->waiting);
		TAILQ_INSERT_TAIL(&share->lines, line, in_share);
	}
	line->attempts++;
	return line;
}

void upstream_line_release(struct upstream_share *share, struct upstream_line **line)
{
	struct upstream_line *released = *line;
	*line = NULL;
	if (released == NULL || --released->attempts)
		return;
	TAILQ_REMOVE(&share->lines, released, in_share);
	free(released);
}

/* Where its first attempt belongs. */
static void put_line(struct upstream_line *line, enum upstream_order order)
{
	const struct upstream_attempt *first = TAILQ_FIRST(&line->waiting);
	line->next[order] = TAILQ_FIRST(&line->waiting);
	if (first)
		heap_add(heap_of(line, order), &line->links[order], first->turn, first->entered);
}

static void move_line(struct upstream_line *line)
{
	for (enum upstream_order order = UPSTREAM_BY_POOL; order < UPSTREAM_ORDERS; order++) {
		heap_remove(heap_of(line, order), &line->links[order]);
		put_line(line, order);
	}
}

/* ---- entering and leaving */

static uint64_t next_turn(const struct upstream_attempt *u)
{
	uint64_t turn = u->pool->turn_now;
	const struct upstream_line *line;
	for (line = TAILQ_FIRST(&u->share->lines); line; line = TAILQ_NEXT(line, in_share)) {
		const struct upstream_attempt *last = TAILQ_LAST(&line->waiting, upstream_attempts);
		if (last && last->turn >= turn)
			turn = last->turn + 1;
	}
	return turn;
}

static void count_waiting(struct upstream_attempt *u)
{
	u->pool->waiting_count++;
	u->account->waiting++;
}

void upstream_queue_enter(struct upstream_attempt *u)
{
	bool is_first = TAILQ_EMPTY(&u->line->waiting);
	u->turn = next_turn(u);
	u->entered = ++u->pool->entered;
	count_waiting(u);
	TAILQ_INSERT_TAIL(&u->line->waiting, u, in_line);
	if (is_first)
		move_line(u->line);
}

void upstream_queue_enter_first(struct upstream_attempt *u)
{
	u->turn = 0;
	u->entered = -++u->pool->entered;
	count_waiting(u);
	TAILQ_INSERT_HEAD(&u->line->waiting, u, in_line);
	move_line(u->line);
}

void upstream_queue_leave(struct upstream_attempt *u)
{
	if (u->state != UPSTREAM_WAITING)
		return;
	bool was_first = TAILQ_FIRST(&u->line->waiting) == u;
	TAILQ_REMOVE(&u->line->waiting, u, in_line);
	if (was_first)
		move_line(u->line);
	if (u->turn > u->pool->turn_now)
		u->pool->turn_now = u->turn;
	u->pool->waiting_count--;
	u->account->waiting--;
}

/* ---- in order */

struct upstream_attempt *upstream_queue_first(const struct heap *lines, enum upstream_order order)
{
	return lines->least ? line_of(lines->least, order)->next[order] : NULL;
}

static void note_passed(struct upstream_line *line, enum upstream_order order)
{
	heap_remove(heap_of(line, order), &line->links[order]);
	if (!line->is_passed)
		TAILQ_INSERT_TAIL(&line->account->pool->passed, line, in_passed);
	line->is_passed = true;
}

void upstream_queue_pass(const struct upstream_attempt *u, enum upstream_order order)
{
	struct upstream_line *line = u->line;
	struct upstream_attempt *next = TAILQ_NEXT(u, in_line);
	note_passed(line, order);
	line->next[order] = next;
	if (next)
		heap_add(heap_of(line, order), &line->links[order], next->turn, next->entered);
}

void upstream_queue_pass_line(const struct upstream_attempt *u, enum upstream_order order)
{
	note_passed(u->line, order);
}

void upstream_queue_rewind(struct upstream_pool *pool)
{
	struct upstream_line *line;
	while ((line = TAILQ_FIRST(&pool->passed)) != NULL) {
		TAILQ_REMOVE(&pool->passed, line, in_passed);
		line->is_passed = false;
		move_line(line);
	}
}
