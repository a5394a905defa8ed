/*
 * The inside of the audit: audit.c is what the loop's thread calls,
 * audit_record.c turns an event into JSON, audit_writer.c is the thread,
 * audit_file.c sees that two processes don't write in one line,
 * audit_lines.c gets lines into a file that lasts, audit_change.c from one file to the next,
 * audit_signing.c has the chain signed,
 * audit_disk.c forces records to the disk and looks how much room it has,
 * audit_chain.c links records and signs, with audit_keys.c, what they come to,
 * audit_journal.c remembers where open messages begin, audit_orphans.c closes
 * those that a dead process left.
 */
#ifndef AUDIT_AUDIT_PRIVATE_H
#define AUDIT_AUDIT_PRIVATE_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>

#include "audit/audit.h"
#include "audit/audit_keys.h"
#include "audit/audit_tail.h"
#include "audit/reader/files.h"
#include "base/buf.h"
#include "base/digest.h"

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

/* ---- audit_chain.c: each record carries the hash of the one before, and checkpoints sign it */

/* What another record changes. */
struct audit_chain_end {
	uint64_t next;                   /* seq of the next record, from 1 */
	char head[HASH_SHA256_HEX_SIZE]; /* of the last record; zeros before the first */
	uint64_t held_number;            /* of the last statement that a record of ours holds */
};

struct audit_chain {
	const char *node;
	struct audit_keys *keys; /* NULL: chain = false, numbers only, and none of the chain's own records */
	char id[AUDIT_CHAIN_ID_SIZE];
	struct audit_chain_end end;
	struct audit_statement statement; /* the last one of ours */
	struct digest digest;             /* of one record after the other; owned */
	struct audit_head former[AUDIT_TAIL_CHAINS];
	size_t former_count;
};

/*
 * On failure of what follows, `out` may hold a part of what was to be appended and must be dropped; the chain is as it
 * was before.
 */

/* `node` and `keys` must outlive it. STATUS_SYSTEM. */
MUST_USE enum status audit_chain_begin(struct audit_chain *chain, const char *node, struct audit_keys *keys);
void audit_chain_drop(struct audit_chain *chain); /* what it owns; harmless for a zeroed one */
/* The first record will name the last ones of the chains at the end of this file. STATUS_SYSTEM, STATUS_NO_MEMORY. */
MUST_USE enum status audit_chain_continue(struct audit_chain *chain, int fd);
/* Appends the record, its chain member, the last brace and LF; before the first one, the record audit.begin. */
MUST_USE enum status audit_chain_link(struct audit_chain *chain, struct span record, struct buf *out);
/*
 * From now on no other process signs, until audit_chain_release. Appends what must be in a file before the chain may be
 * signed, which may be nothing: its first record, and a statement whose own record may be missing. STATUS_AGAIN:
 * another process signs just now. STATUS_SYSTEM, STATUS_NO_MEMORY.
 */
MUST_USE enum status audit_chain_prepare(struct audit_chain *chain, struct buf *out);
/*
 * After audit_chain_prepare, once all records of the chain so far are written: each appends one with a signed statement
 * about them: a checkpoint, the chain's end, the end of a file (`next_name`: of the file after it; NULL: unknown).
 * STATUS_SYSTEM, STATUS_NO_MEMORY: another process may sign again.
 */
MUST_USE enum status audit_chain_checkpoint(struct audit_chain *chain, struct buf *out);
MUST_USE enum status audit_chain_end(struct audit_chain *chain, struct buf *out);
MUST_USE enum status audit_chain_end_file(struct audit_chain *chain, const char *next_name, struct buf *out);
/*
 * The first record that a process writes into a file that it opened after its first one. `previous_name`: of the file
 * before it, without its folder; NULL: unknown.
 */
MUST_USE enum status audit_chain_begin_file(struct audit_chain *chain, const char *previous_name, struct buf *out);
/* What was appended is written, or never will be. */
void audit_chain_release(struct audit_chain *chain);

/* ---- audit_journal.c: message.leaving without an outcome, and where the file may be searched for it */

struct audit_journal;

/*
 * What a process leaves in the state file, 40 bytes: where a search for its open messages begins. Zeroed: free. Those
 * of version 0, before there was `since_s`, are read on.
 */
