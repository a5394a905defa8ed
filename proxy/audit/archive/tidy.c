/*
 * One file at a time: packed, or deleted. The packed one gets its name when it is whole and on the disk, and only then
 * the plain one goes; a crash leaves at most both, or a part that is begun anew.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/archive/archive.h"

/* The folder, open, and the name of the file that is written. */
struct place {
	DIR *entries;
	int folder;
	const char *base;
};

static enum status open_place(const char *path, struct place *out_place)
{
	TRY(archive_open_folder(path, &out_place->base, &out_place->folder));
	out_place->entries = fdopendir(out_place->folder);
	if (out_place->entries)
		return STATUS_OK;
	close(out_place->folder);
	return STATUS_NO_MEMORY;
}

static void close_place(struct place *place)
{
	int error = errno;
	closedir(place->entries);
	errno = error;
}

/* -1: errno. EWOULDBLOCK: somebody writes it; EINVAL: it is no regular file. */
static int open_unwritten(const struct place *place, const char *name)
{
	struct stat about;
	int error = EINVAL;
	int fd = openat(place->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -1;
	if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode)) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		error = errno;
	}
	close(fd);
	errno = error;
	return -1;
}

/* What can't be opened for another reason counts, too: it is told of. */
static bool is_unwritten(const struct place *place, const char *name)
{
	int fd = open_unwritten(place, name);
	if (fd >= 0)
		close(fd);
	return fd >= 0 || (errno != EWOULDBLOCK && errno != ENOENT);
}

static bool is_left(const struct archive_work *work, const char *name)
{
	return work->is_left && work->is_left(work->context, name);
}

/* The oldest of the forms (a set of bits) that nobody writes. False: there is none. */
static bool find_oldest(const struct place *place, unsigned forms, const struct archive_work *work,
			char out_name[ARCHIVE_NAME_SIZE], uint64_t *out_rotated_s)
{
	const struct dirent *entry;
	enum archive_form form;
	uint64_t rotated_s;
	out_name[0] = '\0';
	rewinddir(place->entries);
	while ((entry = readdir(place->entries)) != NULL) {
		if (archive_name_read(entry->d_name, place->base, &rotated_s, &form) != STATUS_OK ||
		    (forms & (1U << form)) == 0 || is_left(work, entry->d_name) ||
		    (out_name[0] && strcmp(entry->d_name, out_name) >= 0) || !is_unwritten(place, entry->d_name))
			continue;
		snprintf(out_name, ARCHIVE_NAME_SIZE, "%s", entry->d_name);
		*out_rotated_s = rotated_s;
	}
	return out_name[0] != '\0';
}

/* ---- packing */

/* Owner, mode and time of the plain one: no record in it is younger. */
static enum status copy_attributes(int from, int to)
{
	struct stat about;
	if (fstat(from, &about) != 0)
		return STATUS_SYSTEM;
	const struct timespec times[2] = { about.st_atim, about.st_mtim };
	if (fchown(to, about.st_uid, about.st_gid) == 0)
		(void)!fchmod(to, about.st_mode & 0777);
	return futimens(to, times) == 0 && fsync(to) == 0 ? STATUS_OK : STATUS_SYSTEM;
}

/* From `from` to a file named `partial`, which is `packed` once it is whole. */
static enum status pack_to(const struct place *place, int from, const char *partial, const char *packed,
			   enum config_audit_compress compress, const struct archive_work *work)
{
	(void)unlinkat(place->folder, partial, 0); /* of a crash */
	int to = openat(place->folder, partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (to < 0)
		return STATUS_SYSTEM;
	enum status status = archive_pack(from, to, compress, work);
	if (status == STATUS_OK)
		status = copy_attributes(from, to);
	int error = errno;
	close(to);
	if (status == STATUS_OK && renameat(place->folder, partial, place->folder, packed) != 0) {
		error = errno;
		status = STATUS_SYSTEM;
	}
	if (status != STATUS_OK)
		(void)unlinkat(place->folder, partial, 0);
	errno = error;
	return status;
}

static enum status pack_file(const struct place *place, const char *name, enum config_audit_compress compress,
			     const struct archive_work *work)
{
	char packed[ARCHIVE_NAME_SIZE + 4], partial[ARCHIVE_NAME_SIZE + 16];
	int from = open_unwritten(place, name);
	if (from < 0)
		return STATUS_SYSTEM;
	snprintf(packed, sizeof(packed), "%s%s", name, compress == AUDIT_COMPRESS_GZIP ? ".gz" : ".zst");
	snprintf(partial, sizeof(partial), "%s.partial", packed);
	enum status status = pack_to(place, from, partial, packed, compress, work);
	if (status == STATUS_OK && (fsync(place->folder) != 0 || unlinkat(place->folder, name, 0) != 0))
		status = STATUS_SYSTEM;
	int error = errno;
	close(from);
	errno = error;
	return status;
}

enum status archive_pack_one(const char *path, const struct archive_policy *policy, const struct archive_work *work,
			     char out_name[ARCHIVE_NAME_SIZE])
{
	struct place place;
	uint64_t rotated_s;
	out_name[0] = '\0';
	if (policy->compress == AUDIT_COMPRESS_NONE)
		return STATUS_END;
	life_begin(work->sign, ARCHIVE_DISK_LIMIT_MS);
	TRY(open_place(path, &place));
	enum status status = STATUS_END;
	if (find_oldest(&place, 1U << ARCHIVE_PLAIN, work, out_name, &rotated_s))
		status = pack_file(&place, out_name, policy->compress, work);
	close_place(&place);
	return status;
}

/* ---- deleting */

static enum status delete_file(const struct place *place, const char *name)
{
	int fd = open_unwritten(place, name);
	if (fd < 0)
		return STATUS_SYSTEM;
	enum status status = unlinkat(place->folder, name, 0) == 0 ? STATUS_OK : STATUS_SYSTEM;
	int error = errno;
	close(fd);
	errno = error;
	return status;
}

enum status archive_delete_one(const char *path, const struct archive_policy *policy, uint64_t now_s,
			       const struct archive_work *work, char out_name[ARCHIVE_NAME_SIZE])
{
	const unsigned all = 1U << ARCHIVE_PLAIN | 1U << ARCHIVE_PACKED;
	struct place place;
	uint64_t rotated_s;
	out_name[0] = '\0';
	if (policy->keep_ms == 0)
		return STATUS_END;
	life_begin(work->sign, ARCHIVE_DISK_LIMIT_MS);
	TRY(open_place(path, &place));
	enum status status = STATUS_END;
	if (find_oldest(&place, all, work, out_name, &rotated_s) && rotated_s + policy->keep_ms / 1000 < now_s)
		status = delete_file(&place, out_name);
	close_place(&place);
	return status;
}
