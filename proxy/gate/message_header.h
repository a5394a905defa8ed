/* What the gate makes of a message's header: a verdict, and the fields to put in front of it. */
#ifndef GATE_MESSAGE_HEADER_H
#define GATE_MESSAGE_HEADER_H

#include "gate/session.h"

#define ADDED_FIELDS_MAXIMUM 4096 /* bytes: Received with a long name and address, Date, Message-ID, From */

struct header_verdict {
	struct span refusal;      /* the reply to give after the data, or empty: it may pass. Static, or in the arena */
	struct span reason;       /* for the audit. Static */
	enum stats_refusal label; /* of the counter */
	struct span header_from;  /* addresses of From:, the added one too; in the session's arena */
	struct span message_id;   /* in the session's arena */
	struct span noted;        /* what sender.header = "audit" lets pass, or empty; likewise */
};

/*
 * Judges `header` (whole, in wire form) for this session and its transaction, and appends the fields to add to `added`.
 * STATUS_NO_MEMORY, STATUS_TOO_LARGE: no verdict.
 */
MUST_USE enum status message_header_judge(struct session *s, struct span header, struct buf *added,
					  struct header_verdict *out_verdict);

#endif
