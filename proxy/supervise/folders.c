/*
 * Folders, locks and files. Owns the descriptors of the locks. The supervisor opens everything here, so that no role
 * needs a path. Fails with a text for the administrator.
 */
#include "supervise/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "supervise/keys.h"

/* Nobody tells us when a lock becomes free. */
#define LOCK_RETRY_MS 50

static enum status report_path(FILE *faults, const char *what, const char *path)
{
	fprintf(faults, "%s: %s: %s\n", path, what, strerror(errno));
	return STATUS_SYSTEM;
}

/* ---- folders */

/* Makes the folders above it, which anybody may pass through. */
static enum status make_parents(const char *path)
{
	char part[PATH_MAX];
	if (strlen(path) >= sizeof(part))
		return STATUS_TOO_LARGE;
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		size_t size = (size_t)(slash - path);
		memcpy(part, path, size);
		part[size] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return STATUS_SYSTEM;
	}
	return STATUS_OK;
}

enum status folder_make(const char *path, mode_t mode, const struct identity *owner)
{
	struct stat info;
	if (mkdir(path, mode) < 0 && errno != EEXIST)
		return STATUS_SYSTEM;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return STATUS_SYSTEM;
	bool right = fstat(fd, &info) == 0;
	/* The umask may have taken bits away, and an earlier run may have had other users. */
	if (right && (info.st_mode & 07777) != mode)
		right = fchmod(fd, mode) == 0;
	if (right && owner && owner->changes && info.st_uid != owner->uid)
		right = fchown(fd, owner->uid, owner->gid) == 0;
	int error = errno;
	close(fd);
	errno = error;
	return right ? STATUS_OK : STATUS_SYSTEM;
}

/* The folder may be the administrator's own, with a mode of their choice; roles must only be able to pass through. */
static enum status make_base(const char *path, FILE *faults)
{
	struct stat info;
	mode_t mask = umask(022);
	enum status status = make_parents(path);
	bool there = status == STATUS_OK && (mkdir(path, 0711) == 0 || errno == EEXIST);
	umask(mask);
	if (!there || stat(path, &info) < 0)
		return report_path(faults, "can't make this folder", path);
	if (geteuid() == 0 && (info.st_mode & S_IXOTH) == 0 && chmod(path, (info.st_mode & 07777) | S_IXOTH) < 0)
		return report_path(faults, "can't let roles through", path);
	return STATUS_OK;
}

/* ---- locks */

static bool lock_within(int fd, uint64_t limit_ms)
{
	const struct timespec pause = { .tv_nsec = LOCK_RETRY_MS * 1000000L };
	uint64_t end_ms = clock_monotonic_ms() + limit_ms;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || clock_monotonic_ms() >= end_ms)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

static enum status lock_folder(const char *folder, uint64_t limit_ms, FILE *faults, int *out_fd)
{
	char path[PATH_MAX];
	TRY(make_base(folder, faults));
	if (snprintf(path, sizeof(path), "%s/lock", folder) >= (int)sizeof(path))
		return STATUS_TOO_LARGE;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return report_path(faults, "can't open", path);
	if (!lock_within(fd, limit_ms)) {
		fprintf(faults, "%s: another subgate uses this folder\n", folder);
		close(fd);
		return STATUS_REFUSED;
	}
	*out_fd = fd;
	return STATUS_OK;
}

enum status folders_lock(const struct config *config, uint64_t limit_ms, FILE *faults, struct folders *out_folders)
{
	struct folders folders = FOLDERS_NONE;
	const char *state = config->global.state_dir, *run = config->global.run_dir;
	enum status status = lock_folder(state, limit_ms, faults, &folders.state_lock);
	/* One folder for both has one lock. */
	if (status == STATUS_OK && strcmp(state, run) != 0)
		status = lock_folder(run, limit_ms, faults, &folders.run_lock);
	if (status != STATUS_OK)
		folders_unlock(&folders);
	else
		*out_folders = folders;
	return status;
}

