/*
 * Mail addresses of the envelope (RFC 5321, 4.1.2), and whether a user may use one as sender.
 */
#ifndef SMTP_ADDRESS_H
#define SMTP_ADDRESS_H

#include "base/buf.h"
#include "base/span.h"

#define ADDRESS_DOMAIN_MAXIMUM 255 /* octets; RFC 5321, 4.5.3.1.2 */
#define ADDRESS_MAXIMUM 254        /* octets of the whole: a path has 256 with its brackets; RFC 5321, 4.5.3.1.3 */

struct mailbox {
	struct span whole;  /* as it was written, without brackets and source route */
	struct span local;  /* before the last @; may be quoted */
	struct span domain; /* after it: a name, or a literal in brackets; empty only for "postmaster" and <> */
};

/*
 * Parses a mailbox alone ("user@example.com", "\"a b\"@[192.0.2.1]"). No control bytes, no spaces outside quotes; bytes
 * above 127 only with `utf8`, as valid UTF-8, and no control characters among them (U+0080 to U+009F). A literal is an
 * IPv4 address, or "IPv6:" and one. "postmaster" needs no domain (RFC 5321, 4.5.1). STATUS_INVALID. The caller decides
 * how long a local part may be.
 */
MUST_USE enum status address_read(struct span text, bool utf8, struct mailbox *out_mailbox);
bool address_is_valid(struct span text, bool utf8); /* whether address_read takes it */
/*
 * Parses a path as commands carry it, at the front of `text`: "<a@b>", "<>", "<@relay:a@b>" (the route is
 * dropped), and "a@b" without brackets as devices send it. *out_rest is what follows it.
 */
MUST_USE enum status address_read_path(struct span text, bool utf8, struct mailbox *out_mailbox, struct span *out_rest);

/*
 * Domains by their canonical form (base/domain.h), local parts without case (as all of today's providers) and by
 * content: "\"a\"@b" is "a@b". Their case is that of ASCII alone, and they are not normalized.
 * Texts without @ are compared as they stand. The empty one equals nothing.
 */
bool address_equal(struct span a, struct span b);
/*
 * True when a login as `account` may also be used for the mailbox `address`: both are valid without UTF-8, `address` is
 * not quoted, and their domain is the same.
 */
bool address_shares_domain(struct span address, struct span account);
/*
 * True when `address` is one that `pattern` allows: "a@b" that address, and "a+x@b" when `delimiter` holds '+';
 * "@domain" every address in it (none below it); "*" any; a pattern without @ a bare user name, equal as a whole.
 * An `address` that address_read refuses matches "*" only.
 */
bool address_matches(struct span address, struct span pattern, struct span delimiter);

#endif
