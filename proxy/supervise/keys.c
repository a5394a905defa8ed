/*
 * Key files. They are written under another name, synced, then linked into place, so that no crash leaves half a key.
 * Owns nothing. Fails with a text for the administrator.
 */
#include "supervise/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "supervise/memory_file.h"

static enum status report_key(FILE *faults, const char *path, const char *what)
{
	fprintf(faults, "%s: %s\n", path, what);
	return STATUS_SYSTEM;
}

static bool write_key(int fd)
{
	unsigned char key[KEY_SIZE];
	bool written = hash_random(key, sizeof(key)) == STATUS_OK &&
		       write(fd, key, sizeof(key)) == (ssize_t)sizeof(key) && fsync(fd) == 0;
	explicit_bzero(key, sizeof(key));
	return written;
}

static enum status make_key(const char *path, FILE *faults)
{
	char draft[PATH_MAX];
	if (snprintf(draft, sizeof(draft), "%s.new", path) >= (int)sizeof(draft))
		return STATUS_TOO_LARGE;
	int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return report_key(faults, draft, strerror(errno));
	bool made = write_key(fd);
	close(fd);
	/* link(2), unlike rename(2), never replaces a key that another process made in the meantime. */
	if (!made || (link(draft, path) < 0 && errno != EEXIST)) {
		int error = errno;
		unlink(draft);
		return report_key(faults, path, strerror(error));
	}
	unlink(draft);
	return STATUS_OK;
}

static enum status seal_key(int file, const char *path, FILE *faults, int *out_fd)
{
	char key[KEY_SIZE + 1];
	struct stat info;
	if (fstat(file, &info) < 0)
		return report_key(faults, path, strerror(errno));
	if (info.st_mode & (S_IRWXG | S_IRWXO))
		return report_key(faults, path, "others can read this key; expected mode 0600");
	ssize_t size = pread(file, key, sizeof(key), 0);
	enum status status = size == KEY_SIZE ? memory_file_seal("key", (struct span){ key, KEY_SIZE }, out_fd)
					      : report_key(faults, path, "not a key; expected 32 bytes");
	explicit_bzero(key, sizeof(key));
	return status;
}

enum status key_file_open(const char *path, FILE *faults, int *out_fd)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file < 0 && errno == ENOENT) {
		TRY(make_key(path, faults));
		file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	}
	if (file < 0)
		return report_key(faults, path, strerror(errno));
	enum status status = seal_key(file, path, faults, out_fd);
	close(file);
	return status;
}
