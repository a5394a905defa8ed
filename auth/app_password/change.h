/*
 * One change of the app passwords, as a line of the store says it: JSON to change and back. Lines are never changed
 * once they are written, so that two processes, or two nodes, that read them to the same place know the same.
 *
 *   {"v":2,"op":"create","id":…,"owner":ID,"user":NAME,"label":…,"salt":…,"hash":…,"iterations":4096,"stored":…,
 *    "server":…,"created":SECONDS,"expires":…,"from":[CIDR…],"senders":[…],"recipients":[…],"messages_per_day":…,
 *    "responsible":WHO,"console":1}
 *   {"v":2,"op":"revoke","id":…}
 *   {"v":2,"op":"expire","id":…,"expires":SECONDS}
 *   {"v":2,"op":"assign","id":…,"owner":ID}
 *
 * Bytes are hexadecimal. Version 1 had no "v", no SCRAM keys, no limit but one network as "from", and the operations
 * create and revoke alone: such a password belongs to "name:USER" until it is assigned.
 */
#ifndef AUTH_APP_PASSWORD_CHANGE_H
#define AUTH_APP_PASSWORD_CHANGE_H

#include "auth/app_password/password.h"
#include "auth/identity.h"
#include "base/buf.h"

#define CHANGE_LINE_MAXIMUM 8192                                /* bytes of a line, its LF included */
#define CHANGE_SCRATCH (CHANGE_LINE_MAXIMUM + IDENTITY_ID_SIZE) /* bytes that reading a line may need */
#define CHANGE_LABEL_MAXIMUM 100                                /* bytes */
#define CHANGE_LIST_MAXIMUM 1500                                /* bytes of one list of limits, separators included */

/* The texts of a password; lists have a LF between their items, and "" stands for none. */
enum app_password_text {
	APP_PASSWORD_USER, /* the name it was made with */
	APP_PASSWORD_LABEL,
	APP_PASSWORD_FROM,        /* networks */
	APP_PASSWORD_SENDERS,     /* "a@b", "@domain" */
	APP_PASSWORD_RECIPIENTS,  /* the same */
	APP_PASSWORD_RESPONSIBLE, /* who answers for a service's */
	APP_PASSWORD_TEXTS
};

enum change_operation { CHANGE_CREATE, CHANGE_REVOKE, CHANGE_EXPIRE, CHANGE_ASSIGN };

struct app_password_change {
	enum change_operation operation;
	char id[APP_PASSWORD_ID_SIZE];
	struct span owner;  /* create, assign */
	uint64_t expires_s; /* create, expire; 0: never */
	/* create alone, from here on */
	struct span texts[APP_PASSWORD_TEXTS];
	struct app_password_hash hash;
	uint64_t created_s;
	uint64_t messages_per_day; /* 0: no limit but the user's own */
	bool is_console;           /* it opens the console, and sends no mail */
};

/*
 * Reads a line without its LF. `scratch` has CHANGE_SCRATCH bytes; the change's spans are views into it and the
 * line. STATUS_INVALID: it is no such line, or one of a version to come.
 */
MUST_USE enum status change_parse(struct span line, char *scratch, struct app_password_change *out_change);
/* Appends the line, LF included. STATUS_INVALID: a text that is no UTF-8. STATUS_TOO_LARGE, STATUS_NO_MEMORY. */
MUST_USE enum status change_format(const struct app_password_change *change, struct buf *out_line);

#endif
