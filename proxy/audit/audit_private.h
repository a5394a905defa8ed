/*
 * The inside of the audit: audit.c is what the loop's thread calls,
 * audit_record.c turns an event into JSON, audit_writer.c is the thread,
 * audit_file.c sees that two processes don't write in one line,
 * audit_chain.c links records, audit_journal.c remembers where open messages
 * begin, audit_orphans.c closes those that a dead process left.
 */
#ifndef AUDIT_AUDIT_PRIVATE_H
#define AUDIT_AUDIT_PRIVATE_H

#include <pthread.h>

#include "audit/audit.h"
#include "base/buf.h"
#include "base/hash.h"

#define AUDIT_CHAIN_ID_SIZE 17            /* bytes: 16 hexadecimal digits and a NUL */
#define AUDIT_BACKLOG_MAXIMUM (16U << 20) /* bytes of records that wait for the disk */
#define AUDIT_RECORD_MAXIMUM \
	(4U << 20) /* bytes of one record: 2,000 recipients, with the longest addresses and replies */
#define AUDIT_OUTCOME_ROOM \
	(512U << 10) /* bytes that an outcome may need beyond its message.leaving: the largest reply, escaped */
#define AUDIT_MESSAGE_SIZE 48 /* bytes of a message id and attempt as one key, the NUL included */

/* ---- audit_record.c */

/*
 * Appends the event as a JSON object without its last brace, so that the chain
 * can follow. STATUS_TOO_LARGE, STATUS_NO_MEMORY.
 */
MUST_USE enum status audit_record_write(struct buf *b, const struct audit_event *event, const char *node);
const char *audit_type_text(enum audit_type type); /* "message.sent" */

/* ---- audit_chain.c: each record carries the keyed hash of itself and the one before */

struct audit_chain {
	const struct secret *key; /* NULL: numbers only */
	char id[AUDIT_CHAIN_ID_SIZE];
	uint64_t next; /* seq of the next record, from 1 */
	unsigned char mac[HASH_SHA256_SIZE];
};

MUST_USE enum status audit_chain_begin(struct audit_chain *chain, const struct secret *key);
/* Appends to `out`: the record, its chain member, the last brace and LF. */
MUST_USE enum status audit_chain_link(struct audit_chain *chain, struct span record, struct buf *out);

/* ---- audit_journal.c: message.leaving without an outcome, and where the file may be searched for it */

struct audit_journal;

/*
 * `fd`: the state file, shared by the relay processes of this node. Claims a
 * place for `chain_id`, locked until this process ends. Places of dead processes are given to `on_dead`
 * first, and then free.
 */
MUST_USE enum status audit_journal_open(int fd, int audit_fd, const char *chain_id,
					enum status (*on_dead)(void *context, const char *chain_id, uint64_t offset),
					void *context, struct audit_journal **out_journal);
void audit_journal_free(struct audit_journal **journal); /* an empty one gives its place back; closes `fd` */
/* A message.leaving is about to be written at or after `offset`. STATUS_NO_MEMORY. */
MUST_USE enum status audit_journal_leave(struct audit_journal *journal, const char *message, uint64_t offset);
void audit_journal_settle(struct audit_journal *journal, const char *message);
/* Writes where a search must begin: the oldest open message, or `offset` if none is open. */
MUST_USE enum status audit_journal_save(struct audit_journal *journal, uint64_t offset);
/* Message and attempt as one key. */
void audit_journal_key(struct span message, unsigned attempt, char out_key[AUDIT_MESSAGE_SIZE]);

/* ---- audit_file.c: the end of the file, where one process at a time writes */

struct audit_file {
	int fd;
	bool is_locked;      /* from the first byte of some lines to audit_file_rest, or to a fault between lines */
	bool is_within_line; /* what was written last is not a whole line yet */
	uint64_t end;        /* bytes: where we left it whole; 0: unknown */
};

/*
 * As write(2), for whole lines: what it did not take must follow, or audit_file_rest. EBUSY: another process is in
 * the midst of a line, and has been for a second.
 */
MUST_USE ssize_t audit_file_write(struct audit_file *file, struct span text);
/* Lets others write; they end a line that is not whole. */
void audit_file_rest(struct audit_file *file);

/* ---- audit_orphans.c */

/*
 * Calls back for every message.leaving of that chain without an outcome, from `offset` of the file on; the event's
 * spans live during the call.
 */
MUST_USE enum status audit_orphans_find(int fd, const char *chain_id, uint64_t offset,
					enum status (*on_orphan)(void *context, const struct audit_event *event),
					void *context);

/* ---- audit_writer.c: the thread */

/* A callback that waits for a record, or what the journal must learn from it. */
struct audit_waiter {
	audit_callback *callback; /* NULL: nobody waits */
	void *context;
	enum status written;
};

/* Records of one turn, in order: each a 32-bit size and its text. */
struct audit_batch {
	struct buf records;
	struct audit_waiter *waiters;
	size_t waiter_count, waiter_room;
	struct audit_note *notes; /* leavings and outcomes among them, in order */
	size_t note_count, note_room;
	struct audit_batch *next;
};

/* That a message is leaving, or has an outcome. */
struct audit_note {
	char message[AUDIT_MESSAGE_SIZE];
	bool leaving;
};

void audit_batch_free(struct audit_batch **batch);

struct audit_writer;

struct audit_writer_options {
	int fd;
	enum config_audit_sync sync;
	struct audit_chain chain;
	struct audit_journal *journal;
	struct wakeup *wakeup; /* sent if a callback is due, many came back, or trouble begins or ends */
};

MUST_USE enum status audit_writer_start(const struct audit_writer_options *options, struct audit_writer **out_writer);
/* Takes the batch. */
void audit_writer_put(struct audit_writer *writer, struct audit_batch *batch);
/* A batch that is done, in order, or NULL. */
struct audit_batch *audit_writer_take_done(struct audit_writer *writer);
/* The error of the last write, 0 while all is well. */
int audit_writer_trouble(struct audit_writer *writer);
/* Writes what it has, syncs, and ends the thread. What can't be written is lost, and the status says so. */
enum status audit_writer_stop(struct audit_writer **writer);

#endif
