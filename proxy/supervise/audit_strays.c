/* A short list, the oldest first, under a mutex that is never held while a disk is waited for. Owns the descriptors. */
#include "supervise/audit_strays.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define KEPT_MS 120000 /* the longest back-off is 30 s, and what hangs is killed within 15 */

struct stray {
	int fd;
	dev_t device;
	ino_t inode;
	uint64_t until_ms; /* of the monotonic clock */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct stray strays[AUDIT_STRAYS_MAXIMUM];
static size_t stray_count;

static bool is_kept(const struct stat *about)
{
	for (size_t i = 0; i < stray_count; i++)
		if (strays[i].device == about->st_dev && strays[i].inode == about->st_ino)
			return true;
	return false;
}

/* The descriptor is the caller's from now on. */
static int drop_oldest(void)
{
	int fd = strays[0].fd;
	stray_count--;
	memmove(strays, strays + 1, stray_count * sizeof(strays[0]));
	return fd;
}

void audit_strays_keep(int fd)
{
	struct stat about;
	int unused = -1;
	int copy = fstat(fd, &about) == 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (copy < 0) {
		log_error("audit: what is under way in the former file is lost if its writer dies: %s",
			  strerror(errno));
		return;
	}
	pthread_mutex_lock(&mutex);
	if (is_kept(&about)) {
		unused = copy;
	} else {
		if (stray_count == AUDIT_STRAYS_MAXIMUM)
			unused = drop_oldest();
		strays[stray_count++] =
			(struct stray){ copy, about.st_dev, about.st_ino, clock_monotonic_ms() + KEPT_MS };
	}
	pthread_mutex_unlock(&mutex);
	if (unused >= 0)
		close(unused);
}

void audit_strays_tidy(void)
{
	int fd;
	do {
		fd = -1;
		pthread_mutex_lock(&mutex);
		if (stray_count && clock_monotonic_ms() >= strays[0].until_ms)
			fd = drop_oldest();
		pthread_mutex_unlock(&mutex);
		if (fd >= 0)
			close(fd);
	} while (fd >= 0);
}

/* Copies of all descriptors but that of this file, the newest first. */
static size_t copy_strays(const struct stat *but, int out_fds[AUDIT_STRAYS_MAXIMUM])
{
	size_t count = 0;
	pthread_mutex_lock(&mutex);
	for (size_t i = stray_count; i > 0; i--) {
		const struct stray *stray = &strays[i - 1];
		if (stray->device == but->st_dev && stray->inode == but->st_ino)
			continue;
		int fd = fcntl(stray->fd, F_DUPFD_CLOEXEC, 0);
		if (fd >= 0)
			out_fds[count++] = fd;
	}
	pthread_mutex_unlock(&mutex);
	return count;
}

/* A descriptor with an offset of its own, and without the right to write. */
static int reopen_for_reading(int fd)
{
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

enum status audit_strays_give(int audit_fd, struct handover *list, size_t *given)
{
	enum status status = STATUS_OK;
	struct stat own = { 0 };
	int fds[AUDIT_STRAYS_MAXIMUM];
	if (audit_fd >= 0 && fstat(audit_fd, &own) != 0)
		return STATUS_SYSTEM;
	size_t count = copy_strays(&own, fds);
	for (size_t i = 0; i < count; i++) {
		int fd = status == STATUS_OK ? reopen_for_reading(fds[i]) : -1;
		if (fd >= 0)
			status = handover_give(list, TO(ROLE_RELAY), fd, "audit-earlier:%zu", (*given)++);
		else if (status == STATUS_OK)
			log_warning("audit: a file that was deleted is not searched: %s", strerror(errno));
		close(fds[i]);
	}
	return status;
}
