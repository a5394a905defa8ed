/* The writer's inside: of audit_writer.c (the thread and its batches) and audit_lines.c (what gets on the disk). */
#ifndef AUDIT_AUDIT_WRITER_H
#define AUDIT_AUDIT_WRITER_H

#include <limits.h>

#include "audit/audit_private.h"
#include "stats/life.h"

#define AUDIT_RETRY_S 1           /* between two tries to write to a failing disk, or to sync it */
#define AUDIT_DISK_LIMIT_MS 10000 /* for one batch, one sync: a disk that takes longer is shown as hanging */
#define AUDIT_NAME_SIZE (NAME_MAX + 1)

/* Shared with the loop's thread, under `mutex`: from `waiting` to `stop`. */
struct audit_writer {
	struct audit_writer_options options;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct audit_batch *waiting, **waiting_last;
	struct audit_batch *done, **done_last;
	uint64_t claimed; /* number of the last batch whose waiters are woken for in any case */
	struct audit_health health;
	struct audit_statement statement;
	bool has_statement;                /* which nobody has taken yet */
	int next_fd;                       /* of the file to go on in; -1: none */
	char former_name[AUDIT_NAME_SIZE]; /* of the one before it, by then; "": it was deleted */
	bool stop;
	/* The thread's own. */
	struct audit_disk disk;
	struct buf text;        /* of a batch, as it is written */
	int deleted_fd;         /* of the file before, which was deleted with open messages in it; -1: none */
	uint64_t deleted_until; /* bytes of it; what was written after them is in the next file, too */
	int write_error;        /* errno of the last write, 0: it succeeded */
	struct life_thread *sign;
	uint64_t written;    /* bytes, since the journal was saved */
	size_t unclaimed;    /* bytes of records, since the loop was last woken */
	uint64_t sign_at_ms; /* when a checkpoint is due; 0: all records are signed */
	bool dirty;          /* something written is not safe yet */
	bool journal_rests;  /* a leaving is missing in it: never saved again */
	bool is_cut;         /* records were lost at the end: what follows would not fit in the chain */
	enum status ended;
};

/* Tells the loop how it goes, if that is other than before. */
void audit_lines_publish_health(struct audit_writer *writer);
/* errno of a write, or 0. */
void audit_lines_set_error(struct audit_writer *writer, int error);

/*
 * Writes whole lines, trying as long as it takes; to a file that was deleted, anew in the next one. Those who wait for
 * `batch` (or NULL), and for later ones, hear it when a try fails. STATUS_SYSTEM: told to stop, and the last try
 * failed; from then on nothing is written any more.
 */
MUST_USE enum status audit_lines_write(struct audit_writer *writer, struct audit_batch *batch, struct span lines);
/*
 * Links the records of `batch` into `out`, trying as long as it takes, as long as there is no memory; those who wait
 * hear it meanwhile. The same.
 */
MUST_USE enum status audit_lines_link(struct audit_writer *writer, struct audit_batch *batch, struct buf *out);
void audit_lines_save_journal(struct audit_writer *writer);
/* The file to go on in; -1: there is none for now, or it is the one that we have. */
int audit_lines_take_next(struct audit_writer *writer, char out_former[AUDIT_NAME_SIZE]);
/* From now on lines go to `fd`; the former one is the caller's to close. */
void audit_lines_begin_file(struct audit_writer *writer, int fd);

/* ---- audit_signing.c: nothing happens with chain = false */

void audit_signing_begin(struct audit_writer *writer); /* the first checkpoint is due at once */
void audit_signing_want(struct audit_writer *writer);  /* there are records that no checkpoint has signed */
bool audit_signing_is_due(const struct audit_writer *writer);
void audit_signing_run(struct audit_writer *writer);
void audit_signing_end(struct audit_writer *writer);      /* of the chain */
void audit_signing_end_file(struct audit_writer *writer); /* the file's last record of ours */

/* ---- audit_change.c: between two batches */

/* Goes on in the next file, if there is one. */
void audit_change_file(struct audit_writer *writer);
/* Records of open messages that were in a file that was deleted get into the present one. */
void audit_change_carry_open(struct audit_writer *writer);

#endif
