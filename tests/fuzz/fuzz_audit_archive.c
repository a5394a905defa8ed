/* Any file name beside the audit: one that is taken for ours is one that we could have made. And any first bytes. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit/archive/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct archive_policy policy = { .rotate_ms = 86400000 };
	char name[NAME_MAX + 1] = "", made[ARCHIVE_NAME_SIZE];
	uint64_t rotated_s = 0;
	enum archive_form form;
	memcpy(name, data, size < NAME_MAX ? size : NAME_MAX);
	if (archive_name_read(name, "audit.jsonl", &rotated_s, &form) == STATUS_OK) {
		assert(archive_name_make("audit.jsonl", rotated_s, 1, made) == STATUS_OK);
		assert(strncmp(name, made, strlen(made)) == 0);
	}
	int fd = memfd_create("audit", MFD_CLOEXEC);
	assert(write(fd, data, size) == (ssize_t)size);
	(void)archive_is_due(fd, &policy, 1795984200);
	close(fd);
	return 0;
}
