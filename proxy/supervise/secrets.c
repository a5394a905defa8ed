/* Secrets: from files to sealed descriptors, wiped in between. Owns nothing for longer than a call. */
#include "supervise/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "supervise/memory_file.h"

static enum status report_file(const struct secret_files *files, const struct secret_file *file, FILE *faults,
			       const char *what)
{
	fprintf(faults, "%s:%u: %s: %s: %s\n", files->config_file, file->line, file->label, file->path, what);
	return STATUS_INVALID;
}

/*
 * Opens a regular file and nothing else, as opening a device or a pipe may do something: what the path leads to is
 * looked at first, and then just that is opened. -1: `out_fault` says why.
 */
static int open_regular(const char *path, struct stat *out_info, const char **out_fault)
{
	char again[sizeof("/proc/self/fd/") + 10];
	int place = open(path, O_PATH | O_CLOEXEC), fd = -1;
	if (place < 0) {
		*out_fault = strerror(errno);
		return -1;
	}
	snprintf(again, sizeof(again), "/proc/self/fd/%d", place);
	if (fstat(place, out_info) < 0 || !S_ISREG(out_info->st_mode))
		*out_fault = "not a file";
	else if ((fd = open(again, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0)
		*out_fault = strerror(errno);
	close(place);
	return fd;
}

enum status secret_file_read(const struct secret_files *files, const struct secret_file *file, FILE *faults,
			     struct secret *out_secret)
{
	struct stat info;
	const char *fault = NULL;
	int fd = open_regular(file->path, &info, &fault);
	if (fd < 0)
		return report_file(files, file, faults, fault);
	enum status status = STATUS_OK;
	if (secret_content_is_private(file->content) && (info.st_mode & (S_IRWXG | S_IRWXO)))
		fault = "others can read this file; expected mode 0600";
	else if (file->content == SECRET_CONTENT_LINE)
		status = secret_from_line_fd(fd, out_secret);
	else
		status = secret_from_fd(fd, out_secret);
	close(fd);
	if (status != STATUS_OK)
		fault = "can't read it, or it is too large";
	else if (fault == NULL && secret_is_empty(out_secret))
		fault = "this file is empty";
	return fault ? report_file(files, file, faults, fault) : STATUS_OK;
}

static enum status seal_file(const struct secret_files *files, const struct secret_file *file, FILE *faults,
			     struct handover *list)
{
	struct secret secret SECRET_AUTO = { 0 };
	int sealed = -1;
	TRY(secret_file_read(files, file, faults, &secret));
	if (memory_file_seal("secret", secret_reveal(&secret), &sealed) != STATUS_OK)
		return report_file(files, file, faults, strerror(errno));
	if (handover_give(list, file->roles, sealed, "%s", file->name) != STATUS_OK)
		return report_file(files, file, faults, "can't be handed over");
	return STATUS_OK;
}

enum status secrets_open(const struct config *config, FILE *faults, struct handover *list)
{
	struct secret_files files SECRET_FILES_AUTO = { 0 };
	enum status worst = STATUS_OK;
	TRY(secret_files_list(config, false, &files));
	for (size_t i = 0; i < files.count; i++) {
		enum status status = seal_file(&files, &files.items[i], faults, list);
		worst = worst == STATUS_OK ? status : worst;
	}
	return worst;
}

enum status secrets_inherit(const struct config *config, const struct handover *renewed, const struct handover *former,
			    struct handover *list)
{
	struct secret_files files SECRET_FILES_AUTO = { 0 };
	TRY(secret_files_list(config, false, &files));
	for (size_t i = 0; i < files.count; i++) {
		const struct secret_file *file = &files.items[i];
		int from = handover_find(secret_content_renews(file->content) ? renewed : former, file->name);
		int copy = from < 0 ? -1 : fcntl(from, F_DUPFD_CLOEXEC, 0);
		if (copy < 0)
			return from < 0 ? STATUS_NOT_FOUND : STATUS_SYSTEM;
		TRY(handover_give(list, file->roles, copy, "%s", file->name));
	}
	return STATUS_OK;
}
