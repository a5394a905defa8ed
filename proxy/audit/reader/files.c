/* Opens the audit's files, each once, and puts them in order. */
#include "audit/reader/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/reader/lines.h"
#include "audit/reader/record.h"

#define DESCRIPTORS_LEFT 64 /* for all else that is opened */
#define ROTATION_MS 1000    /* between a rotation's two halves there is no file of this name, for a moment */
#define ROTATION_LOOK_MS 10

static enum status blame_file(struct audit_files *files, const char *name, const char *what)
{
	snprintf(files->fault, sizeof(files->fault), "%.300s can't be read: %.100s", name, what);
	return STATUS_SYSTEM;
}

static enum status make_entry_room(struct audit_files *files)
{
	if (files->count < files->room)
		return STATUS_OK;
	size_t room = files->room ? files->room * 2 : 16;
	struct audit_file_entry *list = reallocarray(files->list, room, sizeof(*list));
	if (list == NULL)
		return blame_file(files, "the audit", strerror(ENOMEM));
	files->list = list;
	files->room = room;
	return STATUS_OK;
}

static bool is_among_the_last(int fd)
{
	struct rlimit limit;
	return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)fd + DESCRIPTORS_LEFT >= limit.rlim_cur;
}

/* Takes the descriptor; -1: there was none left for it. */
static enum status add_entry(struct audit_files *files, const char *name, bool is_beside, int fd,
			     const struct stat *about)
{
	char *copy = strdup(name);
	if (copy == NULL || make_entry_room(files) != STATUS_OK) {
		free(copy);
		if (fd >= 0)
			close(fd);
		return STATUS_NO_MEMORY;
	}
	if (files->count == 0) {
		files->owner = about->st_uid;
		files->group = about->st_gid;
	}
	if (is_beside && fd >= 0 && is_among_the_last(fd)) {
		close(fd);
		fd = -1;
	}
	files->list[files->count++] = (struct audit_file_entry){ .name = copy,
								 .fd = fd,
								 .is_beside = is_beside,
								 .modified_s = (uint64_t)about->st_mtime,
								 .device = about->st_dev,
								 .inode = about->st_ino };
	return STATUS_OK;
}

/* Only a regular file has an end, and lets nobody wait. Takes the descriptor. */
static enum status add_file(struct audit_files *files, const char *name, int fd)
{
	struct stat about;
	if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode))
		return add_entry(files, name, false, fd, &about);
	close(fd);
	return blame_file(files, name, "it is no regular file");
}
static bool ends_with(const char *name, const char *ending)
{
	return span_ends_with_nocase(span_of(name), span_of(ending));
}

/* "audit.jsonl.1", "audit.jsonl-20261128.gz"; not what is being packed, nor what can't be unpacked. */
static bool is_earlier(const char *name, const char *base)
{
	size_t size = strlen(base);
	return strncmp(name, base, size) == 0 && (name[size] == '.' || name[size] == '-') && !ends_with(name, ".tmp") &&
	       !ends_with(name, ".partial");
}

/* A packed file whose original is still there is not whole yet, or soon all there is: the original will do. */
static bool has_original(int folder, const char *name)
{
	char original[NAME_MAX + 1];
	static const char *const endings[] = { ".gz", ".zst" };
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		if (!ends_with(name, endings[i]))
			continue;
		snprintf(original, sizeof(original), "%.*s", (int)(strlen(name) - strlen(endings[i])), name);
		return faccessat(folder, original, F_OK, 0) == 0;
	}
	return false;
}

