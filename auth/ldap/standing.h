/*
 * Whether the person of an entry may come in, by the attributes that directories mark accounts with. Pure.
 *
 * It is about the person. What is about their password alone (too many wrong ones, too old a one) is said by the
 * directory when that is tried, and does not end app passwords: else whoever guesses at a password would stop them.
 */
#ifndef AUTH_LDAP_STANDING_H
#define AUTH_LDAP_STANDING_H

#include "auth/identity.h"

/* Where the attributes of an entry are read. */
struct standing_source {
	/* Its first value; NULL data: it has none, or none that we may read. */
	struct span (*value_of)(void *context, const char *attribute);
	void *context;
};

/* The attribute that stands at `index` in the table; NULL after the last. */
char *standing_attribute(size_t index);
/* Whose attribute it is. */
enum standing_server {
	STANDING_ACTIVE_DIRECTORY,
	STANDING_OPENLDAP,
	STANDING_389DS,
	STANDING_FREEIPA, /* besides those of 389 Directory Server */
};
enum standing_server standing_server(size_t index);
/* A value that it could have, to compare with; NULL but for STANDING_OPENLDAP. */
const char *standing_sample(size_t index);
/* At `now_s`, Unix time. What is there and can't be understood says no. */
enum standing standing_judge(const struct standing_source *source, int64_t now_s);

#endif
