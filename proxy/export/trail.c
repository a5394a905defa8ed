/*
 * Owns the files, in their order, and two inputs: the file that is read, and for FORMER_MS the one before it, as other
 * processes may notice a rotation later. A file is known by its first line's digest, however it was packed.
 */
#include "export/trail.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export/input.h"

#define FORMER_MS 5000 /* a writer notices within a second that its file was renamed */

struct trail_file {
	int fd;
	uint64_t inode;
	uint64_t size; /* bytes, when it was added */
	bool is_known; /* it has a line, and so an identity */
	struct input_identity identity;
};

/* Invariant: of `files` the first `earlier` came as earlier ones; current.is_open implies at < count. */
struct trail {
	struct trail_file *files;
	size_t count, earlier;
	size_t at; /* the file that `current` reads */
	struct input current;
	struct input former; /* of the file before it */
	uint64_t former_until_ms;
	bool has_lost;
};

enum status trail_create(struct trail **out_trail)
{
	struct trail *trail = calloc(1, sizeof(*trail));
	if (trail == NULL)
		return STATUS_NO_MEMORY;
	*out_trail = trail;
	return STATUS_OK;
}

void trail_free(struct trail **trail)
{
	if (*trail == NULL)
		return;
	input_close(&(*trail)->current);
	input_close(&(*trail)->former);
	for (size_t i = 0; i < (*trail)->count; i++)
		close((*trail)->files[i].fd);
	free((*trail)->files);
	free(*trail);
	*trail = NULL;
}

/* ---- files */

static enum status identify_file(struct trail_file *file)
{
	if (file->is_known)
		return STATUS_OK;
	enum status status = input_identify(file->fd, &file->identity);
	file->is_known = status == STATUS_OK;
	return status == STATUS_NOT_FOUND || status == STATUS_INVALID ? STATUS_OK : status;
}

static enum status describe_file(int fd, struct trail_file *out_file)
{
	struct stat about;
	struct trail_file file = { .fd = fd };
	if (fstat(fd, &about) != 0)
		return STATUS_SYSTEM;
	if (!S_ISREG(about.st_mode))
		return STATUS_INVALID;
	file.inode = (uint64_t)about.st_ino;
	file.size = (uint64_t)about.st_size;
	TRY(identify_file(&file));
	*out_file = file;
	return STATUS_OK;
}

/* Before the first earlier one that begins later. */
static size_t place_of(const struct trail *trail, const struct trail_file *file, bool is_earlier)
{
	size_t place = is_earlier ? trail->earlier : trail->count;
	while (is_earlier && place > 0 && strcmp(trail->files[place - 1].identity.ts, file->identity.ts) > 0)
		place--;
	return place;
}

static enum status insert_file(struct trail *trail, int fd, bool is_earlier)
{
	struct trail_file file;
	TRY(describe_file(fd, &file));
	struct trail_file *files = reallocarray(trail->files, trail->count + 1, sizeof(*files));
	if (files == NULL)
		return STATUS_NO_MEMORY;
	trail->files = files;
	size_t place = place_of(trail, &file, is_earlier);
	memmove(files + place + 1, files + place, (trail->count - place) * sizeof(*files));
	files[place] = file;
	trail->count++;
	trail->earlier += is_earlier;
	if (trail->current.is_open && place <= trail->at)
		trail->at++;
	return STATUS_OK;
}

enum status trail_add(struct trail *trail, int fd, bool is_earlier)
{
	enum status status = insert_file(trail, fd, is_earlier);
	if (status != STATUS_OK)
		close(fd);
	return status;
}

/* Its number; `count` if it is not there. */
static size_t find_file(struct trail *trail, const struct cursor_position *position)
{
	for (size_t i = 0; i < trail->count; i++) {
		struct trail_file *file = &trail->files[i];
		bool is_it = file->inode == position->inode;
		if (position->has_first)
			is_it = identify_file(file) == STATUS_OK && file->is_known &&
				memcmp(file->identity.first, position->first, sizeof(position->first)) == 0;
		if (is_it)
			return i;
	}
	return trail->count;
}

void trail_forget_before(struct trail *trail, const struct cursor_position *position)
{
	size_t first = find_file(trail, position);
	if (first == trail->count || first > trail->at || trail->former.is_open)
		return;
	for (size_t i = 0; i < first; i++)
		close(trail->files[i].fd);
	memmove(trail->files, trail->files + first, (trail->count - first) * sizeof(trail->files[0]));
	trail->count -= first;
	trail->at -= first;
	trail->earlier -= trail->earlier < first ? trail->earlier : first;
}

