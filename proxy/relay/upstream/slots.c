/*
 * Slots. Owns the file and knows which of its bytes we have locked. A lock
 * belongs to the open file: another process, which opened the file by itself,
 * can't get it, but this one would get it a second time. So a list keeps what
 * we hold.
 */
#include "relay/upstream/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_NAME "connections"
#define ACCOUNT_MASK ((UINT64_C(1) << 52) - 1) /* of a key: accounts SLOTS_MAXIMUM bytes apart, within an off_t */

#define WANTED (INT64_C(1) << 62) /* from here on, after all slots, each account has one byte */

struct held {
	uint64_t key;
	unsigned slot;
};

struct slots {
	int fd; /* or -1 */
	struct held *held;
	size_t count, capacity;
};

/* A file that another user left in our folder (`user` was changed) is replaced: its locks have ended. */
static int open_file(int folder)
{
	const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
	int fd = openat(folder, FILE_NAME, flags, 0600);
	if (fd < 0 && errno == EACCES && unlinkat(folder, FILE_NAME, 0) == 0)
		fd = openat(folder, FILE_NAME, flags, 0600);
	return fd;
}

enum status slots_create(int folder, struct slots **out_slots)
{
	struct slots *slots = calloc(1, sizeof(*slots));
	int fd = -1;
	if (folder >= 0) {
		fd = open_file(folder);
		close(folder);
		if (fd < 0) {
			free(slots);
			return STATUS_SYSTEM;
		}
	}
	if (slots == NULL) {
		if (fd >= 0)
			close(fd);
		return STATUS_NO_MEMORY;
	}
	slots->fd = fd;
	*out_slots = slots;
	return STATUS_OK;
}

void slots_free(struct slots **slots)
{
	if (*slots == NULL)
		return;
	if ((*slots)->fd >= 0)
		close((*slots)->fd);
	free((*slots)->held);
	free(*slots);
	*slots = NULL;
}

static struct flock byte_at(short type, off_t at)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1 };
}

/* `type`: F_WRLCK or F_UNLCK, on the slot's byte. */
static enum status lock_byte(const struct slots *slots, short type, uint64_t key, unsigned slot)
{
	struct flock range = byte_at(type, (off_t)((key & ACCOUNT_MASK) * SLOTS_MAXIMUM + slot));
	if (slots->fd < 0 || fcntl(slots->fd, F_OFD_SETLK, &range) == 0)
		return STATUS_OK;
	return errno == EAGAIN || errno == EACCES ? STATUS_AGAIN : STATUS_SYSTEM;
}

static struct held *find_held(const struct slots *slots, uint64_t key, unsigned slot)
{
	for (size_t i = 0; i < slots->count; i++) {
		if (slots->held[i].key == key && slots->held[i].slot == slot)
			return &slots->held[i];
	}
	return NULL;
}

static enum status grow_held(struct slots *slots)
{
	size_t capacity = slots->capacity ? 2 * slots->capacity : 16;
	if (slots->count < slots->capacity)
		return STATUS_OK;
	struct held *held = reallocarray(slots->held, capacity, sizeof(*held));
	if (held == NULL)
		return STATUS_NO_MEMORY;
	slots->held = held;
	slots->capacity = capacity;
	return STATUS_OK;
}

enum status slots_take(struct slots *slots, uint64_t key, unsigned limit, unsigned *out_slot)
{
	enum status status = STATUS_AGAIN;
	TRY(grow_held(slots));
	for (unsigned i = 0; i < limit && i < SLOTS_MAXIMUM && status == STATUS_AGAIN; i++) {
		if (find_held(slots, key, i))
			continue;
		status = lock_byte(slots, F_WRLCK, key, i);
		if (status != STATUS_OK)
			continue;
		slots->held[slots->count++] = (struct held){ key, i };
		*out_slot = i;
	}
	return status;
}

void slots_give(struct slots *slots, uint64_t key, unsigned slot)
{
	struct held *held = find_held(slots, key, slot);
	if (held == NULL)
		return;
	*held = slots->held[--slots->count];
	(void)lock_byte(slots, F_UNLCK, key, slot);
}

/* A lock for reading, which several processes may hold. Nothing locks this byte for writing, so it always succeeds. */
void slots_want(struct slots *slots, uint64_t key, bool wanted)
{
	struct flock range = byte_at(wanted ? F_RDLCK : F_UNLCK, (off_t)(WANTED | (int64_t)(key & ACCOUNT_MASK)));
	if (slots->fd >= 0)
		(void)fcntl(slots->fd, F_OFD_SETLK, &range);
}

bool slots_are_wanted(const struct slots *slots, uint64_t key)
{
	struct flock range = byte_at(F_WRLCK, (off_t)(WANTED | (int64_t)(key & ACCOUNT_MASK)));
	return slots->fd >= 0 && fcntl(slots->fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}
