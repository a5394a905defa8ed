/*
 * One message handed in at a submission server, as a mail client does it: over TLS, with a login; waiting, for programs
 * without a loop. The dialog is told line by line; the login's secret is not in it.
 */
#ifndef NET_SUBMISSION_H
#define NET_SUBMISSION_H

#include "base/secret.h"

#define SUBMISSION_REASON_SIZE 256 /* bytes, the NUL included */

struct submission {
	const char *name;    /* of the server: its certificate must have it */
	const char *address; /* where it is connected to, "127.0.0.1" or "[::1]" */
	unsigned port;
	bool is_starttls;
	struct span trusted_pem; /* the certificates that count, besides none of the system's */
	const char *user;
	const struct secret *password;
	const char *from;
	const char *to;
	struct span message; /* lines end in CRLF */
	unsigned timeout_ms;
	/* "C" for what we say, "S" for what the server says, "*" for what is done besides; without line ends. */
	void (*on_line)(void *context, const char *who, struct span line);
	bool (*is_cancelled)(void); /* may be NULL */
	void *context;
};

/* STATUS_OK: the server took it. STATUS_UNAVAILABLE: out_reason says why not, for people. */
MUST_USE enum status submission_send(const struct submission *submission, char out_reason[SUBMISSION_REASON_SIZE]);

#endif
