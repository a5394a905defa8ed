/* What the relay says of its audit: of the disk to administrators, in log and metrics; of the chain to other nodes. */
#ifndef RELAY_AUDIT_WATCH_H
#define RELAY_AUDIT_WATCH_H

#include "audit/audit.h"
#include "relay/earlier_audit.h"
#include "relay/services.h"

struct anchor;
struct peers;

struct audit_watch {
	struct services *services;
	struct audit_health health; /* as it was last told */
	bool is_low;                /* less room than audit.low_space, as was told */
	bool is_draining;
	struct peers *peers;   /* NULL: the audit has no chain, or Redis is not open */
	struct anchor *anchor; /* NULL: heads go to no syslog daemon */
	bool is_adrift;        /* it takes no heads, as was told */
};

/*
 * Makes services->audit, which goes on in `fd`, and watches it; the watch is zeroed but for `services`. Takes `fd`.
 * STATUS_NOT_FOUND: a descriptor was not handed over.
 */
MUST_USE enum status audit_watch_open(struct audit_watch *watch, int fd, const struct earlier_audit *earlier);
/* The watch is the context of all three. */
void audit_watch_take_trouble(void *context, bool is_well, const char *what);
void audit_watch_take_health(void *context, const struct audit_health *health);
/* A checkpoint was signed: those who keep it outside of this node hear of it. */
void audit_watch_take_statement(void *context, const struct audit_statement *statement);
/* Once there are audit and Redis: tells of a new key, and other nodes. Nothing where there is no chain. */
MUST_USE enum status audit_watch_begin_chain(struct audit_watch *watch, struct redis *redis);
void audit_watch_end_chain(struct audit_watch *watch); /* after Redis: other nodes hear no more */
/* Frees services->audit, and tells of its last checkpoint. */
void audit_watch_close(struct audit_watch *watch);
/* The next relay tells of the disk from now on. */
void audit_watch_drain(struct audit_watch *watch);

#endif
