/*
 * What clients hear from the relay role: our own refusals, each written once here, and the upstream's words, let
 * through only where they are about the message and never where they are about us (upstream/FIELD.md).
 */
#ifndef RELAY_ANSWERS_H
#define RELAY_ANSWERS_H

#include "base/buf.h"
#include "base/span.h"
#include "smtp/size.h"

#define ANSWER_NOT_GRANTED SPAN("530 5.7.0 Authentication required")
#define ANSWER_ENDED SPAN("530 5.7.0 This session was ended, please log in again")
#define ANSWER_LOCKED SPAN("550 5.7.1 This account is locked")
#define ANSWER_UNUSUAL SPAN("451 4.7.1 Unusual mail from this account; try again in an hour, or ask your administrator")
#define ANSWER_UNCHECKED SPAN("451 4.3.0 Your account can't be checked now; try again later")
#define ANSWER_BAD_SENDER SPAN("501 5.1.7 Bad sender address syntax")
#define ANSWER_BAD_PARAMETERS SPAN("501 5.5.4 Bad parameters of MAIL")
#define ANSWER_BAD_RECIPIENT SPAN("501 5.1.3 Bad recipient address syntax")
#define ANSWER_SENDER_REFUSED SPAN("553 5.7.1 Sender address not owned by the user who logged in")
#define ANSWER_TOO_MANY_RECIPIENTS SPAN("452 4.5.3 Too many recipients")
#define ANSWER_TOO_MANY_TRANSACTIONS SPAN("451 4.7.1 Too many messages of yours are under way; try again later")
#define ANSWER_PROBING SPAN("450 4.7.1 Too many of your recipients were refused lately; try again later")
#define ANSWER_AUDIT_STUCK SPAN("451 4.3.0 Audit unavailable; try again later")
#define ANSWER_QUOTA_UNKNOWN SPAN("451 4.3.0 Quota service unavailable; try again later")
#define ANSWER_NO_ROUTE SPAN("451 4.3.5 No relay is configured for this user")
#define ANSWER_NO_MEMORY SPAN("451 4.3.0 Out of memory; try again later")
#define ANSWER_UPSTREAM_TRANSPORT SPAN("451 4.4.1 Relay not available; try again later")
#define ANSWER_UPSTREAM_LOGIN SPAN("451 4.3.5 The relay does not accept our login; try again later")
#define ANSWER_UPSTREAM_BUSY SPAN("451 4.3.2 The relay takes no more mail from us for now; try again later")
#define ANSWER_UNKNOWN SPAN("451 4.4.2 Connection to the relay lost; the message may have been delivered")
#define ANSWER_TOO_LARGE SPAN(SIZE_REFUSAL)
#define ANSWER_SPOOL_FULL SPAN("452 4.3.1 No room for this message now; try again later")
#define ANSWER_SPOOL_SHARE SPAN("452 4.3.1 Your messages under way take too much room; try again later")
#define ANSWER_SPOOL_FAILED SPAN("451 4.3.0 Storage failed; try again later")
#define ANSWER_BAD_DATA SPAN("554 5.6.0 Message data malformed")
#define ANSWER_NO_RECIPIENTS SPAN("554 5.5.1 No valid recipients")
#define ANSWER_TRANSACTION_OVER \
	SPAN("451 4.4.2 The transaction was given up after a long silence; please send it again")
#define ANSWER_SHUTTING_DOWN SPAN("451 4.3.2 Shutting down; try again later")

/* A 2xx reply. */
bool answers_is_accepted(struct span reply);
/* A 4xx or 5xx reply: whoever said it does not have the message. */
bool answers_is_refusal(struct span reply);
/*
 * An upstream's reply as the client may hear it: itself, or ANSWER_UPSTREAM_TRANSPORT
 * where it is no 2xx, 4xx or 5xx reply, or is about the connection (421) or our
 * login (53x).
 */
struct span answers_pass(struct span reply);

/* "250 2.0.0 <the upstream's text> [id]" */
MUST_USE enum status answers_write_accepted(struct buf *b, struct span upstream, const char *id);

#endif
