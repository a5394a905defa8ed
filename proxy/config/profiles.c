/*
 * The rows. Names are those of each product's own schema. Active Directory follows groups of groups by a matching rule
 * (1.2.840.113556.1.4.1941), 389 Directory Server and FreeIPA by memberOf; OpenLDAP may have no memberOf at all.
 */
#include "config/profiles.h"

#include <string.h>

struct profile_row {
	enum config_profile profile;
	const char *option;
	const char *value;
};

static const struct profile_row rows[] = {
	{ PROFILE_ACTIVE_DIRECTORY, "filter",
	  "(&(objectCategory=person)(objectClass=user)(|(sAMAccountName=%u)(userPrincipalName=%u)(mail=%u)))" },
	{ PROFILE_ACTIVE_DIRECTORY, "id_attribute", "objectGUID" },
	{ PROFILE_ACTIVE_DIRECTORY, "sender_attributes", "mail,proxyAddresses" },
	{ PROFILE_ACTIVE_DIRECTORY, "group_filter", "(&(objectCategory=group)(member:1.2.840.113556.1.4.1941:=%d))" },
	{ PROFILE_OPENLDAP, "filter", "(&(objectClass=person)(|(uid=%u)(mail=%u)))" },
	{ PROFILE_OPENLDAP, "id_attribute", "entryUUID" },
	{ PROFILE_OPENLDAP, "group_filter", "(|(member=%d)(uniqueMember=%d))" },
	{ PROFILE_389DS, "filter", "(&(objectClass=person)(|(uid=%u)(mail=%u)))" },
	{ PROFILE_389DS, "id_attribute", "nsUniqueId" },
	{ PROFILE_389DS, "group_filter", "(|(member=%d)(uniqueMember=%d))" },
	{ PROFILE_FREEIPA, "filter", "(&(objectClass=person)(|(uid=%u)(krbPrincipalName=%u)(mail=%u)))" },
	{ PROFILE_FREEIPA, "id_attribute", "nsUniqueId" },
	{ PROFILE_FREEIPA, "sender_attributes", "mail,mailAlternateAddress" },
};

const char *profiles_default(enum config_profile profile, const char *option)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].profile == profile && strcmp(rows[i].option, option) == 0)
			return rows[i].value;
	return NULL;
}

const char *profiles_text(enum config_profile profile)
{
	static const char *const texts[] = {
		[PROFILE_GENERIC] = "generic",   [PROFILE_ACTIVE_DIRECTORY] = "active_directory",
		[PROFILE_OPENLDAP] = "openldap", [PROFILE_389DS] = "389ds",
		[PROFILE_FREEIPA] = "freeipa",
	};
	return texts[profile];
}
