/*
 * A visit: one request of a browser, from its first line to its answer. What it says is text of a stranger's; whoever
 * answers it decides what that may do.
 */
#ifndef CONSOLE_VISIT_H
#define CONSOLE_VISIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/map.h"

/* Bytes of a body: what a request of the control socket may have. */
#define VISIT_BODY_MAXIMUM 65536

struct MHD_Connection;
struct site;
struct supply;

/* What the browser gets. All texts are the answerer's own; `body` is taken over. */
struct visit_answer {
	unsigned code;        /* of HTTP; 0: not known yet */
	const char *type;     /* static */
	const char *allow;    /* static: for 405; NULL */
	char *cookie;         /* the whole of Set-Cookie, on the heap; NULL */
	char *login_cookie;   /* the same, of a login at a provider */
	const char *refresh;  /* static: the page that follows by itself; NULL */
	char *location;       /* where to go on, on the heap: for 303; NULL */
	bool is_stream;       /* it is read as it comes, and its connection ends with it */
	bool may_be_kept;     /* by the browser for a while: it is the same for everybody */
	unsigned retry_after; /* seconds; 0: not said */
	char file[64]; /* the name under which it is kept, of letters, digits, dashes and dots; "": it is shown */
	struct buf body;
	struct supply *supply; /* in the body's place; taken over. NULL */
};

struct visit {
	struct map_link by_number; /* while it waits in the site's map */
	struct site *site;
	struct MHD_Connection *connection;
	uint64_t number;
	char *method, *path; /* the path as the library decoded it */
	struct buf body;     /* sensitive: a password may be in it */
	bool is_asked;       /* its owner was, how to answer it */
	bool is_suspended;   /* in the library, which calls again once it is resumed */
	struct visit_answer answer;
};

/* NULL without memory. */
struct visit *visit_create(struct site *site, struct MHD_Connection *connection, const char *method, const char *path);
void visit_free(struct visit **visit); /* NULL-safe; sets to NULL */
/* A header field of the request; empty where there is none. Of several the first. */
struct span visit_field(const struct visit *visit, const char *name);
/* The same, but of several the last: what a web server added after those of a browser. */
struct span visit_last_field(const struct visit *visit, const char *name);
/* Sets the answer: a text that needs no escaping. */
void visit_set_text(struct visit *visit, unsigned code, const char *type, struct span text);
/* Hands the answer to the library. False: it can't be, and the connection ends. */
bool visit_send(struct visit *visit, bool has_tls, bool is_last);

#endif
