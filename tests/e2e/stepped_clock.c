/*
 * A clock that a test steps while Subgate runs: preloaded into every process of one node by an ld.so.preload of its own
 * (tests/harness/stepped_clock.py), it adds the number in the file "clock" beside this library to the time of day. The
 * file is mapped before main(), as roles can open nothing later, and get no environment.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/harness/shifted_time.h"

static const volatile int64_t *shift_s; /* seconds; NULL: this process is none of the node's */

__attribute__((constructor)) static void map_shift(void)
{
	Dl_info self;
	char path[512];
	if (dladdr((void *)map_shift, &self) == 0)
		return;
	const char *slash = strrchr(self.dli_fname, '/');
	snprintf(path, sizeof(path), "%.*s/clock", slash ? (int)(slash - self.dli_fname) : 1,
		 slash ? self.dli_fname : ".");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *mapped = fd >= 0 ? mmap(NULL, sizeof(*shift_s), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (mapped != MAP_FAILED)
		shift_s = mapped;
	if (fd >= 0)
		close(fd);
}

static time_t clock_shift(void)
{
	return shift_s ? *shift_s : 0;
}
