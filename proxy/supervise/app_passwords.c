/* Reads the file as auth does, and changes nothing. */
#include "supervise/app_passwords.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "auth/app_password/file.h"

static enum status report_skipped(const char *path, const struct password_file *file, FILE *faults)
{
	uint64_t line = 0;
	uint64_t skipped = file_skipped(file, &line);
	if (skipped == 0)
		return STATUS_OK;
	fprintf(faults, "%s:%llu: not an app password, and skipped; expected a line that subgatectl made", path,
		(unsigned long long)line);
	if (skipped > 1)
		fprintf(faults, " (the last of %llu such lines)", (unsigned long long)skipped);
	fputc('\n', faults);
	return STATUS_INVALID;
}

enum status app_passwords_check(const struct config *config, FILE *faults)
{
	const char *path = config->app_password.path;
	struct password_file *file = NULL;
	if (config->app_password.store != STORE_FILE)
		return STATUS_OK;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return STATUS_OK;
	if (fd < 0) {
		fprintf(faults, "%s: can't open: %s\n", path, strerror(errno));
		return STATUS_SYSTEM;
	}
	TRY(file_open(fd, &file));
	enum status status = file_read_on(file, NULL, NULL);
	if (status == STATUS_OK)
		status = report_skipped(path, file, faults);
	else
		fprintf(faults, "%s: can't be read: %s\n", path, status_text(status));
	file_close(&file);
	return status;
}