struct audit_place {
	char chain_id[AUDIT_CHAIN_ID_SIZE];
	uint8_t version;
	uint8_t reserved[2];
	uint32_t since_s; /* by the wall clock: the oldest open message left then, or later; 0: unknown */
	uint64_t offset;  /* bytes into the file with this inode */
	uint64_t inode;
};

/*
 * `fd`: the state file, shared by the relay processes of this node. Claims a
 * place for `chain_id`, locked until this process ends. Places of dead processes are given to `on_dead`
 * first, and then free; where that says STATUS_AGAIN, once audit_journal_bury is called.
 */
MUST_USE enum status audit_journal_open(int fd, int audit_fd, const char *chain_id,
					enum status (*on_dead)(void *context, const struct audit_place *place),
					void *context, struct audit_journal **out_journal);
/* For the loop's thread. The places that are still to be buried are free from now on. STATUS_SYSTEM: errno. */
MUST_USE enum status audit_journal_bury(struct audit_journal *journal);
void audit_journal_free(struct audit_journal **journal); /* an empty one gives its place back; closes `fd` */
/* A message.leaving is about to be written at or after `offset`. STATUS_NO_MEMORY. */
MUST_USE enum status audit_journal_leave(struct audit_journal *journal, const char *message, uint64_t offset);
/* From now on records go to this file. */
void audit_journal_use_file(struct audit_journal *journal, int audit_fd);
/* Whether the message is leaving and has no outcome. */
bool audit_journal_has(const struct audit_journal *journal, const char *message);
/* Where the first open message of that file is, or after which byte. False: it has none. */
bool audit_journal_first_in(const struct audit_journal *journal, int audit_fd, uint64_t *out_offset);
/* The records of open messages that were in that file are in the present one now, at or after `offset`. */
void audit_journal_carry(struct audit_journal *journal, int former_fd, uint64_t offset);
void audit_journal_settle(struct audit_journal *journal, const char *message);
/* Writes where a search must begin: the oldest open message, or `offset` if none is open. */
MUST_USE enum status audit_journal_save(struct audit_journal *journal, uint64_t offset);
/* Message and attempt as one key. */
void audit_journal_key(struct span message, unsigned attempt, char out_key[AUDIT_MESSAGE_SIZE]);

/* ---- audit_file.c: the end of the file, where one process at a time writes */

#define AUDIT_FILE_UNTOUCHED UINT64_MAX /* as a place: none */

struct audit_file {
	int fd;
	bool is_regular;     /* not a device or a pipe, which keeps nothing and has no end */
	bool is_locked;      /* from the first byte of some lines to audit_file_rest, or to a fault between lines */
	bool is_within_line; /* what was written last is not a whole line yet */
	bool had_name;       /* when we got it; a file that never had one is not deleted */
	uint64_t end;        /* bytes: where we left it whole; 0: unknown */
	uint64_t began; /* bytes: where some lines began, or AUDIT_FILE_UNTOUCHED, which is for their writer to set */
};

void audit_file_begin(struct audit_file *file, int fd);
/* No name leads to it any more: what is written goes nowhere. */
bool audit_file_is_deleted(const struct audit_file *file);
uint64_t audit_file_size(const struct audit_file *file); /* bytes; 0: unknown */

/*
 * As write(2), for whole lines: what it did not take must follow, or audit_file_rest. EBUSY: another process is in
 * the midst of a line, and has been for a second.
 */
MUST_USE ssize_t audit_file_write(struct audit_file *file, struct span text);
/* Lets others write; they end a line that is not whole. False: the file is deleted. */
MUST_USE bool audit_file_rest(struct audit_file *file);

/* ---- audit_disk.c: the thread's file, forced to the disk, and the room that is left there */

struct audit_disk {
	struct audit_file file;
	enum config_audit_sync sync;
	uint64_t synced_at_ms, looked_at_ms;
	int sync_error; /* errno of the last fdatasync(2); 0: it succeeded */
	uint64_t sync_failures;
	uint64_t free_bytes; /* AUDIT_SPACE_UNKNOWN, too */
};

void audit_disk_begin(struct audit_disk *disk, int fd, enum config_audit_sync sync);
/* Forces what is written to the disk, unless the configuration says "none". STATUS_SYSTEM: see `sync_error`. */
MUST_USE enum status audit_disk_sync(struct audit_disk *disk);
/* The same where it is due, after a write. STATUS_SYSTEM: the record counts as not written (sync = "always"). */
MUST_USE enum status audit_disk_sync_written(struct audit_disk *disk);
/* Every few seconds at most. */
void audit_disk_look_at_space(struct audit_disk *disk);
bool audit_health_equal(const struct audit_health *a, const struct audit_health *b);

