/* Staged files. Owns what it has written and made until it is kept or undone. */
#include "setup/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITTEN ".setup"
#define FORMER ".before.setup"

static enum status report_path(const struct stage *stage, const char *path, const char *what)
{
	fprintf(stage->errors, "%s: %s: %s\n", path, what, strerror(errno));
	return STATUS_SYSTEM;
}

enum status stage_name(const char *target, const char *suffix, char out_path[PATH_MAX])
{
	const char *slash = strrchr(target, '/');
	const char *name = slash ? slash + 1 : target;
	int size = snprintf(out_path, PATH_MAX, "%.*s.%s%s", (int)(name - target), target, name, suffix);
	return size < PATH_MAX && *name ? STATUS_OK : STATUS_TOO_LARGE;
}

/* ---- folders */

/* Others must not be able to put anything in the way. */
static enum status check_folder(const struct stage *stage, const char *path)
{
	struct stat info;
	if (stat(path, &info) != 0)
		return report_path(stage, path, "can't be looked at");
	if (!S_ISDIR(info.st_mode) || (info.st_uid != 0 && info.st_uid != geteuid()) || (info.st_mode & S_IWOTH) ||
	    ((info.st_mode & S_IWGRP) && info.st_gid != 0)) {
		fprintf(stage->errors,
			"%s: expected a folder of root or of whoever runs this, in which nobody else can write\n",
			path);
		return STATUS_REFUSED;
	}
	return STATUS_OK;
}

static enum status make_folder(struct stage *stage, const char *path, mode_t mode)
{
	if (mkdir(path, mode) != 0)
		return errno == EEXIST ? STATUS_OK : report_path(stage, path, "can't make this folder");
	if (stage->folder_count == STAGE_FOLDERS) {
		rmdir(path);
		errno = EMLINK;
		return report_path(stage, path, "too deep");
	}
	snprintf(stage->folders[stage->folder_count++], PATH_MAX, "%s", path);
	return chmod(path, mode) == 0 ? STATUS_OK : report_path(stage, path, "can't set its mode");
}

enum status stage_folder(struct stage *stage, const char *path, mode_t mode)
{
	char part[PATH_MAX];
	if (snprintf(part, sizeof(part), "%s", path) >= (int)sizeof(part))
		return STATUS_TOO_LARGE;
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		TRY(make_folder(stage, part, 0755));
		*slash = '/';
	}
	TRY(make_folder(stage, path, mode));
	return check_folder(stage, path);
}

/* ---- files */

static bool write_bytes(int fd, struct span bytes)
{
	while (bytes.size) {
		ssize_t n = write(fd, bytes.data, bytes.size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes = span_slice(bytes, (size_t)n, bytes.size);
	}
	return fsync(fd) == 0;
}

/* A former file keeps its owner, and a mode that is stricter; the umask takes nothing. */
static enum status write_file(const struct stage *stage, const struct staged_file *file, struct span content,
			      mode_t mode)
{
	struct stat info;
	bool has_former = lstat(file->target, &info) == 0;
	if (has_former && !S_ISREG(info.st_mode)) {
		fprintf(stage->errors, "%s: not a regular file; move it away\n", file->target);
		return STATUS_REFUSED;
	}
	if (has_former)
		mode &= info.st_mode | S_IRUSR | S_IWUSR;  /* a stricter one stays */
	if (unlink(file->written) != 0 && errno != ENOENT) /* of a run that was killed */
		return report_path(stage, file->written, "can't be removed");
	int fd = open(file->written, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return report_path(stage, file->written, "can't be made");
	bool right = fchmod(fd, mode) == 0;
	if (right && has_former && (info.st_uid != geteuid() || info.st_gid != getegid()))
		right = fchown(fd, info.st_uid, info.st_gid) == 0;
	right = right && write_bytes(fd, content);
	int error = errno;
	close(fd);
	errno = error;
	return right ? STATUS_OK : report_path(stage, file->written, "can't be written");
}

static struct staged_file *find_file(struct stage *stage, const char *target)
{
	for (size_t i = 0; i < stage->file_count; i++)
		if (strcmp(stage->files[i].target, target) == 0)
			return &stage->files[i];
	return NULL;
}

enum status stage_file(struct stage *stage, const char *target, struct span content, mode_t mode)
{
	struct staged_file *file = find_file(stage, target);
	if (file == NULL) {
		if (stage->file_count == STAGE_FILES)
			return STATUS_TOO_LARGE;
		file = &stage->files[stage->file_count];
		*file = (struct staged_file){ 0 };
		TRY(stage_name(target, WRITTEN, file->written));
		snprintf(file->target, sizeof(file->target), "%s", target);
		stage->file_count++;
	}
	return write_file(stage, file, content, mode);
}

/* ---- their places */

static void sync_folder_of(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	int fd = open(*folder ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

static enum status place_file(const struct stage *stage, struct staged_file *file)
{
	char former[PATH_MAX];
	TRY(stage_name(file->target, FORMER, former));
	if (unlink(former) != 0 && errno != ENOENT)
		return report_path(stage, former, "can't be removed");
	if (link(file->target, former) == 0)
		memcpy(file->former, former, sizeof(former));
	else if (errno != ENOENT)
		return report_path(stage, file->target, "can't be kept");
	if (rename(file->written, file->target) != 0)
		return report_path(stage, file->target, "can't be put in its place");
	file->is_placed = true;
	sync_folder_of(file->target);
	return STATUS_OK;
}

enum status stage_place(struct stage *stage)
{
	for (size_t i = 0; i < stage->file_count; i++)
		TRY(place_file(stage, &stage->files[i]));
	return STATUS_OK;
}

void stage_keep(struct stage *stage)
{
	for (size_t i = 0; i < stage->file_count; i++)
		if (stage->files[i].former[0])
			unlink(stage->files[i].former);
	stage->file_count = stage->folder_count = 0;
}

static void undo_file(const struct staged_file *file)
{
	if (!file->is_placed)
		unlink(file->written);
	else if (file->former[0])
		(void)rename(file->former, file->target);
	else
		unlink(file->target);
	if (file->former[0])
		unlink(file->former); /* where it is still there */
}

void stage_undo(struct stage *stage)
{
	for (size_t i = stage->file_count; i > 0; i--)
		undo_file(&stage->files[i - 1]);
	for (size_t i = stage->folder_count; i > 0; i--)
		rmdir(stage->folders[i - 1]);
	stage->file_count = stage->folder_count = 0;
}
