/*
 * The disk: real files. What is appended takes its time, comes in parts, and fails while the node's disk is full; only
 * helper threads write in parts: a part is where a kill finds them. What is written over has its place, and the kernel
 * takes it as a whole. Locks that belong to a process belong to the played one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tests/simulate/world.h"

#define SLOW_OF_THOUSAND 5
#define PART_OF_THOUSAND 100

ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);

static bool is_on_disk(int fd)
{
	struct stat file;
	return sim_process != &sim_outside && fstat(fd, &file) == 0 && S_ISREG(file.st_mode);
}

static void take_time(void)
{
	if (sim_is_thread())
		sim_sleep(sim_chance(SLOW_OF_THOUSAND) ? sim_between(10000, 2 * SECOND_US) : sim_between(5, 500));
}

static bool is_full(void)
{
	if (sim_process->disk_is_full == NULL || !*sim_process->disk_is_full)
		return false;
	errno = ENOSPC;
	return true;
}

static size_t part_of(size_t size)
{
	return size > 1 && sim_is_thread() && sim_chance(PART_OF_THOUSAND) ? 1 + sim_draw((uint32_t)size - 1) : size;
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	if (!is_on_disk(fd))
		return __real_write(fd, bytes, size);
	take_time();
	if (is_full())
		return -1;
	ssize_t put = __real_write(fd, bytes, part_of(size));
	take_time();
	return put;
}

/* A kill of a process loses nothing that was written. */
int __wrap_fdatasync(int fd)
{
	(void)fd;
	take_time();
	if (!is_full() || sim_chance(500))
		return 0;
	errno = EIO;
	return -1;
}

/* The machine's own free space is none of the run's. */
int __wrap_fstatvfs64(int fd, struct statvfs *out);
int __wrap_fstatvfs64(int fd, struct statvfs *out)
{
	(void)fd;
	*out = (struct statvfs){ .f_bsize = 4096, .f_frsize = 4096, .f_blocks = 1 << 22 };
	out->f_bavail = out->f_bfree = is_full() ? 0 : 1 << 21;
	return 0;
}

int __wrap_fsync(int fd)
{
	return __wrap_fdatasync(fd);
}

/* ---- locks of a process on a range of a file (F_SETLK, F_GETLK) */

#define LOCKS_MAXIMUM 256

static struct file_lock {
	const struct process *process; /* NULL: free */
	dev_t device;
	ino_t inode;
	off_t first, last;
	short type;
} locks[LOCKS_MAXIMUM];

static bool locks_meet(const struct file_lock *a, const struct file_lock *b)
{
	return a->process && !a->process->is_dead && a->device == b->device && a->inode == b->inode &&
	       a->first <= b->last && b->first <= a->last;
}

static const struct file_lock *find_conflict(const struct file_lock *wanted)
{
	for (size_t i = 0; i < LOCKS_MAXIMUM; i++)
		if (locks_meet(&locks[i], wanted) && locks[i].process != wanted->process &&
		    (locks[i].type == F_WRLCK || wanted->type == F_WRLCK))
			return &locks[i];
	return NULL;
}

/* Ours are taken and given back whole, never in parts. */
static void forget_own(const struct file_lock *wanted)
{
	for (size_t i = 0; i < LOCKS_MAXIMUM; i++)
		if (locks_meet(&locks[i], wanted) && locks[i].process == wanted->process)
			locks[i].process = NULL;
}

static int read_lock(int fd, const struct flock *asked, struct file_lock *out_lock)
{
	struct stat file;
	if (fstat(fd, &file) != 0)
		return -1;
	*out_lock =
		(struct file_lock){ sim_process, file.st_dev, file.st_ino, asked->l_start, INT64_MAX, asked->l_type };
	if (asked->l_len)
		out_lock->last = asked->l_start + asked->l_len - 1;
	return 0;
}

static int tell_lock(int fd, struct flock *asked)
{
	struct file_lock wanted;
	if (read_lock(fd, asked, &wanted) != 0)
		return -1;
	const struct file_lock *held = find_conflict(&wanted);
	asked->l_type = held ? held->type : F_UNLCK;
	if (held) {
		asked->l_start = held->first;
		asked->l_len = held->last == INT64_MAX ? 0 : held->last - held->first + 1;
	}
	return 0;
}

static int set_lock(int fd, const struct flock *asked)
{
	struct file_lock wanted;
	if (read_lock(fd, asked, &wanted) != 0)
		return -1;
	if (asked->l_type != F_UNLCK && find_conflict(&wanted)) {
		errno = EAGAIN;
		return -1;
	}
	forget_own(&wanted);
	if (asked->l_type == F_UNLCK)
		return 0;
	for (size_t i = 0; i < LOCKS_MAXIMUM; i++) {
		if (locks[i].process && !locks[i].process->is_dead)
			continue;
		locks[i] = wanted;
		return 0;
	}
	errno = ENOLCK;
	return -1;
}

int __real_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...);
int __wrap_fcntl64(int fd, int command, ...)
{
	va_list list;
	va_start(list, command);
	void *argument = va_arg(list, void *);
	va_end(list);
	if (command == F_SETLK && sim_process != &sim_outside)
		return set_lock(fd, argument);
	if (command == F_GETLK && sim_process != &sim_outside)
		return tell_lock(fd, argument);
	return __real_fcntl64(fd, command, argument);
}
