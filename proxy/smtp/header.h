/*
 * The header of a message (RFC 5322), read once while it passes: which fields it has, and the addresses of From:.
 */
#ifndef SMTP_HEADER_H
#define SMTP_HEADER_H

#include "base/buf.h"
#include "base/span.h"

#define HEADER_MAXIMUM (256U << 10) /* bytes; then 552 5.3.4 */

/*
 * Where the header ends: after its last field, before the empty line or a line that is no field. Where no empty line
 * follows, whoever adds fields adds one too, or a reader that skips such lines would find fields after them.
 * `complete`: no more bytes come. STATUS_AGAIN: not seen yet; STATUS_TOO_LARGE: not within HEADER_MAXIMUM.
 */
MUST_USE enum status header_find_end(struct span bytes, bool complete, size_t *out_size);

/*
 * The mbox lines ("From root Mon Nov 23 …", ">From …") that cron and old tools put before a header, at the front of
 * `bytes`: *out_size is what they take, 0 where there are none, or where no field follows: then it is text.
 * STATUS_AGAIN and STATUS_TOO_LARGE as above.
 */
MUST_USE enum status header_measure_mbox(struct span bytes, bool complete, size_t *out_size);

struct header_facts {
	unsigned from_count; /* fields named From */
	bool has_date;
	bool has_message_id;
	bool is_8bit;            /* bytes above 127 in the header */
	struct span message_id;  /* a view: <…>, or empty */
	unsigned received_count; /* a loop shows here */
};

/*
 * `header`: the whole header, wire form. *out_facts is told in any case. `addresses` gets the addresses of all From:
 * fields, separated by LF: every one that a lenient reader may take for an author, so that all of them must be the
 * user's; in a quoted name those count whose domain has a dot. They are as address_read takes them, or without a domain
 * ("From: root").
 *
 * STATUS_INVALID: readers would disagree about a From: field (nested or unclosed brackets, quotes, comments; routes;
 * an address within a comment; square brackets or lone dots in a name; encoded words in charsets that can hide an @;
 * control bytes; no address at all), or the header is not wire form.
 * STATUS_TOO_LARGE, STATUS_NO_MEMORY.
 */
MUST_USE enum status header_read(struct span header, struct header_facts *out_facts, struct buf *addresses);

/*
 * The addresses of Sender:, Resent-From: and Resent-Sender:, in the same way; none where there is no such field. Some
 * readers show them as the sender, instead of From: ("on behalf of"). STATUS_INVALID, and the others, as above.
 */
MUST_USE enum status header_read_senders(struct span header, struct buf *addresses);

/*
 * The header as a relay wants it that takes mail of `account` alone: From: is that address, with the name that stood
 * there; the former author goes to Reply-To:, unless there is one; Sender: goes away, as From: is the sender now (RFC
 * 5322, 3.6.2). All other fields stay, byte by byte. A header whose authors are `account` already stays as it is.
 * `header` is as header_find_end found it; appended to `out`, wire form. STATUS_NO_MEMORY, STATUS_TOO_LARGE.
 */
MUST_USE enum status header_rewrite_sender(struct span header, struct span account, struct buf *out);

#endif
