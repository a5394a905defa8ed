/*
 * The parameters of MAIL and RCPT (RFC 5321, 4.1.2: esmtp-param) that we know, as clients write them, and as they go on
 * from gate to relay.
 */
#ifndef SMTP_PARAMETERS_H
#define SMTP_PARAMETERS_H

#include "base/buf.h"
#include "base/span.h"

/* Those of MAIL. Spans are views, and empty where the parameter is missing. */
struct mail_parameters {
	bool has_size;
	uint64_t size; /* bytes; RFC 1870 */
	bool has_body;
	bool eight_bit;    /* BODY=8BITMIME; RFC 6152 */
	bool has_auth;     /* AUTH=…; taken, and not passed on */
	bool smtputf8;     /* addresses and header may hold UTF-8; RFC 6531, 3.4 */
	struct span ret;   /* RET: FULL or HDRS; RFC 3461, 4.3 */
	struct span envid; /* ENVID: xtext, at most PARAMETERS_ENVID_MAXIMUM; RFC 3461, 4.4 */
};

/* Those of RCPT. */
struct rcpt_parameters {
	struct span notify; /* NOTIFY: NEVER, or some of SUCCESS, FAILURE, DELAY; RFC 3461, 4.1 */
	struct span orcpt;  /* ORCPT: "rfc822;" and xtext; RFC 3461, 4.2 */
};

#define PARAMETERS_ENVID_MAXIMUM 100 /* bytes; RFC 3461, 4.4 */
#define PARAMETERS_ORCPT_MAXIMUM 500 /* bytes; RFC 3461, 4.2 */
/* Bytes of all of them as text. */
#define PARAMETERS_MAIL_TEXT_MAXIMUM (64 + PARAMETERS_ENVID_MAXIMUM)
#define PARAMETERS_RCPT_TEXT_MAXIMUM (64 + PARAMETERS_ORCPT_MAXIMUM)

/*
 * "SIZE=1 BODY=8BITMIME", separated by spaces or tabs, in any order, each once.
 * STATUS_INVALID: one is malformed or repeated; STATUS_NOT_FOUND: one is not known, or a BODY that is not
 * offered (BINARYMIME), and none is malformed.
 */
MUST_USE enum status parameters_read_mail(struct span text, struct mail_parameters *out_parameters);
MUST_USE enum status parameters_read_rcpt(struct span text, struct rcpt_parameters *out_parameters);

/* Appends them as text that the readers above take, separated by one space. AUTH is left out. */
MUST_USE enum status parameters_write_mail(struct buf *out, const struct mail_parameters *parameters);
MUST_USE enum status parameters_write_rcpt(struct buf *out, const struct rcpt_parameters *parameters);

#endif