static int open_beside(int folder, const char *name)
{
	return openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

/* The one that was written when it was opened may have been renamed since. */
static bool is_the_first(const struct audit_files *files, const struct stat *about)
{
	return files->count > 0 && files->list[0].inode == about->st_ino && files->list[0].device == about->st_dev;
}

/* A folder of such a name is somebody's; a link, a pipe or a device may have taken a file's place. */
static enum status open_earlier(struct audit_files *files, const char *name, uint64_t since_s)
{
	struct stat about;
	if (has_original(files->folder, name))
		return STATUS_OK;
	if (fstatat(files->folder, name, &about, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? STATUS_OK
				       : blame_file(files, name, strerror(errno)); /* just packed, or deleted */
	if (S_ISDIR(about.st_mode) || (uint64_t)about.st_mtime < since_s)
		return STATUS_OK;
	if (!S_ISREG(about.st_mode))
		return blame_file(files, name, "it is no regular file");
	int fd = open_beside(files->folder, name);
	if (fd < 0 && errno == ENOENT)
		return STATUS_OK;
	if (fd < 0 && errno != EMFILE && errno != ENFILE)
		return blame_file(files, name, strerror(errno));
	if (fd >= 0 && (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))) {
		close(fd);
		return blame_file(files, name, "it is no regular file");
	}
	if (!is_the_first(files, &about))
		return add_entry(files, name, true, fd, &about);
	if (fd >= 0)
		close(fd);
	return STATUS_OK;
}

/* What is wrong with one of them keeps none of the others out. */
static enum status open_all_earlier(struct audit_files *files, const char *path, uint64_t since_s)
{
	char folder[PATH_MAX];
	const struct dirent *entry;
	enum status status = STATUS_OK;
	const char *slash = strrchr(path, '/');
	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	DIR *entries = opendir(folder);
	if (entries == NULL)
		return blame_file(files, folder, strerror(errno));
	files->folder = fcntl(dirfd(entries), F_DUPFD_CLOEXEC, 0);
	files->has_folder = files->folder >= 0;
	if (!files->has_folder)
		status = blame_file(files, folder, strerror(errno));
	while (files->has_folder && status != STATUS_NO_MEMORY && (entry = readdir(entries)) != NULL) {
		if (!is_earlier(entry->d_name, slash ? slash + 1 : path))
			continue;
		enum status one = open_earlier(files, entry->d_name, since_s);
		status = one == STATUS_OK ? status : one;
	}
	closedir(entries);
	return status;
}

static void allow_descriptors(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

enum status audit_files_add(struct audit_files *files, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? blame_file(files, path, strerror(errno)) : add_file(files, path, fd);
}

static void wait_for_rotation(const char *path)
{
	const struct timespec pause = { .tv_nsec = ROTATION_LOOK_MS * 1000000L };
	for (int waited = 0; waited < ROTATION_MS && access(path, F_OK) != 0 && errno == ENOENT;
	     waited += ROTATION_LOOK_MS)
		nanosleep(&pause, NULL);
}

enum status audit_files_open(const char *path, bool with_earlier, struct audit_files *out_files)
{
	*out_files = (struct audit_files){ 0 };
	allow_descriptors();
	if (with_earlier)
		wait_for_rotation(path);
	TRY(audit_files_add(out_files, path));
	return with_earlier ? open_all_earlier(out_files, path, 0) : STATUS_OK;
}

enum status audit_files_open_since(const char *path, uint64_t since_s, struct audit_files *out_files)
{
	*out_files = (struct audit_files){ 0 };
	TRY(audit_files_add(out_files, path));
	return open_all_earlier(out_files, path, since_s);
}

/* A plain one may have been packed since it was found. */
enum status audit_files_borrow(const struct audit_files *files, const struct audit_file_entry *entry, int *out_fd)
{
	static const char *const endings[] = { "", ".gz", ".zst" };
	char name[NAME_MAX + 8];
	int fd = entry->fd;
	for (size_t i = 0; fd < 0 && entry->is_beside && i < sizeof(endings) / sizeof(endings[0]); i++) {
		snprintf(name, sizeof(name), "%.*s%s", NAME_MAX, entry->name, endings[i]);
		fd = open_beside(files->folder, name);
		if (fd < 0 && errno != ENOENT)
			break;
	}
	if (fd < 0)
		return STATUS_SYSTEM;
	*out_fd = fd;
	return STATUS_OK;
}

void audit_files_give_back(const struct audit_file_entry *entry, int fd)
{
	if (entry->fd < 0)
		close(fd);
}

void audit_files_close(struct audit_files *files)
{
	for (size_t i = 0; i < files->count; i++) {
		if (files->list[i].fd >= 0)
			close(files->list[i].fd);
		free(files->list[i].name);
	}
	free(files->list);
	if (files->has_folder)
		close(files->folder);
	files->has_folder = false;
	files->list = NULL;
	files->count = files->room = 0;
}

/* ---- their order */

/* Of the first line that is a record. A damaged file is told of when it is read. */
static enum status find_first(const struct audit_files *files, struct audit_file_entry *entry)
{
	struct lines *lines;
	struct span line, ts;
	int fd;
	if (audit_files_borrow(files, entry, &fd) != STATUS_OK)
		return STATUS_OK;
	enum status status = lines_open(fd, &lines);
	if (status != STATUS_OK) {
		audit_files_give_back(entry, fd);
		return status;
	}
	lines_show_life(lines, files->sign);
	lines_ask(lines, files->has_to_end, files->context);
	while (entry->first[0] == '\0' && (status = lines_next(lines, &line)) == STATUS_OK)
		if (record_read_time(line, &ts) == STATUS_OK)
			snprintf(entry->first, sizeof(entry->first), "%.*s", SPAN_ARGS(ts));
	lines_close(&lines);
	audit_files_give_back(entry, fd);
	return status == STATUS_NO_MEMORY || status == STATUS_REFUSED ? status : STATUS_OK;
}

/* Files without a record count as the youngest. */
static int compare_entries(const void *a, const void *b)
{
	const char *first_of_a = ((const struct audit_file_entry *)a)->first;
	const char *first_of_b = ((const struct audit_file_entry *)b)->first;
	if (*first_of_a == '\0' || *first_of_b == '\0')
		return (*first_of_a == '\0') - (*first_of_b == '\0');
	return strcmp(first_of_a, first_of_b);
}

enum status audit_files_sort(struct audit_files *files)
{
	for (size_t i = 0; i < files->count; i++)
		TRY(find_first(files, &files->list[i]));
	qsort(files->list, files->count, sizeof(files->list[0]), compare_entries);
	return STATUS_OK;
}
