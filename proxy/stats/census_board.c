/*
 * The census as the supervisor sees it: which gates have a place. Owns the memory. A place keeps its piece of it, and
 * gets a larger one at the end if a configuration asks for more connections.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "stats/census_layout.h"

#define HEAD_PAGES ((sizeof(struct census_head) + CENSUS_PAGE - 1) / CENSUS_PAGE)

struct census_board {
	int fd;
	int reading_fd;
	struct census_head *head;
	uint64_t pages;                 /* of the memory */
	uint64_t pieces[CENSUS_PLACES]; /* as words; 0: none yet */
};

/* Read only, whatever its holder tries: no mapping of it can be made writable later. */
static enum status open_for_reading(int fd, int *out_fd)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int reading_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (reading_fd < 0)
		return STATUS_SYSTEM;
	*out_fd = reading_fd;
	return STATUS_OK;
}

static enum status prepare_board(struct census_board *board)
{
	board->pages = HEAD_PAGES;
	board->fd = memfd_create("census", MFD_CLOEXEC);
	if (board->fd < 0 || ftruncate(board->fd, (off_t)(board->pages * CENSUS_PAGE)) < 0)
		return STATUS_SYSTEM;
	void *head = mmap(NULL, sizeof(*board->head), PROT_READ | PROT_WRITE, MAP_SHARED, board->fd, 0);
	if (head == MAP_FAILED)
		return STATUS_SYSTEM;
	board->head = head;
	board->head->size = board->pages * CENSUS_PAGE;
	size_t size = sizeof(board->head->seeds);
	if (getrandom(board->head->seeds, size, 0) != (ssize_t)size)
		return STATUS_SYSTEM;
	return open_for_reading(board->fd, &board->reading_fd);
}

enum status census_board_create(struct census_board **out_board)
{
	struct census_board *board = calloc(1, sizeof(*board));
	if (board == NULL)
		return STATUS_NO_MEMORY;
	board->fd = board->reading_fd = -1;
	enum status status = prepare_board(board);
	if (status == STATUS_OK)
		*out_board = board;
	else
		census_board_free(&board);
	return status;
}

void census_board_free(struct census_board **board)
{
	struct census_board *b = *board;
	if (b == NULL)
		return;
	*board = NULL;
	int error = errno;
	if (b->head)
		munmap(b->head, sizeof(*b->head));
	if (b->fd >= 0)
		close(b->fd);
	if (b->reading_fd >= 0)
		close(b->reading_fd);
	free(b);
	errno = error;
}

/* ---- places */

/*
 * Each connection may count for three networks and a user. At most half of the slots are taken, so searches are short;
 * and the last of the ranges that slots are in use in (census_layout.h) has half of them all.
 */
static uint64_t order_for(uint64_t connections)
{
	uint64_t order = CENSUS_ORDER_LEAST;
	while (order < CENSUS_ORDER_MOST && (uint64_t)1 << order < 16 * connections)
		order++;
	return order;
}

static enum status enlarge_table(struct census_board *board, unsigned place, uint64_t order)
{
	uint64_t word = board->pages << 8 | order;
	uint64_t pages = board->pages + census_table_size(word) / CENSUS_PAGE;
	if (ftruncate(board->fd, (off_t)(pages * CENSUS_PAGE)) < 0)
		return STATUS_SYSTEM;
	board->pages = pages;
	board->head->size = pages * CENSUS_PAGE;
	board->pieces[place] = word;
	return STATUS_OK;
}

static enum status clear_table(const struct census_board *board, uint64_t word)
{
	off_t at = (off_t)census_table_at(word);
	off_t size = (off_t)census_table_size(word);
	return fallocate(board->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, size) < 0 ? STATUS_SYSTEM
											      : STATUS_OK;
}

enum status census_board_open(struct census_board *board, unsigned place, uint64_t connections)
{
	uint64_t order = order_for(connections);
	if (place >= CENSUS_PLACES)
		return STATUS_TOO_LARGE;
	census_board_close(board, place);
	if (board->pieces[place] == 0 || (board->pieces[place] & 0xffU) < order)
		TRY(enlarge_table(board, place, order));
	TRY(clear_table(board, board->pieces[place]));
	if (place >= board->head->places)
		board->head->places = place + 1;
	board->head->words[place] = board->pieces[place];
	return STATUS_OK;
}

void census_board_close(struct census_board *board, unsigned place)
{
	if (place >= CENSUS_PLACES || board->head->words[place] == 0)
		return;
	uint64_t word = board->head->words[place];
	board->head->words[place] = 0;
	(void)!clear_table(board, word); /* else it is cleared when the place is opened again, or that fails */
}

int census_board_fd(const struct census_board *board)
{
	return board->fd;
}

int census_board_reading_fd(const struct census_board *board)
{
	return board->reading_fd;
}
