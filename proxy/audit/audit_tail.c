/* Reads the end of a file backward, line by line. */
#include "audit/audit_tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit_link.h"

#define TAIL_SIZE (16U << 20) /* bytes: four of the longest records */

static enum status read_tail(int fd, char *at, size_t size, off_t offset)
{
	while (size) {
		ssize_t got = pread(fd, at, size, offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return STATUS_SYSTEM;
		at += got;
		offset += got;
		size -= (size_t)got;
	}
	return STATUS_OK;
}

static bool is_known(const struct audit_head *heads, size_t count, const char *chain)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(heads[i].chain, chain) == 0)
			return true;
	return false;
}

static enum status take_line(struct span line, struct audit_head *heads, size_t *count)
{
	struct audit_link link;
	if (audit_link_read(line, &link) != STATUS_OK || is_known(heads, *count, link.chain))
		return STATUS_OK;
	struct audit_head *head = &heads[*count];
	memcpy(head->chain, link.chain, sizeof(head->chain));
	head->count = link.seq;
	TRY(audit_link_hash(line, head->hash));
	++*count;
	return STATUS_OK;
}

/* The first line may be cut, and is left out unless it is the file's. What follows the last LF is torn. */
static enum status take_lines(struct span text, bool is_whole, struct audit_head *heads, size_t *count)
{
	const char *end = text.size ? memrchr(text.data, '\n', text.size) : NULL;
	while (end && *count < AUDIT_TAIL_CHAINS) {
		const char *before = memrchr(text.data, '\n', (size_t)(end - text.data));
		const char *first = before ? before + 1 : text.data;
		if (before || is_whole)
			TRY(take_line((struct span){ first, (size_t)(end - first) }, heads, count));
		end = before;
	}
	return STATUS_OK;
}

enum status audit_tail_read(int fd, struct audit_head out_heads[AUDIT_TAIL_CHAINS], size_t *out_count)
{
	struct stat file;
	if (fstat(fd, &file) != 0)
		return STATUS_SYSTEM;
	*out_count = 0;
	if (!S_ISREG(file.st_mode) || file.st_size == 0)
		return STATUS_OK;
	bool is_whole = file.st_size <= (off_t)TAIL_SIZE;
	size_t size = is_whole ? (size_t)file.st_size : TAIL_SIZE;
	char *text = malloc(size);
	if (text == NULL)
		return STATUS_NO_MEMORY;
	enum status status = read_tail(fd, text, size, file.st_size - (off_t)size);
	if (status == STATUS_OK)
		status = take_lines((struct span){ text, size }, is_whole, out_heads, out_count);
	free(text);
	return status;
}
