/*
 * The journal: which messages are leaving, and from where on the audit file must be searched if this process dies. The
 * state file has a place for each living relay process, and grows with them (after some reloads with sessions held
 * there are many). A place is held by a record lock, which the kernel drops with the process.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit_private.h"
#include "base/clock.h"
#include "base/number.h"

#define PLACE_VERSION 1
#define PLACES_MAXIMUM \
	65536 /* more than a node has processes; without a bound, a file system without locks would hang us */

_Static_assert(sizeof(struct audit_place) == 40, "places are read that former versions wrote");

struct leaving {
	char message[AUDIT_MESSAGE_SIZE];
	uint64_t inode, offset;
	uint32_t since_s;
	struct leaving *next; /* older first, so that a search begins at the first one */
};

struct audit_journal {
	int fd;
	int mine; /* index of the place that this process holds */
	char chain_id[AUDIT_CHAIN_ID_SIZE];
	uint64_t inode; /* of the file that records go to */
	int *unburied;  /* indices of dead processes' places, which we hold */
	size_t unburied_count;
	struct leaving *first, **last;
};

static uint32_t now_s(void)
{
	return (uint32_t)(clock_wall_us() / 1000000);
}

static bool lock_place(int fd, int index)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)index * (off_t)sizeof(struct audit_place),
		.l_len = sizeof(struct audit_place),
	};
	return fcntl(fd, F_SETLK, &lock) == 0;
}

static void unlock_place(int fd, int index)
{
	struct flock lock = {
		.l_type = F_UNLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)index * (off_t)sizeof(struct audit_place),
		.l_len = sizeof(struct audit_place),
	};
	(void)fcntl(fd, F_SETLK, &lock);
}

/* A place that was never written reads as free. */
static enum status read_place(int fd, int index, struct audit_place *out_place)
{
	struct audit_place place = { 0 };
	ssize_t got = pread(fd, &place, sizeof(place), (off_t)index * (off_t)sizeof(place));
	if (got < 0)
		return STATUS_SYSTEM;
	if (got != (ssize_t)sizeof(place))
		place = (struct audit_place){ 0 };
	place.chain_id[AUDIT_CHAIN_ID_SIZE - 1] = '\0';
	*out_place = place;
	return STATUS_OK;
}

static enum status write_place(int fd, int index, const struct audit_place *place)
{
	struct audit_place copy = *place;
	ssize_t put = pwrite(fd, &copy, sizeof(copy), (off_t)index * (off_t)sizeof(copy));
	return put == (ssize_t)sizeof(copy) ? STATUS_OK : STATUS_SYSTEM;
}

/* Closes what a dead process left in this place, which we hold, and frees it. */
static enum status bury_process(int fd, int index,
				enum status (*on_dead)(void *context, const struct audit_place *place), void *context)
{
	struct audit_place place;
	TRY(read_place(fd, index, &place));
	if (place.chain_id[0] == '\0')
		return STATUS_OK;
	TRY(on_dead(context, &place));
	return write_place(fd, index, &(struct audit_place){ 0 });
}

static enum status keep_unburied(struct audit_journal *journal, int index)
{
	int *unburied = reallocarray(journal->unburied, journal->unburied_count + 1, sizeof(*unburied));
	if (unburied == NULL)
		return STATUS_NO_MEMORY;
	journal->unburied = unburied;
	unburied[journal->unburied_count++] = index;
	return STATUS_OK;
}

static enum status claim_place(struct audit_journal *journal,
			       enum status (*on_dead)(void *context, const struct audit_place *place), void *context)
{
	struct stat file;
	if (fstat(journal->fd, &file) != 0)
		return STATUS_SYSTEM;
	off_t written = (file.st_size + (off_t)sizeof(struct audit_place) - 1) / (off_t)sizeof(struct audit_place);
	for (int i = 0; i < PLACES_MAXIMUM && (i < written || journal->mine < 0); i++) {
		if (!lock_place(journal->fd, i))
			continue; /* its process lives */
		enum status buried = bury_process(journal->fd, i, on_dead, context);
		if (buried == STATUS_AGAIN) {
			TRY(keep_unburied(journal, i));
			continue;
		}
		TRY(buried);
		if (journal->mine < 0)
			journal->mine = i;
		else
			unlock_place(journal->fd, i);
	}
	return journal->mine < 0 ? STATUS_UNAVAILABLE : STATUS_OK;
}

enum status audit_journal_open(int fd, int audit_fd, const char *chain_id,
			       enum status (*on_dead)(void *context, const struct audit_place *place), void *context,
			       struct audit_journal **out_journal)
{
	struct stat file;
	struct audit_journal *journal = calloc(1, sizeof(*journal));
	if (journal == NULL || fstat(audit_fd, &file) != 0) {
		free(journal);
		return STATUS_SYSTEM;
	}
	journal->fd = fd;
	journal->mine = -1;
	journal->last = &journal->first;
	journal->inode = (uint64_t)file.st_ino;
	enum status status = claim_place(journal, on_dead, context);
	if (status == STATUS_OK) {
		snprintf(journal->chain_id, sizeof(journal->chain_id), "%s", chain_id);
		status = audit_journal_save(journal, (uint64_t)file.st_size);
	}
	if (status != STATUS_OK) {
		free(journal->unburied);
		free(journal);
		return status;
	}
	*out_journal = journal;
	return STATUS_OK;
}

