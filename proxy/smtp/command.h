/*
 * Command lines (RFC 5321, 4.1.1, with what real clients send): verb and argument, and the paths of MAIL and RCPT.
 */
#ifndef SMTP_COMMAND_H
#define SMTP_COMMAND_H

#include "smtp/address.h"

#define COMMAND_LINE_MAXIMUM 2048       /* bytes, CRLF included; RFC 5321 says 512, extensions add */
#define COMMAND_AUTH_LINE_MAXIMUM 16384 /* bytes of a line within AUTH; RFC 4954, 4: 12288 at least */

enum verb {
	VERB_UNKNOWN,
	VERB_EHLO,
	VERB_HELO,
	VERB_STARTTLS,
	VERB_AUTH,
	VERB_MAIL,
	VERB_RCPT,
	VERB_DATA,
	VERB_BDAT,
	VERB_RSET,
	VERB_NOOP,
	VERB_VRFY,
	VERB_HELP,
	VERB_QUIT,
	VERB_COUNT
};

struct smtp_command {
	enum verb verb;
	struct span name;     /* as the client wrote it */
	struct span argument; /* what follows, trimmed */
};

/*
 * Takes one line off the front of `bytes`. A line ends with CRLF; a bare LF ends it too, as old devices send it, for
 * commands only, never in data. STATUS_AGAIN: no whole line yet; STATUS_TOO_LARGE: longer than `maximum`;
 * STATUS_INVALID: there is a NUL or a stray CR in it (*out_used tells where it ends).
 */
MUST_USE enum status command_take_line(struct span bytes, size_t maximum, struct span *out_line, size_t *out_used);
struct smtp_command command_read(struct span line);

/*
 * The sender that MAIL names: "FROM:<a@b> SIZE=1"; *out_parameters is what follows the path, for parameters_read_mail.
 * STATUS_NOT_FOUND: it does not begin with "FROM:"; STATUS_INVALID: no path follows, or one without a domain, which
 * can't be a sender.
 */
MUST_USE enum status command_read_sender(struct span argument, struct mailbox *out_sender, struct span *out_parameters);
/* The recipient that RCPT names: "TO:<a@b>", in the same way. The empty path is none; "postmaster" is one. */
MUST_USE enum status command_read_recipient(struct span argument, struct mailbox *out_recipient,
					    struct span *out_parameters);

#endif
