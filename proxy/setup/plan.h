/* What setup is about to make of a machine: what was there, and what was answered. Owns all of it; secrets wipe. */
#ifndef SETUP_PLAN_H
#define SETUP_PLAN_H

#include <limits.h>

#include "config/config.h"
#include "setup/ask.h"

#define PLAN_USER "subgate"

struct relay_kind;

struct plan_directory {
	char kind[ASK_SIZE];
	char address[ASK_SIZE]; /* one or more, with blanks between them */
	char authority[ASK_SIZE];
	char searcher[ASK_SIZE];
	char base[ASK_SIZE];
	struct secret password; /* empty: the one that is there stays */
};

struct plan_relay {
	const struct relay_kind *kind;
	char host[ASK_SIZE];
	char port[ASK_SIZE];
	char tls[ASK_SIZE];
	char auth[ASK_SIZE];
	char authority[ASK_SIZE];
	char user[ASK_SIZE];
	char tenant[ASK_SIZE];
	char application[ASK_SIZE];
	struct secret password; /* or the application's secret; empty: the one that is there stays */
};

struct plan {
	char file[PATH_MAX];   /* the configuration, absolute */
	char folder[PATH_MAX]; /* that it is in */
	struct buf text;       /* what it holds now; empty: nothing */
	struct config *config; /* the same; NULL: nothing */
	char hostname[ASK_SIZE];
	char certificate[ASK_SIZE];
	char key[ASK_SIZE];
	bool is_self_signed;
	struct secret certificate_pem; /* to be written; empty: the files are there */
	struct secret key_pem;
	const char *renewal; /* what the keeper of the certificate must be told; "" for nothing */
	char renewal_text[4 * ASK_SIZE];
	bool keeps_users; /* as they are configured: not asked */
	bool has_directory;
	struct plan_directory directory;
	bool keeps_relays;
	struct plan_relay relay;
	char daily_limit[ASK_SIZE];
	char admin_group[ASK_SIZE];
	char admin_user[ASK_SIZE];
	char notices[ASK_SIZE];
};

/*
 * Reads what is there; `file` need not exist. STATUS_INVALID: it has faults, which are on `errors`. The plan is the
 * caller's to free in any case.
 */
MUST_USE enum status plan_open(const char *file, FILE *errors, struct plan *out_plan);
void plan_free(struct plan *plan);

/* The only directory, and the only relay, that is configured; NULL: none. */
const struct config_ldap *plan_former_directory(const struct plan *plan);
const struct config_relay *plan_former_relay(const struct plan *plan);

/* The files of secrets: where one is configured, or else the usual place. Absolute. */
MUST_USE enum status plan_directory_secret(const struct plan *plan, char out_path[PATH_MAX]);
MUST_USE enum status plan_relay_secret(const struct plan *plan, char out_path[PATH_MAX]);
/* The section's name: the former one's where it goes on, or else the kind's. */
const char *plan_relay_name(const struct plan *plan);
bool plan_relay_goes_on(const struct plan *plan);

/* The new configuration. `is_staged`: new files are named as they are written at first (setup/stage.h). */
MUST_USE enum status plan_write(const struct plan *plan, bool is_staged, struct buf *out_text);
/*
 * A configuration by which the directory can be asked now. `secret`: the path of the searcher's password. What counts
 * is absolute in it, as it is read from elsewhere.
 */
MUST_USE enum status plan_write_trial(const struct plan *plan, const char *secret, struct buf *out_text);

#endif
