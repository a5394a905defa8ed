/*
 * A sender to a syslog server: over TLS (RFC 5425), TCP (RFC 6587, octet counting) or UDP (RFC 5426).
 *
 * Syslog has no acknowledgement. Over TLS and TCP a batch counts as arrived once the server's kernel has acknowledged
 * all of its bytes; what it had not read then is lost if it dies, so that what was acknowledged less than
 * SYSLOG_SETTLE_MS before a connection ends is sent again. A datagram counts once it is sent.
 */
#ifndef EXPORT_SYSLOG_H
#define EXPORT_SYSLOG_H

#include "config/config.h"
#include "export/sender.h"
#include "net/resolver.h"

#define SYSLOG_SETTLE_MS 2000

struct syslog_options {
	struct loop *loop;
	struct resolver *resolver;   /* outlives the sender */
	struct config_syslog server; /* its host is the configuration's, which outlives the sender */
	struct span ca_pem;          /* TLS: empty: the system's */
	struct sender_handler handler;
};

/* STATUS_INVALID: the CA's certificates can't be used; out_error, the caller's to free, says why. */
MUST_USE enum status syslog_create(const struct syslog_options *options, struct sender **out_sender, char **out_error);

#endif
