/*
 * The users of the roles, looked up once. Owns nothing. A missing user is a fault of the set-up, reported with its
 * cure.
 */
#include "supervise/identities.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

static enum status find_user(const char *name, unsigned line, const struct config *config, FILE *faults,
			     struct identity *out_identity)
{
	const struct passwd *entry = getpwnam(name);
	if (entry == NULL) {
		fprintf(faults,
			"%s:%u: user: there is no user \"%s\"; make it with `useradd --system --shell "
			"/usr/sbin/nologin %s`,"
			" or set user = \"\" to run all as one user (weaker)\n",
			config->file, line, name, name);
		return STATUS_NOT_FOUND;
	}
	if (entry->pw_uid == 0) {
		fprintf(faults, "%s:%u: user: \"%s\" is root; expected a user without privileges\n", config->file, line,
			name);
		return STATUS_REFUSED;
	}
	*out_identity = (struct identity){ .changes = true, .uid = entry->pw_uid, .gid = entry->pw_gid };
	return STATUS_OK;
}

/* Where all stay root, a group that is missing leaves the socket to the others. */
static enum status find_group(const struct config *config, const char *option, const char *name, FILE *faults,
			      gid_t *out_group)
{
	const struct group *entry = name[0] ? getgrnam(name) : NULL;
	if (name[0] == '\0' || (entry == NULL && config->global.user[0] == '\0'))
		return STATUS_OK;
	if (entry == NULL) {
		fprintf(faults,
			"%s:%u: admin.%s: there is no group \"%s\"; make it with `groupadd --system %s`, or set "
			"%s = \"\"\n",
			config->file, config->admin.line, option, name, name, option);
		return STATUS_NOT_FOUND;
	}
	*out_group = entry->gr_gid;
	return STATUS_OK;
}

static enum status find_role_user(const struct config *config, enum role_kind kind, FILE *faults,
				  struct identity *out_identity)
{
	char name[128];
	snprintf(name, sizeof(name), "%s-%s", config->global.user, role_kind_text(kind));
	return find_user(name, config->global.line, config, faults, out_identity);
}

/* All of them, so that one run tells of every one missing. */
static enum status find_users(const struct config *config, FILE *faults, struct identities *found)
{
	enum status worst = find_user(config->global.user, config->global.line, config, faults, &found->redis);
	for (enum role_kind kind = ROLE_GATE; kind < ROLE_KINDS; kind++) {
		if (kind == ROLE_CONSOLE && config->console.address.count == 0)
			continue;
		enum status status = find_role_user(config, kind, faults, &found->role[kind]);
		worst = worst == STATUS_OK ? status : worst;
	}
	return worst;
}

enum status identities_find(const struct config *config, FILE *faults, struct identities *out_identities)
{
	struct identities found = { .admin_group = (gid_t)-1, .operator_group = (gid_t)-1 };
	if (geteuid() == 0) {
		enum status users = config->global.user[0] ? find_users(config, faults, &found) : STATUS_OK;
		enum status operators = find_group(config, "operator_group", config->admin.operator_group, faults,
						   &found.operator_group);
		TRY(find_group(config, "group", config->admin.group, faults, &found.admin_group));
		TRY(operators);
		TRY(users);
	}
	*out_identities = found;
	return STATUS_OK;
}
