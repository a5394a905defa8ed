/*
 * Calls to a URL about what needs attention: a POST of JSON for each, signed with a shared secret, from a spool that
 * outlives this process, until the receiver says 2xx. conf/webhook.md tells receivers what comes.
 */
#ifndef EXPORT_WEBHOOK_H
#define EXPORT_WEBHOOK_H

#include "base/secret.h"
#include "net/loop.h"
#include "stats/stats.h"

struct webhook;

struct webhook_options {
	struct loop *loop;
	struct stats *stats;
	const char *url; /* outlives it, as all texts here */
	const char *node;
	const struct secret *secret; /* of the signature */
	struct span ca_pem;          /* empty: the system's */
	int spool_fd;                /* owned */
	/* For the log: calls fail, succeed again, or are lost. On the loop's thread. */
	void (*on_news)(void *context, bool is_well, const char *what);
	void *context;
};

/* What a call says; views during webhook_post. Bytes that are not UTF-8 become U+FFFD. */
struct webhook_call {
	struct span kind, severity, user, subject, text;
	uint64_t time_us;
};

MUST_USE enum status webhook_create(const struct webhook_options *options, struct webhook **out_webhook);
/* Never waits. What can't be queued is counted as lost. */
void webhook_post(struct webhook *webhook, const struct webhook_call *call);
/* Another process makes the calls from now on. */
void webhook_release(struct webhook *webhook);
/* A call under way is given up, and made by the next process. NULL-safe. */
void webhook_free(struct webhook **webhook);

#endif
