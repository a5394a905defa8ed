/*
 * The files with certificates, keys and passwords that a config names: where they are, what they hold, and which roles
 * get them. Which role gets which secret is decided here alone.
 */
#ifndef SUPERVISE_SECRET_FILES_H
#define SUPERVISE_SECRET_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "config/config.h"

enum secret_content {
	SECRET_CONTENT_TEXT,    /* anybody may read it */
	SECRET_CONTENT_LINE,    /* a password, without the line end that editors leave */
	SECRET_CONTENT_ACCOUNT, /* a key in a form of its own */
	/* PEM from here on: what renews by itself. */
	SECRET_CONTENT_SERVER,      /* a certificate and its chain; its key is the next file of the list */
	SECRET_CONTENT_NAMED,       /* the same, which clients choose by a name */
	SECRET_CONTENT_CLIENT,      /* the same, which we show to servers */
	SECRET_CONTENT_KEY,         /* of the certificate before it */
	SECRET_CONTENT_AUTHORITIES, /* that others' certificates come from */
	SECRET_CONTENT_REVOKED,     /* by the authorities before it in the list */
};

/* Whether it holds certificates, keys of theirs, or what was revoked. */
bool secret_content_renews(enum secret_content content);
/* Whether it is a certificate of ours. */
bool secret_content_is_ours(enum secret_content content);
/* Whether others may not read it. */
bool secret_content_is_private(enum secret_content content);

/* Texts are the list's own, so that it may outlive the config. */
struct secret_file {
	char *name;  /* of the descriptor that roles get (role/role.h) */
	char *label; /* "relay gmail.ca_file" */
	char *path;
	unsigned line;
	enum secret_content content;
	unsigned roles; /* 0: those that need it read it by its path */
};

struct secret_files {
	char *config_file; /* for messages */
	bool tls13_only;   /* of servers */
	struct secret_file *items;
	size_t count;
};

/* Those that renew alone, or all. STATUS_NO_MEMORY. */
MUST_USE enum status secret_files_list(const struct config *config, bool renewing, struct secret_files *out_files);
void secret_files_free(struct secret_files *files); /* safe on an empty one */

#define SECRET_FILES_AUTO __attribute__((cleanup(secret_files_free)))

#endif