void folders_unlock(struct folders *folders)
{
	if (folders->state_lock >= 0)
		close(folders->state_lock);
	if (folders->run_lock >= 0)
		close(folders->run_lock);
	*folders = FOLDERS_NONE;
}

/* ---- what roles get */

static enum status open_file(const char *path, FILE *faults, unsigned roles, const char *name, struct handover *list)
{
	int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return report_path(faults, "can't open", path);
	return handover_give(list, roles, fd, "%s", name);
}

/* The lock says that the file is written, so long as anybody has the descriptor (audit/archive/archive.h). */
static enum status open_audit(const char *path, FILE *faults, struct handover *list)
{
	TRY(open_file(path, faults, TO(ROLE_RELAY), "audit", list));
	(void)flock(handover_find(list, "audit"), LOCK_SH | LOCK_NB);
	return STATUS_OK;
}

/* Opened without O_APPEND, as it is read and written at its beginning. */
static enum status open_state(const char *folder, const char *name, FILE *faults, struct handover *list)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return report_path(faults, "can't open", path);
	return handover_give(list, TO(ROLE_RELAY), fd, "%s", name);
}

/*
 * Refresh tokens, which providers replace. Each section has a file, opened anew for each generation so that two auth
 * processes can lock each other out.
 */
static enum status open_token_files(const struct config *config, FILE *faults, struct handover *list)
{
	char path[PATH_MAX];
	for (size_t i = 0; i < config->oauth.count; i++) {
		const struct config_oauth *oauth = &config->oauth.items[i];
		if (oauth->grant != OAUTH_REFRESH_TOKEN)
			continue;
		snprintf(path, sizeof(path), "%s/oauth-%s", config->global.state_dir, oauth->name);
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return report_path(faults, "can't open", path);
		TRY(handover_give(list, TO(ROLE_AUTH), fd, "oauth-state:%s", oauth->name));
	}
	return STATUS_OK;
}

static enum status open_folder(const char *base, const char *name, enum role_kind kind, const char *as,
			       const struct identities *identities, FILE *faults, struct handover *list)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", base, name);
	if (folder_make(path, 0700, &identities->role[kind]) != STATUS_OK)
		return report_path(faults, "can't make this folder", path);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return report_path(faults, "can't open", path);
	return handover_give(list, TO(kind), fd, "%s", as);
}

static enum status open_key(const char *path, unsigned roles, FILE *faults, const char *name, struct handover *list)
{
	int fd = -1;
	TRY(key_file_open(path, faults, &fd));
	return handover_give(list, roles, fd, "%s", name);
}

enum status folders_open(const struct config *config, const struct identities *identities, FILE *faults,
			 struct handover *list)
{
	const char *state = config->global.state_dir;
	if (config->app_password.store == STORE_FILE)
		TRY(open_file(config->app_password.path, faults, TO(ROLE_AUTH), "app-passwords", list));
	TRY(open_audit(config->audit.file, faults, list));
	TRY(open_state(state, "audit-state", faults, list));
	TRY(open_state(state, "audit-keys", faults, list));
	TRY(open_state(state, "relay-rests", faults, list));
	TRY(open_state(state, "redis-marker", faults, list));
	TRY(open_state(state, "by-hand-0", faults, list));
	TRY(open_state(state, "by-hand-1", faults, list));
	if (*config->audit.syslog)
		TRY(open_state(state, "export-syslog", faults, list));
	if (*config->notify.url)
		TRY(open_state(state, "webhook-spool", faults, list));
	if (config->audit.stream)
		TRY(open_state(state, "export-stream", faults, list));
	TRY(open_token_files(config, faults, list));
	TRY(open_key(config->auth.key_file, TO(ROLE_AUTH), faults, "auth-key", list));
	if (config->console.address.count)
		TRY(open_folder(state, "console", ROLE_ADMIN, "console-state", identities, faults, list));
	TRY(open_folder(state, "spool", ROLE_RELAY, "spool", identities, faults, list));
	return open_folder(config->global.run_dir, "slots", ROLE_RELAY, "slots", identities, faults, list);
}
