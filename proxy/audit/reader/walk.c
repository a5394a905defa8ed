/*
 * One file after the other. A plain one is read backward where the newest comes first. A packed one can't be: of that,
 * the lines that match go into a nameless file, which can.
 */
#include "audit/reader/walk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit/reader/lines.h"
#include "audit/reader/record.h"

/* STATUS_REFUSED: that is enough. STATUS_NO_MEMORY. What is no record is left out. */
static enum status take_line(const struct walk *walk, struct span line)
{
	json_t *record = NULL;
	if (!query_may_match(walk->query, line))
		return STATUS_OK;
	enum status status = record_parse(line, &record);
	if (status != STATUS_OK)
		return status == STATUS_INVALID ? STATUS_OK : status;
	bool goes_on = !query_matches(walk->query, record) || walk->on_record(walk->context, line, record);
	json_decref(record);
	return goes_on ? STATUS_OK : STATUS_REFUSED;
}

/* Every line; closes `lines`. STATUS_REFUSED: that is enough. */
static enum status take_lines(const struct walk *walk, struct lines *lines)
{
	struct span line;
	enum status status = lines_next(lines, &line);
	while (status == STATUS_OK) {
		status = take_line(walk, line);
		if (status == STATUS_OK)
			status = lines_next(lines, &line);
	}
	lines_close(&lines);
	return status == STATUS_END ? STATUS_OK : status;
}

static enum status walk_forward(const struct walk *walk, int fd)
{
	struct lines *lines;
	TRY(lines_open(fd, &lines));
	return take_lines(walk, lines);
}

static enum status walk_backward(const struct walk *walk, int fd)
{
	struct lines *lines;
	TRY(lines_open_backward(fd, &lines));
	return take_lines(walk, lines);
}

/* ---- packed, and the newest first */

static bool keep_line(void *context, struct span line, json_t *record)
{
	FILE *kept = context;
	(void)record;
	return fwrite(line.data, 1, line.size, kept) == line.size && fputc('\n', kept) != EOF;
}

/* What can be read of a damaged file is shown, too. */
static enum status walk_packed_backward(const struct walk *walk, int fd)
{
	FILE *kept = tmpfile();
	if (kept == NULL)
		return STATUS_SYSTEM;
	const struct walk keeping = { .query = walk->query, .on_record = keep_line, .context = kept };
	enum status read = walk_forward(&keeping, fd);
	enum status shown =
		read == STATUS_REFUSED || fflush(kept) != 0 ? STATUS_SYSTEM : walk_backward(walk, fileno(kept));
	fclose(kept);
	return shown == STATUS_OK ? read : shown;
}

static bool is_packed(int fd)
{
	unsigned char magic[2];
	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       ((magic[0] == 0x1f && magic[1] == 0x8b) || (magic[0] == 0x28 && magic[1] == 0xb5));
}

/* ---- files */

static bool is_out_of_time(const struct walk *walk, const struct audit_file_entry *entry)
{
	char modified[CLOCK_TEXT_SIZE];
	clock_format_us((entry->modified_s + 1) * 1000000, modified);
	return (walk->query->since[0] && strcmp(modified, walk->query->since) < 0) ||
	       (walk->query->until[0] && entry->first[0] && strcmp(entry->first, walk->query->until) >= 0);
}

static enum status walk_open_file(const struct walk *walk, int fd)
{
	if (!walk->newest_first)
		return walk_forward(walk, fd);
	return is_packed(fd) ? walk_packed_backward(walk, fd) : walk_backward(walk, fd);
}

static enum status walk_file(const struct walk *walk, const struct audit_file_entry *entry)
{
	int fd;
	if (is_out_of_time(walk, entry))
		return STATUS_OK;
	TRY(audit_files_borrow(walk->files, entry, &fd));
	enum status status = walk_open_file(walk, fd);
	int error = errno;
	audit_files_give_back(entry, fd);
	errno = error;
	return status;
}

enum status walk_records(const struct walk *walk)
{
	enum status result = STATUS_OK;
	const struct audit_files *files = walk->files;
	for (size_t i = 0; i < files->count; i++) {
		const struct audit_file_entry *entry = &files->list[walk->newest_first ? files->count - 1 - i : i];
		enum status status = walk_file(walk, entry);
		if (status == STATUS_REFUSED)
			break;
		if (status == STATUS_NO_MEMORY)
			return status;
		if (status == STATUS_OK)
			continue;
		walk->on_fault(walk->context, entry->name,
			       status == STATUS_INVALID ? "it is damaged, or ends too early" : strerror(errno));
		result = STATUS_INVALID;
	}
	return result;
}
