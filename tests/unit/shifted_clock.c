/*
 * A clock that a test shifts: preloaded into redis-server, it adds the number of seconds that stands in the file
 * SHIFTED_CLOCK to the time of day.
 */
#include <fcntl.h>
#include <stdlib.h>

#include "tests/harness/shifted_time.h"

static time_t clock_shift(void)
{
	char text[32] = { 0 };
	const char *path = getenv("SHIFTED_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	time_t seconds = fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 ? strtol(text, NULL, 10) : 0;
	if (fd >= 0)
		close(fd);
	return seconds;
}
