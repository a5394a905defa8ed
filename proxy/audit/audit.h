/*
 * The audit: one JSON object a line, appended by a writer thread of the relay role and linked by a keyed hash (promise
 * 5). Records are submitted on the loop's thread and written in batches; whoever must know that a record is written
 * gives a callback.
 *
 * Nothing is dropped: if the file can't be written, records wait in memory up to a bound, and then audit_submit
 * refuses. Callbacks are told so.
 */
#ifndef AUDIT_AUDIT_H
#define AUDIT_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/client_facts.h"
#include "base/secret.h"
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

/*
 * One record; fields left zero don't appear. Spans must live only during
 * audit_submit. Text that is not UTF-8 is recorded with U+FFFD for each bad byte.
 */
struct audit_event {
	enum audit_type type;
	struct span session; /* "GATE-NUMBER", as role logs show it */
	struct span message; /* the message's id */
	struct span user, auth_method, sasl_mechanism, app_password_id;
	struct client_facts client;
	unsigned attempt;   /* 1, 2, …: which relay of the route */
	bool has_mail_from; /* so that the empty sender is recorded */
	struct span mail_from, header_from;
	const struct audit_recipient *recipients;
	size_t recipient_count;
	uint64_t size; /* bytes */
	struct span message_id, relay, relay_host;
	struct span sent_as; /* the sender, in envelope and header, that the relay got instead */
	struct audit_reply response;
	struct audit_quota quota;
	struct span reason;
	bool has_duration;
	uint64_t duration_ms;
	uint64_t count;     /* how many it stands for, if it may stand for several */
	struct span detail; /* admin.command: the command */
};

struct audit;

struct audit_options {
	int fd;                   /* the file, opened read-write and append; owned */
	int state_fd;             /* where the search for orphans may begin, kept in a file of its own; owned */
	const struct secret *key; /* of the chain; NULL: chain = false */
	enum config_audit_sync sync;
	const char *node;
	/* Trouble and recovery, for the log; on the loop's thread. */
	void (*on_trouble)(void *context, const char *what);
	void *context;
};

/*
 * Starts the writer. Before it, writes message.unknown for every message.leaving
 * that has no outcome and whose process is gone (reason "crash").
 */
MUST_USE enum status audit_create(struct loop *loop, const struct audit_options *options, struct audit **out_audit);
/* Writes what is queued, syncs (unless "none"), ends the thread. */
void audit_free(struct audit **audit);

/* `written` is STATUS_OK once write(2) returned (sync = "always": once it is on disk), else STATUS_SYSTEM. */
typedef void audit_callback(void *context, enum status written);

/*
 * Queues one record. STATUS_UNAVAILABLE: the backlog is full. The callback, if
 * not NULL, is called exactly once, in a later turn.
 */
MUST_USE enum status audit_submit(struct audit *audit, const struct audit_event *event, audit_callback *callback,
				  void *context);
/* True while records can't be written: then refuse messages early. */
bool audit_is_stuck(const struct audit *audit);

#endif