enum status audit_journal_bury(struct audit_journal *journal)
{
	while (journal->unburied_count) {
		int index = journal->unburied[journal->unburied_count - 1];
		TRY(write_place(journal->fd, index, &(struct audit_place){ 0 }));
		unlock_place(journal->fd, index);
		journal->unburied_count--;
	}
	return STATUS_OK;
}

bool audit_may_have_open_since(int state_fd, uint64_t *out_since_s)
{
	struct stat file;
	struct audit_place place;
	bool any = false;
	if (fstat(state_fd, &file) != 0)
		return false;
	for (int i = 0; i < PLACES_MAXIMUM && (off_t)i * (off_t)sizeof(place) < file.st_size; i++) {
		if (read_place(state_fd, i, &place) != STATUS_OK || place.chain_id[0] == '\0')
			continue;
		uint64_t since_s = place.version ? place.since_s : 0;
		*out_since_s = any && *out_since_s < since_s ? *out_since_s : since_s;
		any = true;
	}
	return any;
}

void audit_journal_free(struct audit_journal **journal_at)
{
	struct audit_journal *journal = *journal_at;
	if (journal == NULL)
		return;
	if (journal->first == NULL)
		(void)write_place(journal->fd, journal->mine, &(struct audit_place){ 0 });
	while (journal->first)
		audit_journal_settle(journal, journal->first->message);
	close(journal->fd);
	free(journal->unburied);
	free(journal);
	*journal_at = NULL;
}

enum status audit_journal_leave(struct audit_journal *journal, const char *message, uint64_t offset)
{
	struct leaving *leaving = calloc(1, sizeof(*leaving));
	if (leaving == NULL)
		return STATUS_NO_MEMORY;
	snprintf(leaving->message, sizeof(leaving->message), "%s", message);
	leaving->inode = journal->inode;
	leaving->offset = offset;
	leaving->since_s = now_s();
	*journal->last = leaving;
	journal->last = &leaving->next;
	return STATUS_OK;
}

void audit_journal_settle(struct audit_journal *journal, const char *message)
{
	for (struct leaving **at = &journal->first; *at; at = &(*at)->next) {
		struct leaving *leaving = *at;
		if (strcmp(leaving->message, message) != 0)
			continue;
		*at = leaving->next;
		if (leaving->next == NULL)
			journal->last = at;
		free(leaving);
		return;
	}
}

void audit_journal_use_file(struct audit_journal *journal, int audit_fd)
{
	struct stat file;
	if (fstat(audit_fd, &file) == 0)
		journal->inode = (uint64_t)file.st_ino;
}

bool audit_journal_has(const struct audit_journal *journal, const char *message)
{
	for (const struct leaving *leaving = journal->first; leaving; leaving = leaving->next)
		if (strcmp(leaving->message, message) == 0)
			return true;
	return false;
}

bool audit_journal_first_in(const struct audit_journal *journal, int audit_fd, uint64_t *out_offset)
{
	struct stat file;
	if (fstat(audit_fd, &file) != 0)
		return false;
	for (const struct leaving *leaving = journal->first; leaving; leaving = leaving->next) {
		if (leaving->inode != (uint64_t)file.st_ino)
			continue;
		*out_offset = leaving->offset;
		return true;
	}
	return false;
}

void audit_journal_carry(struct audit_journal *journal, int former_fd, uint64_t offset)
{
	struct stat file;
	if (fstat(former_fd, &file) != 0)
		return;
	for (struct leaving *leaving = journal->first; leaving; leaving = leaving->next) {
		if (leaving->inode != (uint64_t)file.st_ino)
			continue;
		leaving->inode = journal->inode;
		leaving->offset = offset;
	}
}

enum status audit_journal_save(struct audit_journal *journal, uint64_t offset)
{
	const struct leaving *first = journal->first;
	struct audit_place place = {
		.version = PLACE_VERSION,
		.since_s = first ? first->since_s : now_s(),
		.offset = first ? first->offset : offset,
		.inode = first ? first->inode : journal->inode,
	};
	memcpy(place.chain_id, journal->chain_id, sizeof(place.chain_id));
	return write_place(journal->fd, journal->mine, &place);
}

void audit_journal_key(struct span message, unsigned attempt, char out_key[AUDIT_MESSAGE_SIZE])
{
	struct span shown = span_slice(message, 0, AUDIT_MESSAGE_SIZE - 12);
	if (shown.size)
		memcpy(out_key, shown.data, shown.size);
	out_key[shown.size] = '/';
	size_t digits = number_write(attempt, out_key + shown.size + 1);
	out_key[shown.size + 1 + digits] = '\0';
}
