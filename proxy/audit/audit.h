/*
 * The audit: one JSON object a line, appended by a writer thread of the relay role, linked by hashes that are signed
 * once a second (promise 5). Records are submitted on the loop's thread and written in batches; whoever must know that
 * one is written gives a callback.
 *
 * Nothing is dropped: if the file can't be written, records wait in memory up to a bound, and then audit_submit
 * refuses. Callbacks are told so.
 */
#ifndef AUDIT_AUDIT_H
#define AUDIT_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/audit_statement.h"
#include "base/client_facts.h"
#include "base/span.h"
#include "config/config.h"
#include "net/loop.h"

enum audit_type {
#define EVENT(NUMBER, name, help) AUDIT_##NUMBER,
#include "audit/events.def"
#undef EVENT
	AUDIT_TYPE_COUNT
};

/* An SMTP reply, as it is recorded. */
struct audit_reply {
	unsigned code;             /* 0: none */
	struct span enhanced_code; /* "5.1.1", or empty */
	struct span text;          /* lines separated by LF, verbatim */
};

struct audit_recipient {
	struct span address;
	struct audit_reply reply;
};

struct audit_quota {
	uint64_t used, limit, resets_at; /* resets_at: seconds since 1970; 0: no quota to show */
};

/* What an administrator asked for. */
struct audit_command {
	uint64_t uid;
	struct span name, token, command, object, options, result;
};

struct audit_head;

/* What records of the chain tell of it, and of another node's. */
struct audit_chain_facts {
	const struct audit_statement *statement; /* NULL: none */
	const struct audit_statement *before;    /* the last one before, repeated; NULL: none */
	const struct audit_head *former;
	size_t former_count;
	struct span previous_file, next_file;
	struct span peer; /* the node that `statement` is of, if it is not ours */
};

/*
 * One record; fields left zero don't appear. Spans must live only during
 * audit_submit. Text that is not UTF-8 is recorded with U+FFFD for each bad byte.
 */
struct audit_event {
	enum audit_type type;
	struct span session; /* "GATE-NUMBER", as role logs show it */
	struct span message; /* the message's id */
	struct span user, user_id, auth_method, sasl_mechanism, app_password_id;
	struct client_facts client;
	unsigned attempt;   /* 1, 2, …: which relay of the route */
	bool has_mail_from; /* so that the empty sender is recorded */
	struct span mail_from, header_from;
	const struct audit_recipient *recipients;
	size_t recipient_count;
	uint64_t size; /* bytes */
	struct span message_id, relay, relay_host;
	struct span sent_as;       /* the sender, in envelope and header, that the relay got instead */
	struct span redirected_to; /* the recipient that it got instead of `recipients` */
	struct span shared_quota;  /* the section whose members share the quota in which it counts, besides their own */
	struct span digest;        /* SHA-256 of the message as it left, in hexadecimal */
	struct audit_reply response;
	struct audit_quota quota;
	struct span reason;
	bool has_duration;
	uint64_t duration_ms;
	uint64_t count; /* how many it stands for, if it may stand for several */
	struct span detail;
	bool is_ahead;                         /* its callback waits for audit_claim; no field of the record */
	const struct audit_command *command;   /* admin.command alone */
	const struct audit_chain_facts *chain; /* audit.* alone */
	/*
	 * The records of an attempt are alike from `node` to `relay`: these members as an earlier one has them, instead
	 * of the fields above; empty: they are written from those. `out_alike` gets them of this record, if it has room
	 * and memory; NULL: nobody wants them.
	 */
	struct span alike;
	struct buf *out_alike;
};

#define AUDIT_SPACE_UNKNOWN UINT64_MAX

/* How it goes with the file and its disk. */
struct audit_health {
	int error;              /* errno of the last write or sync; 0: all is well */
	bool is_sync;           /* it is that of a sync: what is written may not be on the disk */
	uint64_t sync_failures; /* so many since the start */
	uint64_t free_bytes;    /* for us, on the file's disk; AUDIT_SPACE_UNKNOWN */
};

