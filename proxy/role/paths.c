/*
 * Landlock: the paths that a role may use once it runs. As its files came as descriptors it needs few: name resolution
 * and certificates under /etc and /usr, CA files of the directory, the relay's spool and slots, and the
 * folder in which admin keeps what the console's sessions and tokens need.
 *
 * A rule is for the folder itself, so it covers what is replaced in it later (resolv.conf).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "role/sandbox.h"

#ifndef LANDLOCK_ACCESS_FS_REFER
/* Linux 5.19, version 2. */
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
/* Linux 6.2, version 3. */
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

/* The 13 rights below REFER. */
#define VERSION_1_RIGHTS (LANDLOCK_ACCESS_FS_REFER - 1)
#define MAY_READ_FILE LANDLOCK_ACCESS_FS_READ_FILE
#define MAY_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define MAY_WORK                                                                                                   \
	(MAY_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	 LANDLOCK_ACCESS_FS_TRUNCATE)

struct rules {
	int fd;
	uint64_t handled;
};

/* What this kernel can forbid; 0: it has no Landlock. */
static uint64_t known_rights(void)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 1)
		return 0;
	uint64_t rights = VERSION_1_RIGHTS;
	if (version >= 2)
		rights |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		rights |= LANDLOCK_ACCESS_FS_TRUNCATE;
	return rights;
}

static enum status allow_beneath(const struct rules *rules, int fd, uint64_t rights)
{
	const struct landlock_path_beneath_attr rule = {
		.allowed_access = rights & rules->handled,
		.parent_fd = fd,
	};
	if (syscall(SYS_landlock_add_rule, rules->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return STATUS_SYSTEM;
	return STATUS_OK;
}

/* A path that doesn't exist needs no rule. */
static enum status allow_reading(const struct rules *rules, const char *path)
{
	struct stat info;
	if (path[0] == '\0')
		return STATUS_OK;
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return STATUS_OK;
	enum status status = STATUS_SYSTEM;
	if (fstat(fd, &info) == 0)
		status = allow_beneath(rules, fd, S_ISDIR(info.st_mode) ? MAY_READ : MAY_READ_FILE);
	close(fd);
	return status;
}

/* /etc/resolv.conf is often a link into /run. */
static enum status allow_resolver(const struct rules *rules)
{
	char *target = realpath("/etc/resolv.conf", NULL);
	if (target == NULL)
		return STATUS_OK;
	char *slash = strrchr(target, '/');
	enum status status = STATUS_OK;
	if (slash && slash != target) {
		*slash = '\0';
		status = allow_reading(rules, target);
	}
	free(target);
	return status;
}

static enum status allow_system(const struct rules *rules)
{
	static const char *const paths[] = { "/etc", "/usr", "/lib", "/lib64", "/dev/urandom", "/dev/null" };
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		TRY(allow_reading(rules, paths[i]));
	return allow_resolver(rules);
}

/* libldap reads the CA file at each handshake. */
static enum status allow_auth(const struct rules *rules, const struct config *config)
{
	for (size_t i = 0; i < config->ldap.count; i++)
		TRY(allow_reading(rules, config->ldap.items[i].ca_file));
	return STATUS_OK;
}

/* The relay has the first two, admin the last. */
static enum status allow_folders(const struct rules *rules, const struct handover *list)
{
	static const char *const folders[] = { "spool", "slots", "console-state" };
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		int fd = handover_find(list, folders[i]);
		if (fd >= 0)
			TRY(allow_beneath(rules, fd, MAY_WORK));
	}
	return STATUS_OK;
}

static enum status add_rules(const struct rules *rules, enum role_kind kind, const struct config *config,
			     const struct handover *list)
{
	TRY(allow_system(rules));
	if (kind == ROLE_AUTH)
		return allow_auth(rules, config);
	return allow_folders(rules, list);
}

enum status paths_restrict(enum role_kind kind, const struct config *config, const struct handover *list)
{
	struct rules rules = { -1, known_rights() };
	if (rules.handled == 0)
		return STATUS_UNAVAILABLE;
	const struct landlock_ruleset_attr attributes = { .handled_access_fs = rules.handled };
	rules.fd = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	if (rules.fd < 0)
		return STATUS_SYSTEM;
	enum status status = add_rules(&rules, kind, config, list);
	if (status == STATUS_OK && syscall(SYS_landlock_restrict_self, rules.fd, 0) < 0)
		status = STATUS_SYSTEM;
	close(rules.fd);
	return status;
}
