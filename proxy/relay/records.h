/*
 * Audit records, filled from what the relay role knows: the grant says who, the
 * message says what. A record that must not be missing returns its status; the
 * others log that they were lost.
 */
#ifndef RELAY_RECORDS_H
#define RELAY_RECORDS_H

#include "audit/audit.h"
#include "door/messages.h"
#include "relay/grants.h"
#include "relay/rations.h"
#include "relay/recipients.h"

#define GATE_TEXT_MAXIMUM 512 /* bytes of a short text that a gate gives; longer ones are cut */

void records_session_opened(struct audit *audit, uint32_t gate, const struct door_session_opened *message);
/* `grant`: of this session, or NULL where nobody logged in. */
void records_session_closed(struct audit *audit, uint32_t gate, const struct door_session_closed *message,
			    const struct grant *grant);
void records_session_refused(struct audit *audit, const struct door_session_refused *message);
void records_sessions_anonymous(struct audit *audit, const struct door_sessions_anonymous *message);
/* Its right was withdrawn, as `reason` says. */
void records_session_ended(struct audit *audit, const struct grant *grant, struct span reason);
void records_user_locked(struct audit *audit, const struct door_user_locked *message);
void records_auth_success(struct audit *audit, const struct grant *grant);
void records_auth_failure(struct audit *audit, const struct door_auth_failed *message);
void records_quota_exceeded(struct audit *audit, const struct grant *grant, const struct quota_state *state);
void records_user_alert(struct audit *audit, const struct grant *grant, struct span reason);
/* `state->unit`: what is reached, in words. */
void records_quota_warning(struct audit *audit, const struct grant *grant, const struct quota_state *state);
/* As audit_submit. */
MUST_USE enum status records_command(struct audit *audit, const struct door_command_record *message,
				     audit_callback *callback, void *context);
/* A gate refused before the relay saw anything of it; `grant` may be NULL. */
void records_gate_refused(struct audit *audit, const char *session, const struct grant *grant, struct span mail_from,
			  struct span reply, struct span reason);

/* One message, as its records show it. Borrowed texts; empty ones don't appear. */
struct record_message {
	const struct grant *grant;
	const char *id;
	struct span helo, mail_from, header_from, message_id;
	const struct recipients *recipients;
	uint64_t size;
	unsigned attempt; /* 0: none */
	struct span relay, relay_host, sent_as, redirected_to;
	struct span digest;   /* of the message as it left */
	struct span response; /* our text form */
	struct span reason;
	struct audit_quota quota;
	struct span shared_quota; /* as in audit_event, and these */
	struct span alike;
	struct buf *out_alike;
	bool is_ahead; /* as in audit_event */
	bool has_duration;
	uint64_t duration_ms;
};

/* Redis has lost counts, and how that shows. */
void records_quota_lost(struct audit *audit, struct span reason);
/* Which of our certificates ends, and when. */
void records_certificate_expiring(struct audit *audit, struct span reason);
/* This node's part of today's counts, so many messages, is in Redis again. */
void records_quota_rebuilt(struct audit *audit, uint64_t messages, uint64_t duration_ms);

/* As audit_submit; STATUS_NO_MEMORY too. */
MUST_USE enum status records_message(struct audit *audit, enum audit_type type, const struct record_message *message,
				     audit_callback *callback, void *context);

#endif
