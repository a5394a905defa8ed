/* From one file to the next. A file is never without a name, and no other file is overwritten. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/archive/archive.h"
#include "audit/reader/record.h"
#include "base/clock.h"
#include "base/span.h"

#define HEAD_SIZE 256  /* bytes of a line that hold its time */
#define NAMES_MAX 1000 /* of one second */

/* ---- when */

/* When the file's first record is of. STATUS_INVALID: its first line is none. */
static enum status read_first_time(int fd, uint64_t *out_s)
{
	char head[HEAD_SIZE];
	char text[sizeof("2026-11-29T20:30:00Z")];
	struct span ts;
	ssize_t got = pread(fd, head, sizeof(head), 0);
	if (got <= 0)
		return STATUS_INVALID;
	struct span line = { head, (size_t)got };
	TRY(record_read_time(span_slice(line, 0, span_find_byte(line, '\n')), &ts));
	snprintf(text, sizeof(text), "%.19sZ", ts.data);
	return clock_read_seconds(span_of(text), out_s);
}

/* When the file's first record was written: not before the file was made, and not after now. */
static enum status find_first_time(int fd, uint64_t now_s, uint64_t *out_s)
{
	struct statx made;
	uint64_t first_s, made_s;
	bool is_told = read_first_time(fd, &first_s) == STATUS_OK && first_s <= now_s;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &made) == 0 && (made.stx_mask & STATX_BTIME)) {
		made_s = made.stx_btime.tv_sec > 0 ? (uint64_t)made.stx_btime.tv_sec : 0;
		*out_s = is_told && first_s > made_s ? first_s : made_s;
		return STATUS_OK;
	}
	if (is_told)
		*out_s = first_s;
	return is_told ? STATUS_OK : STATUS_INVALID;
}

bool archive_is_due(int fd, const struct archive_policy *policy, uint64_t now_s)
{
	struct stat about;
	uint64_t first_s, span_s = policy->rotate_ms / 1000;
	if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size == 0)
		return false;
	if (policy->rotate_size && (uint64_t)about.st_size >= policy->rotate_size)
		return true;
	return span_s && find_first_time(fd, now_s, &first_s) == STATUS_OK && first_s / span_s < now_s / span_s;
}

/* ---- how */

/* Without replacing another file, also where the file system can't rename so. */
static enum status rename_to_new(int folder, const char *name, const char *wanted)
{
	if (renameat2(folder, name, folder, wanted, RENAME_NOREPLACE) == 0)
		return STATUS_OK;
	if (errno != EINVAL && errno != ENOSYS)
		return STATUS_SYSTEM;
	if (linkat(folder, name, folder, wanted, 0) != 0)
		return STATUS_SYSTEM;
	return unlinkat(folder, name, 0) == 0 ? STATUS_OK : STATUS_SYSTEM;
}

enum status archive_open_folder(const char *path, const char **out_name, int *out_folder)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	*out_name = slash ? slash + 1 : path;
	*out_folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *out_folder >= 0 ? STATUS_OK : STATUS_SYSTEM;
}

enum status archive_rotate(const char *path, uint64_t now_s, char out_name[ARCHIVE_NAME_SIZE])
{
	const char *name;
	int folder;
	char wanted[ARCHIVE_NAME_SIZE];
	TRY(archive_open_folder(path, &name, &folder));
	enum status status = STATUS_SYSTEM;
	errno = EEXIST;
	for (unsigned number = 1; status != STATUS_OK && errno == EEXIST && number <= NAMES_MAX; number++) {
		status = archive_name_make(name, now_s, number, wanted);
		if (status != STATUS_OK) {
			errno = ENAMETOOLONG;
			break;
		}
		status = rename_to_new(folder, name, wanted);
	}
	if (status == STATUS_OK) {
		(void)fsync(folder); /* where it fails, the name may be the old one after a crash */
		memcpy(out_name, wanted, sizeof(wanted));
	}
	int error = errno;
	close(folder);
	errno = error;
	return status == STATUS_OK ? STATUS_OK : STATUS_SYSTEM;
}

/* As the administrator has set them for the file before. */
static void take_over_rights(int fd, int former_fd)
{
	struct stat former;
	if (fstat(former_fd, &former) != 0)
		return;
	if (fchown(fd, former.st_uid, former.st_gid) == 0) /* not root's to give: it stays ours */
		(void)!fchmod(fd, former.st_mode & 0777);
}

enum status archive_open(const char *path, int former_fd, int *out_fd)
{
	const int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	struct stat about = { 0 };
	int fd = open(path, flags | O_CREAT | O_EXCL, 0600);
	if (fd >= 0)
		take_over_rights(fd, former_fd);
	else if (errno == EEXIST)
		fd = open(path, flags);
	if (fd < 0)
		return STATUS_SYSTEM;
	/* With a second name it may be anybody's file, which this process would give to the relay to write in. */
	if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode) || about.st_nlink > 1) {
		close(fd);
		errno = S_ISREG(about.st_mode) ? EMLINK : EINVAL;
		return STATUS_SYSTEM;
	}
	(void)flock(fd, LOCK_SH | LOCK_NB);
	*out_fd = fd;
	return STATUS_OK;
}

void archive_name_of(int fd, char out_name[ARCHIVE_NAME_SIZE])
{
	char link[64], path[PATH_MAX];
	struct stat about;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t size = readlink(link, path, sizeof(path) - 1);
	out_name[0] = '\0';
	if (size <= 0 || fstat(fd, &about) != 0 || about.st_nlink == 0)
		return;
	path[size] = '\0';
	const char *slash = strrchr(path, '/');
	snprintf(out_name, ARCHIVE_NAME_SIZE, "%.*s", NAME_MAX, slash ? slash + 1 : path);
}
