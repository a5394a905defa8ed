/*
 * Lines out of a window that slides over the file. Forward it is filled at its end, backward at its beginning. It grows
 * as long as it holds no whole line, up to the longest that there may be.
 */
#include "audit/reader/lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/reader/unpack.h"

#define DISK_LIMIT_MS 30000    /* for one read: a disk that takes longer is shown as hanging */
#define WINDOW_SIZE (1U << 20) /* bytes, at first */
#define BLOCK_SIZE (256U << 10)
#define WINDOW_MAXIMUM (LINES_LINE_MAXIMUM + BLOCK_SIZE)

/* Invariant: start <= end <= size; of the bytes from start to end, the last (forward: first) `known` hold no LF. */
struct lines {
	int fd;
	struct unpack *unpack; /* NULL: backward */
	uint64_t before;       /* backward: bytes of the file before what the window holds */
	uint64_t end_of_line;  /* backward: of the last one */
	char *window;
	size_t size, start, end, known;
	bool is_skipping; /* amid a line that is too long */
	bool has_ended;
	uint64_t number; /* of the last line, from where it began */
	struct life_thread *sign;
	bool (*has_to_end)(void *context); /* NULL: it never has to */
	void *context;
};

static enum status create_lines(int fd, struct lines **out_lines)
{
	struct lines *lines = calloc(1, sizeof(*lines));
	char *window = malloc(WINDOW_SIZE);
	if (lines == NULL || window == NULL) {
		free(lines);
		free(window);
		return STATUS_NO_MEMORY;
	}
	*lines = (struct lines){ .fd = fd, .window = window, .size = WINDOW_SIZE };
	*out_lines = lines;
	return STATUS_OK;
}

enum status lines_open(int fd, struct lines **out_lines)
{
	struct lines *lines;
	TRY(create_lines(fd, &lines));
	enum status status = unpack_open(fd, &lines->unpack);
	if (status != STATUS_OK)
		lines_close(&lines);
	else
		*out_lines = lines;
	return status;
}

static enum status open_backward(int fd, uint64_t end, struct lines **out_lines)
{
	struct stat about;
	struct lines *lines;
	if (fstat(fd, &about) != 0)
		return STATUS_SYSTEM;
	TRY(create_lines(fd, &lines));
	lines->before = end < (uint64_t)about.st_size ? end : (uint64_t)about.st_size;
	lines->start = lines->end = lines->size;
	*out_lines = lines;
	return STATUS_OK;
}

enum status lines_open_backward(int fd, struct lines **out_lines)
{
	return open_backward(fd, UINT64_MAX, out_lines);
}

enum status lines_open_before(int fd, uint64_t end, struct lines **out_lines)
{
	struct stat about;
	if (fstat(fd, &about) != 0)
		return STATUS_SYSTEM;
	return end <= (uint64_t)about.st_size ? open_backward(fd, end, out_lines) : STATUS_INVALID;
}

void lines_close(struct lines **lines)
{
	if (*lines == NULL)
		return;
	unpack_close(&(*lines)->unpack);
	free((*lines)->window);
	free(*lines);
	*lines = NULL;
}

void lines_show_life(struct lines *lines, struct life_thread *sign)
{
	lines->sign = sign;
}

void lines_ask(struct lines *lines, bool (*has_to_end)(void *context), void *context)
{
	lines->has_to_end = has_to_end;
	lines->context = context;
}

static enum status begin_read(const struct lines *lines)
{
	life_begin(lines->sign, DISK_LIMIT_MS);
	return lines->has_to_end && lines->has_to_end(lines->context) ? STATUS_REFUSED : STATUS_OK;
}

/* Twice the window; what it holds stands at its beginning, or at its end. */
static enum status grow_window(struct lines *lines, bool at_end)
{
	size_t held = lines->end - lines->start;
	size_t size = lines->size * 2 < WINDOW_MAXIMUM ? lines->size * 2 : WINDOW_MAXIMUM;
	char *window = malloc(size);
	if (window == NULL)
		return STATUS_NO_MEMORY;
	size_t start = at_end ? size - held : 0;
	memcpy(window + start, lines->window + lines->start, held);
	free(lines->window);
	lines->window = window;
	lines->size = size;
	lines->start = start;
	lines->end = start + held;
	return STATUS_OK;
}

/* Too long to be a record: what follows, up to its end, is dropped as well. */
static void skip_line(struct lines *lines)
{
	lines->is_skipping = true;
	lines->known = 0;
	lines->start = lines->end = lines->unpack ? 0 : lines->size;
}

