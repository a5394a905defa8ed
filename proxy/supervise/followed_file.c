/*
 * Looks once a second. While there is no file, or none that can be opened, the former one is worked with; the log says
 * so.
 */
#include "supervise/followed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define LOOK_MS 1000

struct followed_file {
	const char *path;
	dev_t device;
	ino_t inode;
	bool is_missing; /* as was logged */
	struct timer *timer;
	followed_file_callback *on_replaced;
	void *context;
};

static void complain_once(struct followed_file *file, const char *what)
{
	if (!file->is_missing)
		log_error("%s: %s; what was there before is still used", file->path, what);
	file->is_missing = true;
}

static bool is_known(const struct followed_file *file, const struct stat *now)
{
	return now->st_dev == file->device && now->st_ino == file->inode;
}

/* Of a device or a pipe nothing is read. */
static void open_other(struct followed_file *file)
{
	struct stat now;
	int fd = open(file->path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0) {
		complain_once(file, strerror(errno));
		return;
	}
	if (fstat(fd, &now) != 0 || !S_ISREG(now.st_mode)) {
		complain_once(file, "not a regular file");
		close(fd);
		return;
	}
	file->device = now.st_dev;
	file->inode = now.st_ino;
	file->is_missing = false;
	log_info("%s was replaced", file->path);
	file->on_replaced(file->context, fd);
}

static void on_timer(void *context)
{
	struct followed_file *file = context;
	struct stat now;
	timer_set(file->timer, LOOK_MS);
	if (lstat(file->path, &now) != 0)
		complain_once(file, strerror(errno));
	else if (!is_known(file, &now))
		open_other(file);
	else
		file->is_missing = false;
}

enum status followed_file_create(struct loop *loop, const char *path, int fd, followed_file_callback *on_replaced,
				 void *context, struct followed_file **out_file)
{
	struct stat now;
	if (fstat(fd, &now) != 0)
		return STATUS_SYSTEM;
	struct followed_file *file = calloc(1, sizeof(*file));
	if (file == NULL)
		return STATUS_NO_MEMORY;
	*file = (struct followed_file){
		.path = path,
		.device = now.st_dev,
		.inode = now.st_ino,
		.on_replaced = on_replaced,
		.context = context,
	};
	enum status status = timer_make(loop, on_timer, file, &file->timer);
	if (status != STATUS_OK) {
		free(file);
		return status;
	}
	timer_set(file->timer, LOOK_MS);
	*out_file = file;
	return STATUS_OK;
}

void followed_file_free(struct followed_file **file)
{
	if (*file == NULL)
		return;
	timer_free(&(*file)->timer);
	free(*file);
	*file = NULL;
}