/* ---- audit_orphans.c */

/*
 * Calls back for every message.leaving of that place's chain without an outcome, among the bytes of the file from
 * `offset` to `until`. The record is the callee's for the call.
 */
MUST_USE enum status audit_orphans_find(int fd, const struct audit_place *place, uint64_t offset, uint64_t until,
					enum status (*on_orphan)(void *context, json_t *record), void *context);
/*
 * The same, in files that may be packed, for the chains of several places. Puts the files in order. STATUS_REFUSED:
 * `stop` was set.
 */
MUST_USE enum status audit_orphans_find_in_all(struct audit_files *files, const struct audit_place *places,
					       size_t place_count, const atomic_bool *stop,
					       enum status (*on_orphan)(void *context, json_t *record), void *context);
/* The message.unknown that closes such a record; the event's spans live during the call. */
MUST_USE enum status audit_orphan_close(const json_t *record,
					enum status (*on_event)(void *context, const struct audit_event *event),
					void *context);

/* ---- audit_batch.c */

/* A callback that waits for a record, or what the journal must learn from it. */
struct audit_waiter {
	audit_callback *callback; /* NULL: nobody waits */
	void *context;
	enum status written;
};

/* Records of one turn, in order: each as audit_record_write has it, and LF, which none of them holds. */
struct audit_batch {
	struct buf records;
	struct audit_waiter *waiters;
	size_t waiter_count, waiter_room;
	struct audit_note *notes; /* leavings and outcomes among them, in order */
	size_t note_count, note_room;
	bool is_urgent;    /* there is a waiter who waits for nothing else */
	uint64_t number;   /* of those that went to the writer, from 1 */
	uint64_t last_seq; /* of its records, once they are linked */
	struct audit_batch *next;
};

/* That a message is leaving, or has an outcome. */
struct audit_note {
	char message[AUDIT_MESSAGE_SIZE];
	bool leaving;
};

void audit_batch_free(struct audit_batch **batch);
/* Empty again, with its memory, for other records. False: it has none, or more than is worth keeping. */
bool audit_batch_empty(struct audit_batch *batch);
/* Those who wait for records of the batch, in one without records. NULL: nobody does, or there is no memory for now. */
struct audit_batch *audit_batch_take_waiters(struct audit_batch *batch);
bool audit_batch_has_leaving(const struct audit_batch *batch);
/* Appends its records as lines; on failure `out` is to be dropped, and the chain is as before. */
MUST_USE enum status audit_batch_link(struct audit_batch *batch, struct audit_chain *chain, struct buf *out);

/* ---- audit_writer.c: the thread */

struct audit_writer;

struct audit_writer_options {
	int fd; /* owned once the writer has started */
	enum config_audit_sync sync;
	struct audit_chain chain; /* what it owns is the writer's, once that has started */
	struct audit_journal *journal;
	const char *file_name; /* without its folder; NULL: unknown */
	struct wakeup *wakeup; /* sent if a callback is due, many or the last ones came back, the health changed, or a
			    statement is new */
};

MUST_USE enum status audit_writer_start(const struct audit_writer_options *options, struct audit_writer **out_writer);
/* See audit_use_file. */
void audit_writer_use_file(struct audit_writer *writer, int fd, struct span former_name);
/* Waiters of the batches up to this one are woken for, and no longer only if theirs is urgent. */
void audit_writer_claim(struct audit_writer *writer, uint64_t number);
/* Takes the batch. */
void audit_writer_put(struct audit_writer *writer, struct audit_batch *batch);
/* A batch that is done, in order, or NULL. */
struct audit_batch *audit_writer_take_done(struct audit_writer *writer);
void audit_writer_read_health(struct audit_writer *writer, struct audit_health *out_health);
/* A statement that was written since the last call; false: none was. */
bool audit_writer_take_statement(struct audit_writer *writer, struct audit_statement *out_statement);
/* Writes what it has, syncs, and ends the thread. What can't be written is lost, and the status says so. */
enum status audit_writer_stop(struct audit_writer *writer);
void audit_writer_free(struct audit_writer **writer); /* once it has stopped; sets to NULL */

#endif
