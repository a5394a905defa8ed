/* The files that the verifier reads, each one more than once. Owns nothing. */
#include "audit/reader/verify_private.h"

enum status verify_open_file(struct verify *verify, size_t file, int *out_fd, struct lines **out_lines)
{
	const struct audit_file_entry *entry = &verify->files->list[file];
	TRY(audit_files_borrow(verify->files, entry, out_fd));
	enum status status = lines_open(*out_fd, out_lines);
	if (status == STATUS_OK)
		lines_ask(*out_lines, verify->options->has_to_end, verify->options->context);
	else
		audit_files_give_back(entry, *out_fd);
	return status;
}

void verify_close_file(struct verify *verify, size_t file, int fd, struct lines **lines)
{
	lines_close(lines);
	audit_files_give_back(&verify->files->list[file], fd);
}

enum status verify_next_line(const struct verify *verify, struct lines *lines, struct span *out_line)
{
	const struct verify_options *options = verify->options;
	if (options->has_to_end && options->has_to_end(options->context))
		return STATUS_REFUSED;
	return lines_next(lines, out_line);
}
