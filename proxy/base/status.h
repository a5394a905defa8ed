/*
 * The one result type. A function that can fail returns `enum status`, must
 * be checked, and leaves its outputs untouched unless it returns STATUS_OK.
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

enum status {
	STATUS_OK = 0,
	STATUS_AGAIN,     /* not now: more input, or room, is needed first */
	STATUS_END,       /* orderly end of a stream or of a list */
	STATUS_INVALID,   /* malformed input; the peer's or the user's fault */
	STATUS_TOO_LARGE, /* a declared maximum would be passed */
	STATUS_NO_MEMORY,
	STATUS_NOT_FOUND,
	STATUS_REFUSED,     /* understood, and answered with no */
	STATUS_UNAVAILABLE, /* a service that we depend on can't answer */
	STATUS_TIMEOUT,
	STATUS_SYSTEM, /* a system call failed; errno tells why */
};

#define MUST_USE __attribute__((warn_unused_result))

/* Returns early with whatever is not STATUS_OK. */
#define TRY(expression)                             \
	do {                                        \
		enum status status_ = (expression); \
		if (status_ != STATUS_OK)           \
			return status_;             \
	} while (0)

/* A short word for a log line, such as "timeout". Static, never NULL. */
const char *status_text(enum status status);

#endif