static enum status make_room(struct lines *lines)
{
	size_t held = lines->end - lines->start;
	bool is_backward = lines->unpack == NULL;
	if (held > LINES_LINE_MAXIMUM)
		skip_line(lines);
	else if (lines->size - held < BLOCK_SIZE)
		return grow_window(lines, is_backward);
	else if (is_backward && lines->start < BLOCK_SIZE) {
		memmove(lines->window + lines->size - held, lines->window + lines->start, held);
		lines->start = lines->size - held;
		lines->end = lines->size;
	} else if (!is_backward && lines->size - lines->end < BLOCK_SIZE) {
		memmove(lines->window, lines->window + lines->start, held);
		lines->start = 0;
		lines->end = held;
	}
	return STATUS_OK;
}

/* ---- forward */

static enum status fill_forward(struct lines *lines)
{
	size_t got = 0;
	TRY(begin_read(lines));
	TRY(make_room(lines));
	TRY(unpack_read(lines->unpack, lines->window + lines->end, lines->size - lines->end, &got));
	lines->end += got;
	return STATUS_OK;
}

/* False: no whole line is there yet. */
static bool cut_first(struct lines *lines, struct span *out_line)
{
	char *first = lines->window + lines->start;
	size_t held = lines->end - lines->start;
	const char *lf = held > lines->known ? memchr(first + lines->known, '\n', held - lines->known) : NULL;
	lines->known = lf ? 0 : held;
	if (lf == NULL)
		return false;
	*out_line = (struct span){ first, (size_t)(lf - first) };
	lines->start += out_line->size + 1;
	return true;
}

/* What follows the last LF. */
static enum status cut_rest(struct lines *lines, struct span *out_line)
{
	struct span rest = { lines->window + lines->start, lines->end - lines->start };
	lines->has_ended = true;
	lines->end_of_line = rest.size;
	if (rest.size == 0 || lines->is_skipping)
		return STATUS_END;
	*out_line = rest;
	return STATUS_OK;
}

static enum status next_forward(struct lines *lines, struct span *out_line)
{
	while (!cut_first(lines, out_line)) {
		enum status status = fill_forward(lines);
		if (status == STATUS_END)
			return cut_rest(lines, out_line);
		TRY(status);
	}
	return STATUS_OK;
}

/* ---- backward */

static enum status fill_backward(struct lines *lines)
{
	if (lines->before == 0)
		return STATUS_END;
	TRY(begin_read(lines));
	TRY(make_room(lines));
	size_t size = lines->before < BLOCK_SIZE ? (size_t)lines->before : BLOCK_SIZE;
	ssize_t got;
	do
		got = pread(lines->fd, lines->window + lines->start - size, size, (off_t)(lines->before - size));
	while (got < 0 && errno == EINTR);
	if (got != (ssize_t)size) /* a file that was cut meanwhile can't be read on */
		return STATUS_SYSTEM;
	lines->start -= size;
	lines->before -= size;
	return STATUS_OK;
}

static bool cut_last(struct lines *lines, struct span *out_line)
{
	const char *first = lines->window + lines->start;
	size_t held = lines->end - lines->start;
	const char *lf = held > lines->known ? memrchr(first, '\n', held - lines->known) : NULL;
	lines->known = lf ? 0 : held;
	if (lf == NULL)
		return false;
	*out_line = (struct span){ lf + 1, (size_t)(first + held - lf - 1) };
	lines->end_of_line = lines->before + held;
	lines->end = (size_t)(lf - lines->window);
	return true;
}

static enum status next_backward(struct lines *lines, struct span *out_line)
{
	while (!cut_last(lines, out_line)) {
		enum status status = fill_backward(lines);
		if (status == STATUS_END)
			return cut_rest(lines, out_line);
		TRY(status);
	}
	return STATUS_OK;
}

enum status lines_next(struct lines *lines, struct span *out_line)
{
	struct span line = { 0 };
	bool was_skipping;
	do {
		if (lines->has_ended)
			return STATUS_END;
		enum status status = lines->unpack ? next_forward(lines, &line) : next_backward(lines, &line);
		TRY(status);
		lines->number++;
		was_skipping = lines->is_skipping;
		lines->is_skipping = false;
	} while (was_skipping || line.size == 0);
	*out_line = line;
	return STATUS_OK;
}

uint64_t lines_end_of_next(const struct lines *lines)
{
	return lines->has_ended ? 0 : lines->before + (lines->end - lines->start);
}

/* What stands right before `end` belongs to a line that ends after it, and is passed over, too. */
void lines_go_back(struct lines *lines, uint64_t end)
{
	lines->before = end;
	lines->start = lines->end = lines->size;
	lines->known = 0;
	lines->is_skipping = true;
}

uint64_t lines_number(const struct lines *lines)
{
	return lines->number;
}

uint64_t lines_end_of_line(const struct lines *lines)
{
	return lines->end_of_line;
}
