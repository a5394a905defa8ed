/*
 * Walks the path as the kernel does. Certbot swaps links in live/, Kubernetes one link to a folder; others rename a
 * file into place, or write into it.
 */
#include "supervise/path_watch.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAXIMUM 40 /* as of the kernel */
#define CHANGES                                                                                              \
	(IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | \
	 IN_MOVE_SELF | IN_ONLYDIR)

/* Where the walk is. `folder` holds no link. */
struct walk {
	char folder[PATH_MAX]; /* "" is the root */
	char rest[PATH_MAX];
};

int path_watch_open(void)
{
	return inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
}

void path_watch_drain(int fd)
{
	char events[4096];
	while (read(fd, events, sizeof(events)) > 0)
		;
}

/* Takes the next part off `rest`; false: none is left. */
static bool cut_part(struct walk *walk, char out_part[NAME_MAX + 1])
{
	const char *at = walk->rest + strspn(walk->rest, "/");
	size_t size = strcspn(at, "/");
	if (size == 0 || size > NAME_MAX)
		return false;
	memcpy(out_part, at, size);
	out_part[size] = '\0';
	memmove(walk->rest, at + size, strlen(at + size) + 1);
	return true;
}

static void leave_folder(struct walk *walk)
{
	char *slash = strrchr(walk->folder, '/');
	if (slash)
		*slash = '\0';
}

/* Goes on where the link leads. False: nowhere. */
static bool follow_link(struct walk *walk, const char *link)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t size = readlink(link, target, sizeof(target) - 1);
	if (size <= 0)
		return false;
	target[size] = '\0';
	if (snprintf(rest, sizeof(rest), "%s%s", target, walk->rest) >= (int)sizeof(rest))
		return false;
	memcpy(walk->rest, rest, sizeof(rest));
	if (target[0] == '/')
		walk->folder[0] = '\0';
	return true;
}

static void watch_folder(int fd, const struct walk *walk)
{
	(void)inotify_add_watch(fd, walk->folder[0] ? walk->folder : "/", CHANGES);
}

/* False: the walk is over. */
static bool take_step(int fd, struct walk *walk, unsigned *links)
{
	char part[NAME_MAX + 1], path[PATH_MAX];
	struct stat info;
	if (!cut_part(walk, part))
		return false;
	if (strcmp(part, ".") == 0)
		return true;
	if (strcmp(part, "..") == 0) {
		leave_folder(walk);
		return true;
	}
	if (snprintf(path, sizeof(path), "%s/%s", walk->folder, part) >= (int)sizeof(path))
		return false;
	if (lstat(path, &info) != 0 || !S_ISDIR(info.st_mode))
		watch_folder(fd, walk);
	if (lstat(path, &info) != 0)
		return false;
	if (S_ISLNK(info.st_mode))
		return ++*links <= LINKS_MAXIMUM && follow_link(walk, path);
	memcpy(walk->folder, path, sizeof(path));
	return S_ISDIR(info.st_mode);
}

void path_watch_add(int fd, const char *path)
{
	struct walk walk = { .folder = "" };
	unsigned links = 0;
	if (snprintf(walk.rest, sizeof(walk.rest), "%s", path) >= (int)sizeof(walk.rest))
		return;
	while (take_step(fd, &walk, &links))
		;
}
