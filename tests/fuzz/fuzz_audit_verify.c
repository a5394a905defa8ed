/*
 * Audit files of any bytes, two of them from a seed that 0xff bytes part: the verifier reads all of them in bounds, and
 * says the same twice.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit/reader/verify.h"

struct sums {
	unsigned faults, notes, nodes;
	size_t bytes;
};

static void on_fault(void *context, const char *file, uint64_t line, const char *what)
{
	struct sums *sums = context;
	(void)file, (void)line;
	sums->faults++;
	sums->bytes += strlen(what);
}

static void on_note(void *context, const char *file, uint64_t line, const char *what)
{
	struct sums *sums = context;
	(void)file, (void)line;
	sums->notes++;
	sums->bytes += strlen(what);
}

static void on_node(void *context, const struct verify_node *node)
{
	struct sums *sums = context;
	assert((node->first.number == 0) == (node->last.number == 0));
	sums->nodes++;
	sums->bytes += strlen(node->name);
}

static int keep_file(const uint8_t *data, size_t size)
{
	int fd = memfd_create("audit", MFD_CLOEXEC);
	assert(write(fd, data, size) == (ssize_t)size);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char names[2][8] = { "a-1", "a" };
	const uint8_t *part = size ? memchr(data, 0xff, size) : NULL;
	size_t first = part ? (size_t)(part - data) : size;
	struct audit_file_entry list[2] = {
		{ .name = names[0], .fd = keep_file(data, first) },
		{ .name = names[1], .fd = keep_file(data + first, size - first) },
	};
	const struct audit_files files = { .list = list, .count = 2 };
	struct sums sums[2] = { { 0 }, { 0 } };
	for (int i = 0; i < 2; i++) {
		const struct verify_options options = {
			.on_fault = on_fault, .on_note = on_note, .on_node = on_node, .context = &sums[i]
		};
		enum status status = verify_files(&files, &options);
		assert(status == STATUS_OK);
	}
	assert(memcmp(&sums[0], &sums[1], sizeof(sums[0])) == 0);
	close(list[0].fd);
	close(list[1].fd);
	return 0;
}