struct audit;

struct audit_options {
	int fd;                /* the file, opened read-write and append; owned */
	const char *file_name; /* without its folder; NULL: unknown */
	int state_fd;          /* where the search for orphans may begin, kept in a file of its own; owned */
	/*
	 * Earlier files, packed or not, in which open messages of a dead process may be. Borrowed during audit_create;
	 * their offsets are left alone.
	 */
	const int *earlier;
	size_t earlier_count;
	int keys_fd; /* where the keys of checkpoints are kept; -1: chain = false; owned */
	enum config_audit_sync sync;
	const char *node;
	/* Trouble, and that all `is_well` again; on the loop's thread. */
	void (*on_trouble)(void *context, bool is_well, const char *what);
	/* Something of it is other than it was; on the loop's thread. NULL: nobody asks. */
	void (*on_health)(void *context, const struct audit_health *health);
	/*
	 * A checkpoint was written: at most one a second, while there are records. What keeps it elsewhere can show
	 * later that the audit's end was cut off. On the loop's thread; may be NULL.
	 */
	void (*on_statement)(void *context, const struct audit_statement *statement);
	void *context;
};

/*
 * From when on files may hold open messages of the processes in this state file. False: it knows of none. For whoever
 * chooses what is `earlier`.
 */
bool audit_may_have_open_since(int state_fd, uint64_t *out_since_s);

/*
 * Starts the writer. Before it, writes message.unknown for every message.leaving
 * that has no outcome and whose process is gone (reason "crash"); where that needs a search through earlier files, or
 * a long one, it is done beside, and those records follow.
 */
MUST_USE enum status audit_create(struct loop *loop, const struct audit_options *options, struct audit **out_audit);
/* Writes what is queued, syncs (unless "none"), ends the thread. */
void audit_free(struct audit **audit);

/*
 * Another file came into the place of the one that is written: records go there from the next turn on. `fd` is ours,
 * opened as that of audit_options. The former one is called `former_name` now; "": it was deleted, and then what was
 * written into it since is written again.
 */
void audit_use_file(struct audit *audit, int fd, struct span former_name);

/* `written` is STATUS_OK once write(2) returned (sync = "always": once it is on disk), else STATUS_SYSTEM. */
typedef void audit_callback(void *context, enum status written);

/*
 * Queues one record. STATUS_UNAVAILABLE: the backlog is full. The callback, if not NULL, is called exactly once, by the
 * loop and never from within this call.
 *
 * Whoever has something else to wait for first says so (`is_ahead`): that their record is written wakes the loop only
 * once audit_claim was called, or after a second. That it isn't written wakes it at once.
 *
 * A record without one goes to the file with the next that has one, or within 5 ms: a wakeup of the writer and a write
 * less for each message. What a process that is killed loses of it are outcomes, which message.unknown stands for then,
 * and what sessions did; of a message that leaves, all records before it are written.
 */
MUST_USE enum status audit_submit(struct audit *audit, const struct audit_event *event, audit_callback *callback,
				  void *context);
/*
 * Somebody waits for nothing but what was submitted: the callbacks of what is written by the end of this turn come
 * then, and the others once theirs is.
 */
void audit_claim(struct audit *audit);
/* What anybody may know of the keys that sign checkpoints, as this process last wrote or read it. */
struct audit_public {
	char first[AUDIT_KEY_HEX_SIZE]; /* checkpoint 1's key; "": chain = false */
	bool is_renewed;                /* which this process made, as there was none before that could be read */
	struct audit_statement last;    /* number 0: none yet */
};
const struct audit_public *audit_public(const struct audit *audit);
/* A record's place in the audit: the id of a chain, and its number there. */
struct audit_position {
	struct span chain;
	uint64_t seq;
};
/* Within an audit_callback that says STATUS_OK: the record has this place, or one before it in the same chain. */
struct audit_position audit_written_position(const struct audit *audit);
/* True while records can't be written, or forced to the disk as they should: then refuse messages early. */
bool audit_is_stuck(const struct audit *audit);

#endif
