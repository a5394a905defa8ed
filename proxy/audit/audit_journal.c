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

#define PLACES_MAXIMUM \
	65536 /* more than a node has processes; without a bound, a file system without locks would hang us */

/* As it is in the file. Zeroed: free. */
struct place {
	char chain_id[AUDIT_CHAIN_ID_SIZE];
	uint64_t offset; /* where a search begins */
	uint64_t inode;  /* of the audit file; if that has another one now, it was rotated */
};

struct leaving {
	char message[AUDIT_MESSAGE_SIZE];
	uint64_t offset;
	struct leaving *next; /* older first, so that the first one's offset is the least */
};

struct audit_journal {
	int fd;
	int mine; /* index of the place that this process holds */
	struct place place;
	struct leaving *first, **last;
};

static bool lock_place(int fd, int index)
{
	struct flock lock = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)index * (off_t)sizeof(struct place),
		.l_len = sizeof(struct place),
	};
	return fcntl(fd, F_SETLK, &lock) == 0;
}

static void unlock_place(int fd, int index)
{
	struct flock lock = {
		.l_type = F_UNLCK,
		.l_whence = SEEK_SET,
		.l_start = (off_t)index * (off_t)sizeof(struct place),
		.l_len = sizeof(struct place),
	};
	(void)fcntl(fd, F_SETLK, &lock);
}

/* A place that was never written reads as free. */
static enum status read_place(int fd, int index, struct place *out_place)
{
	struct place place = { 0 };
	ssize_t got = pread(fd, &place, sizeof(place), (off_t)index * (off_t)sizeof(place));
	if (got < 0)
		return STATUS_SYSTEM;
	if (got != (ssize_t)sizeof(place))
		place = (struct place){ 0 };
	place.chain_id[AUDIT_CHAIN_ID_SIZE - 1] = '\0';
	*out_place = place;
	return STATUS_OK;
}

static enum status write_place(int fd, int index, const struct place *place)
{
	struct place copy = *place;
	ssize_t put = pwrite(fd, &copy, sizeof(copy), (off_t)index * (off_t)sizeof(copy));
	return put == (ssize_t)sizeof(copy) ? STATUS_OK : STATUS_SYSTEM;
}

/* Closes what a dead process left in this place, which we hold, and frees it. */
static enum status bury_process(int fd, int index, uint64_t inode,
				enum status (*on_dead)(void *context, const char *chain_id, uint64_t offset),
				void *context)
{
	struct place place;
	TRY(read_place(fd, index, &place));
	if (place.chain_id[0] == '\0')
		return STATUS_OK;
	TRY(on_dead(context, place.chain_id, place.inode == inode ? place.offset : 0));
	return write_place(fd, index, &(struct place){ 0 });
}

static enum status claim_place(struct audit_journal *journal,
			       enum status (*on_dead)(void *context, const char *chain_id, uint64_t offset),
			       void *context)
{
	struct stat file;
	if (fstat(journal->fd, &file) != 0)
		return STATUS_SYSTEM;
	off_t written = (file.st_size + (off_t)sizeof(struct place) - 1) / (off_t)sizeof(struct place);
	for (int i = 0; i < PLACES_MAXIMUM && (i < written || journal->mine < 0); i++) {
		if (!lock_place(journal->fd, i))
			continue; /* its process lives */
		TRY(bury_process(journal->fd, i, journal->place.inode, on_dead, context));
		if (journal->mine < 0)
			journal->mine = i;
		else
			unlock_place(journal->fd, i);
	}
	return journal->mine < 0 ? STATUS_UNAVAILABLE : STATUS_OK;
}

enum status audit_journal_open(int fd, int audit_fd, const char *chain_id,
			       enum status (*on_dead)(void *context, const char *chain_id, uint64_t offset),
			       void *context, struct audit_journal **out_journal)
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
	journal->place.inode = (uint64_t)file.st_ino;
	enum status status = claim_place(journal, on_dead, context);
	if (status == STATUS_OK) {
		snprintf(journal->place.chain_id, sizeof(journal->place.chain_id), "%s", chain_id);
		status = audit_journal_save(journal, (uint64_t)file.st_size);
	}
	if (status != STATUS_OK) {
		free(journal);
		return status;
	}
	*out_journal = journal;
	return STATUS_OK;
}

void audit_journal_free(struct audit_journal **journal_at)
{
	struct audit_journal *journal = *journal_at;
	if (journal == NULL)
		return;
	if (journal->first == NULL)
		(void)write_place(journal->fd, journal->mine, &(struct place){ 0 });
	while (journal->first)
		audit_journal_settle(journal, journal->first->message);
	close(journal->fd);
	free(journal);
	*journal_at = NULL;
}

enum status audit_journal_leave(struct audit_journal *journal, const char *message, uint64_t offset)
{
	struct leaving *leaving = calloc(1, sizeof(*leaving));
	if (leaving == NULL)
		return STATUS_NO_MEMORY;
	snprintf(leaving->message, sizeof(leaving->message), "%s", message);
	leaving->offset = offset;
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

enum status audit_journal_save(struct audit_journal *journal, uint64_t offset)
{
	uint64_t from = journal->first ? journal->first->offset : offset;
	journal->place.offset = from;
	return write_place(journal->fd, journal->mine, &journal->place);
}

void audit_journal_key(struct span message, unsigned attempt, char out_key[AUDIT_MESSAGE_SIZE])
{
	struct span shown = span_slice(message, 0, AUDIT_MESSAGE_SIZE - 12);
	snprintf(out_key, AUDIT_MESSAGE_SIZE, "%.*s/%u", SPAN_ARGS(shown), attempt);
}
