/*
 * How many connections the gates of this node have, in all, by client network and by user, so that a limit holds for
 * the node and not for each gate.
 *
 * It is one memfd. A board, which only the supervisor writes, says which places are taken and where their tables are. A
 * table has a total and a hash of network to count, and only the gate of that place writes it, without a lock. A gate
 * that wants one more counts it first and then adds up all tables: of two that do so at once at least one sees the
 * other, so a limit is never passed. The counts of a gate that died vanish with its place.
 *
 * A gate maps its own table for writing and the rest for reading, from a descriptor that allows no more, so that a gate
 * that was taken over can't change what others count. The tables of others are read as hostile: a search takes so many
 * steps at most, and what they weigh is bounded. A quarter of each limit is set apart and divided among the gates: each
 * gate counts that part as taken by every other one, and may always have as much itself. So whatever a gate claims, the
 * others serve their part; and while all tell the truth and none comes or goes, no limit is passed.
 */
#ifndef STATS_CENSUS_H
#define STATS_CENSUS_H

#include <stdint.h>

#include "base/status.h"

#define CENSUS_PLACES 4096 /* at most; a place is a seat (supervise/seats.h) */

/* ---- the supervisor's side */

struct census_board;

MUST_USE enum status census_board_create(struct census_board **out_board);
void census_board_free(struct census_board **board); /* NULL-safe */
/*
 * An empty table with room for the networks and users of so many connections; then its gate may join. STATUS_SYSTEM:
 * errno tells why; STATUS_TOO_LARGE: there is no such place.
 */
MUST_USE enum status census_board_open(struct census_board *board, unsigned place, uint64_t connections);
/* Its counts go, and its memory. Does nothing for a place that is not open. */
void census_board_close(struct census_board *board, unsigned place);
/* For gates: their own table; all tables, for reading only. The board's. */
int census_board_fd(const struct census_board *board);
int census_board_reading_fd(const struct census_board *board);

/* ---- a gate's side */

struct census;

/* Takes both descriptors over. STATUS_INVALID: this place is not open; STATUS_SYSTEM; STATUS_NO_MEMORY. */
MUST_USE enum status census_join(int fd, int reading_fd, unsigned place, struct census **out_census);
void census_leave(struct census **census); /* NULL-safe */

/* Connections of this gate alone. */
uint64_t census_own_total(const struct census *census);
/* One more, or one less, of this gate. */
void census_raise_total(struct census *census);
void census_lower_total(struct census *census);

/*
 * One more of one network, or one user; any number but 0 names one. STATUS_NO_MEMORY: the table has no room where it
 * would have to be.
 */
MUST_USE enum status census_raise(struct census *census, uint64_t network);

/*
 * What weighs against a `limit` of one network or user, or of all (`network` 0): what this gate counts, and for each
 * other one no less than its part and no more than the limit. Within this gate's part, only its own count weighs.
 */
uint64_t census_weigh(struct census *census, uint64_t network, uint64_t limit);
void census_lower(struct census *census, uint64_t network);

#endif
