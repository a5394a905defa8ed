/*
 * A directory, seen from the loop: questions go to threads, answers come back
 * as callbacks. Password checks and look-ups have threads of their own, so that
 * app passwords never wait in line with LDAP logins.
 */
#ifndef AUTH_LDAP_DIRECTORY_H
#define AUTH_LDAP_DIRECTORY_H

#include "auth/ldap/trust.h"
#include "auth/ldap/worker.h"
#include "net/jobs.h"

struct directory;

struct directory_ask; /* a question under way */

/* What proves to a directory who we are. */
struct directory_proof {
	const struct secret *bind_password;
	struct ldap_client client;
};

/*
 * `config` lives longer; the bind password is copied. Reads the CA file: before
 * the sandbox. Logs why it failed. `index` is that of the config's section, for the gauge.
 */
MUST_USE enum status directory_create(struct loop *loop, const struct config_ldap *config,
				      const struct directory_proof *proof, struct stats *stats, unsigned index,
				      struct directory **out_directory);
void directory_free(struct directory **directory); /* NULL-safe; sets to NULL; answers under way are dropped */

/*
 * `owner` is the gate whose client asks: gates take turns (net/jobs.h). `password` NULL: a look-up. Else it is tried
 * on `user` alone, or on whoever is found when that is NULL: a directory finds one user by many spellings of their
 * name, and guesses must count against the user, not against a spelling. `on_answer` is called once, later, unless
 * the question is forgotten before, and with VERDICT_UNAVAILABLE when the deadline passed; the answer is valid during
 * the call. STATUS_UNAVAILABLE: too many wait already.
 */
MUST_USE enum status directory_question(struct directory *directory, uint64_t owner, const char *name, const char *user,
					const struct secret *password,
					void (*on_answer)(void *context, const struct ldap_request *answer),
					void *context, struct directory_ask **out_ask);
/* A look-up whose answer has the steps that led to it, for an administrator. */
MUST_USE enum status directory_explain(struct directory *directory, const char *name,
				       void (*on_answer)(void *context, const struct ldap_request *answer),
				       void *context, struct directory_ask **out_ask);
void directory_forget(struct directory_ask **ask); /* NULL-safe; sets to NULL */

#endif