/* ---- where reading goes on */

static enum status read_file_from(struct trail *trail, size_t number, uint64_t offset)
{
	struct input input;
	int fd = fcntl(trail->files[number].fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return STATUS_SYSTEM;
	TRY(input_open(&input, fd, offset));
	input_close(&trail->current);
	trail->current = input;
	trail->at = number;
	return STATUS_OK;
}

static enum status seek_end(struct trail *trail)
{
	size_t number = trail->earlier < trail->count ? trail->earlier : trail->count - 1;
	const struct trail_file *file = &trail->files[number];
	TRY(read_file_from(trail, number, file->size));
	TRY(identify_file(&trail->files[number]));
	if (file->is_known)
		input_know(&trail->current, &file->identity);
	return STATUS_OK;
}

/* The first file that begins after that time, or else the last. */
static enum status seek_after(struct trail *trail, const char *ts)
{
	size_t number = 0;
	while (number + 1 < trail->count && strcmp(trail->files[number].identity.ts, ts) <= 0)
		number++;
	return read_file_from(trail, number, 0);
}

enum status trail_seek(struct trail *trail, const struct cursor_position *to, bool *out_lost)
{
	bool is_lost = false;
	if (trail->count == 0)
		return STATUS_NOT_FOUND;
	input_close(&trail->former);
	if (to == NULL) {
		TRY(seek_end(trail));
	} else {
		size_t number = find_file(trail, to);
		is_lost = number == trail->count;
		if (!is_lost)
			TRY(read_file_from(trail, number, to->offset));
		is_lost = is_lost || input_was_cut(&trail->current);
		if (is_lost)
			TRY(seek_after(trail, to->ts));
	}
	*out_lost = is_lost;
	return STATUS_OK;
}

/* ---- reading on */

/* What is late in the former file comes first, as its place is what trail_position tells. */
static enum status next_of_former(struct trail *trail, struct span *out_line)
{
	enum status status = input_next(&trail->former, out_line);
	if (status == STATUS_END && clock_monotonic_ms() >= trail->former_until_ms)
		input_close(&trail->former);
	return status;
}

/* The current file is at its end. STATUS_END: no other one follows it, or the one before it is waited for yet. */
static enum status move_on(struct trail *trail)
{
	struct input former = trail->current;
	if (trail->former.is_open || trail->at + 1 >= trail->count)
		return STATUS_END;
	trail->current = (struct input){ 0 };
	enum status status = read_file_from(trail, trail->at + 1, 0);
	if (status != STATUS_OK) {
		trail->current = former;
		return status;
	}
	if (former.unpack || trail->at < trail->earlier) {
		input_close(&former); /* nobody appends to it */
		return STATUS_OK;
	}
	trail->former = former;
	trail->former_until_ms = clock_monotonic_ms() + FORMER_MS;
	return STATUS_OK;
}

/* Cut in place, as by copying and truncating: what was written before that and not read is lost. */
static enum status begin_cut_file_anew(struct trail *trail)
{
	TRY(read_file_from(trail, trail->at, 0));
	trail->files[trail->at].is_known = false;
	trail->has_lost = true;
	return STATUS_OK;
}

/* A packed file that is damaged has no more to give than it gave. */
static enum status leave_damaged_file(struct trail *trail)
{
	TRY(move_on(trail));
	trail->has_lost = true;
	return STATUS_OK;
}

enum status trail_next(struct trail *trail, struct span *out_line)
{
	if (trail->former.is_open) {
		enum status late = next_of_former(trail, out_line);
		if (late != STATUS_END)
			return late;
	}
	for (;;) {
		enum status status = input_next(&trail->current, out_line);
		if (status == STATUS_INVALID)
			TRY(leave_damaged_file(trail));
		else if (status != STATUS_END)
			return status;
		else if (input_was_cut(&trail->current))
			TRY(begin_cut_file_anew(trail));
		else
			TRY(move_on(trail));
	}
}

struct cursor_position trail_position(const struct trail *trail)
{
	return input_position(trail->former.is_open ? &trail->former : &trail->current);
}

bool trail_has_lost(struct trail *trail)
{
	bool has_lost = trail->has_lost;
	trail->has_lost = false;
	return has_lost;
}
