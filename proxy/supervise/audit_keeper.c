/*
 * Two threads: one looks once a second at the file that is written, the other tidies earlier ones, at the least
 * priority. Owns a copy of the file's descriptor, by which it knows the file whatever it is called. A fault is logged
 * once, and tried again.
 *
 * Nobody waits for a thread: its disk may hang. What threads use is freed by whichever user of it goes last, loop or
 * thread; one that hangs for ever keeps it for ever, and its claim (audit_claims.h) keeps others off its file.
 */
#include "supervise/audit_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "audit/archive/archive.h"
#include "base/clock.h"
#include "base/condition.h"
#include "base/log.h"
#include "base/pace.h"
#include "base/thread.h"
#include "supervise/audit_claims.h"
#include "supervise/audit_strays.h"
#include "supervise/audit_tidier.h"

#define LOOK_S 1
#define HURRY_S 10              /* after a rotation: by then nobody writes the former file any more */
#define TIDY_S 60               /* between two rounds */
#define LEAST_PRIORITY 19       /* of nice(1): packing takes only what others leave */
#define STACK_SIZE (256U << 10) /* bytes */

/*
 * Whoever writes the file decides how fast it grows. In the long run there is a rotation in ten minutes at most, as one
 * file is deleted in that time; until the next one may be, a file grows larger than it should.
 */
#define ROTATION_COST 600 /* of a pace that pays off one a second */
static const struct pace_limit rotation_limit = { .burst = 60ULL * ROTATION_COST, .a_second = 1 };

struct audit_keeper {
	char *path;
	struct archive_policy policy;
	audit_keeper_callback *on_next;
	void *context;
	struct stats *stats;
	atomic_bool leads, stop;
	atomic_uint seconds_of_hurry; /* that the tidier is to look each second */
	pthread_mutex_t mutex;        /* never held while a disk is waited for */
	pthread_cond_t stopping;
	/* Under the mutex. */
	unsigned users;        /* the loop, and threads */
	struct wakeup *wakeup; /* NULL: the loop has left */
	int next_fd;           /* found, and not handed over yet; -1: none */
	char former_name[ARCHIVE_NAME_SIZE];
	/* The looker's own. */
	int fd;
	struct pace rotations;
	bool has_complained, is_rotating_too_often;
};

static void complain_once(struct audit_keeper *keeper, const char *what)
{
	if (!keeper->has_complained && !keeper->stop)
		log_error("audit: %s: %s", keeper->path, what);
	keeper->has_complained = true;
}

/* False: it is time to stop. */
static bool pause_for(struct audit_keeper *keeper, unsigned seconds)
{
	struct timespec until = condition_limit(seconds * 1000ULL);
	int failed = 0;
	pthread_mutex_lock(&keeper->mutex);
	while (!keeper->stop && failed != ETIMEDOUT)
		failed = pthread_cond_timedwait(&keeper->stopping, &keeper->mutex, &until);
	pthread_mutex_unlock(&keeper->mutex);
	return !keeper->stop;
}

/* ---- the file that is written */

static void put_next(struct audit_keeper *keeper, int fd, const char *former_name)
{
	pthread_mutex_lock(&keeper->mutex);
	int unused_fd = keeper->next_fd; /* nobody has it yet */
	keeper->next_fd = fd;
	snprintf(keeper->former_name, sizeof(keeper->former_name), "%s", former_name);
	if (keeper->wakeup)
		wakeup_send(keeper->wakeup);
	pthread_mutex_unlock(&keeper->mutex);
	if (unused_fd >= 0)
		close(unused_fd);
}

static bool has_name(const struct audit_keeper *keeper, const char *path)
{
	struct stat own, there;
	return fstat(keeper->fd, &own) == 0 && lstat(path, &there) == 0 && own.st_dev == there.st_dev &&
	       own.st_ino == there.st_ino;
}

/* Whether all who look for the audit's earlier files find it, by its name (audit/reader/files.h). */
static bool is_beside(const struct audit_keeper *keeper, const char *former_name)
{
	char path[PATH_MAX];
	const char *slash = strrchr(keeper->path, '/');
	const char *name = slash ? slash + 1 : keeper->path;
	size_t size = strlen(name);
	if (strncmp(former_name, name, size) != 0 || (former_name[size] != '.' && former_name[size] != '-'))
		return false;
	return snprintf(path, sizeof(path), "%.*s%s", (int)(name - keeper->path), keeper->path, former_name) <
		       (int)sizeof(path) &&
	       has_name(keeper, path);
}

static void go_on_in_next(struct audit_keeper *keeper)
{
	char former_name[ARCHIVE_NAME_SIZE];
	int fd, copy;
	if (archive_open(keeper->path, keeper->fd, &fd) != STATUS_OK) {
		complain_once(keeper, errno == EINVAL ? "no regular file" : strerror(errno));
		return;
	}
	archive_name_of(keeper->fd, former_name);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0) {
		complain_once(keeper, strerror(errno));
		close(fd);
		return;
	}
	if (!is_beside(keeper, former_name))
		audit_strays_keep(keeper->fd);
	close(keeper->fd);
	keeper->fd = fd;
	keeper->has_complained = false;
	put_next(keeper, copy, former_name);
}

/* It was renamed or deleted, or something else has its name. */
static bool is_in_place(const struct audit_keeper *keeper)
{
	return has_name(keeper, keeper->path);
}

static bool may_rotate(struct audit_keeper *keeper)
{
	bool may = pace_take(&keeper->rotations, &rotation_limit, ROTATION_COST, clock_monotonic_ms());
	if (!may && !keeper->is_rotating_too_often)
		log_warning("audit: %s is to be rotated too often, and may grow larger than it should", keeper->path);
	keeper->is_rotating_too_often = !may;
	return may;
}

static void rotate_if_due(struct audit_keeper *keeper)
{
	char name[ARCHIVE_NAME_SIZE];
	uint64_t now_s = clock_wall_us() / 1000000;
	if (!keeper->leads || !archive_is_due(keeper->fd, &keeper->policy, now_s) || !may_rotate(keeper))
		return;
	if (archive_rotate(keeper->path, now_s, name) != STATUS_OK) {
		complain_once(keeper, strerror(errno));
		return;
	}
	go_on_in_next(keeper);
	keeper->seconds_of_hurry = HURRY_S;
}

static void leave_keeper(struct audit_keeper *keeper);

static void *look_at_file(void *context)
{
	struct audit_keeper *keeper = context;
	struct audit_claim claim = { .path = keeper->path, .job = AUDIT_JOB_LOOK };
	struct life_thread *sign = life_join(LIFE_KEEPER);
	while (pause_for(keeper, LOOK_S)) {
		if (!audit_claim_take(&claim))
			continue;
		life_begin(sign, ARCHIVE_DISK_LIMIT_MS);
		if (is_in_place(keeper))
			rotate_if_due(keeper);
		else
			go_on_in_next(keeper);
		audit_strays_tidy();
		life_rest(sign);
		audit_claim_drop(&claim);
	}
	life_leave(sign);
	leave_keeper(keeper);
	return NULL;
}

static void take_next(void *context)
{
	struct audit_keeper *keeper = context;
	char former_name[ARCHIVE_NAME_SIZE];
	pthread_mutex_lock(&keeper->mutex);
	int fd = keeper->next_fd;
	keeper->next_fd = -1;
	memcpy(former_name, keeper->former_name, sizeof(former_name));
	pthread_mutex_unlock(&keeper->mutex);
	if (fd < 0)
		return;
	if (former_name[0])
		log_info("audit: goes on in a new file; the one before is %s", former_name);
	else
		log_error("audit: its file was deleted; it goes on in a new one");
	keeper->on_next(keeper->context, fd, former_name);
}

/* ---- earlier files */

static void tidy_in_rounds(struct audit_keeper *keeper, struct audit_tidier *tidier, struct life_thread *sign)
{
	struct audit_claim claim = { .path = keeper->path, .job = AUDIT_JOB_TIDY };
	for (unsigned rounds = 0; pause_for(keeper, LOOK_S); rounds++) {
		bool is_due = keeper->seconds_of_hurry || rounds % TIDY_S == 0;
		if (keeper->seconds_of_hurry)
			keeper->seconds_of_hurry--;
		if (!keeper->leads || !is_due || !audit_claim_take(&claim))
			continue;
		audit_tidier_run(tidier);
		life_rest(sign);
		audit_claim_drop(&claim);
	}
}

static void *tidy_files(void *context)
{
	struct audit_keeper *keeper = context;
	struct audit_tidier *tidier = NULL;
	const struct audit_tidier_options options = {
		.path = keeper->path,
		.policy = keeper->policy,
		.stop = &keeper->stop,
		.sign = life_join(LIFE_PACKER),
		.stats = keeper->stats,
	};
	/* Of this thread alone, as Linux has it. */
	(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), LEAST_PRIORITY);
	if (audit_tidier_create(&options, &tidier) == STATUS_OK)
		tidy_in_rounds(keeper, tidier, options.sign);
	else
		log_error("audit: earlier files of %s are not tidied: out of memory", keeper->path);
	audit_tidier_free(&tidier);
	life_leave(options.sign);
	leave_keeper(keeper);
	return NULL;
}

/* ---- beginning and end */

/* The last one frees it. */
static void leave_keeper(struct audit_keeper *keeper)
{
	pthread_mutex_lock(&keeper->mutex);
	bool is_last = --keeper->users == 0;
	pthread_mutex_unlock(&keeper->mutex);
	if (!is_last)
		return;
	pthread_cond_destroy(&keeper->stopping);
	pthread_mutex_destroy(&keeper->mutex);
	if (keeper->next_fd >= 0)
		close(keeper->next_fd);
	if (keeper->fd >= 0)
		close(keeper->fd);
	free(keeper->path);
	free(keeper);
}

static enum status start_thread(struct audit_keeper *keeper, const char *name, void *(*run)(void *context))
{
	pthread_t thread;
	pthread_mutex_lock(&keeper->mutex);
	enum status status = thread_start(name, STACK_SIZE, run, keeper, &thread);
	if (status == STATUS_OK) {
		pthread_detach(thread);
		keeper->users++;
	}
	pthread_mutex_unlock(&keeper->mutex);
	return status;
}

static enum status start_threads(struct audit_keeper *keeper)
{
	TRY(start_thread(keeper, "audit-look", look_at_file));
	return start_thread(keeper, "audit-tidy", tidy_files);
}

static bool is_regular(int fd)
{
	struct stat about;
	return fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

enum status audit_keeper_create(struct loop *loop, const struct config *config, struct stats *stats, int fd,
				audit_keeper_callback *on_next, void *context, struct audit_keeper **out_keeper)
{
	const struct config_audit *audit = &config->audit;
	struct audit_keeper *keeper = calloc(1, sizeof(*keeper));
	if (keeper == NULL)
		return STATUS_NO_MEMORY;
	*keeper = (struct audit_keeper){
		.path = strdup(audit->file),
		.policy = { audit->rotate, audit->rotate_size, audit->keep, audit->compress },
		.on_next = on_next,
		.context = context,
		.stats = stats,
		.users = 1,
		.next_fd = -1,
		.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0),
	};
	pthread_mutex_init(&keeper->mutex, NULL);
	condition_init(&keeper->stopping);
	enum status status = keeper->fd < 0 ? STATUS_SYSTEM : keeper->path ? STATUS_OK : STATUS_NO_MEMORY;
	if (status == STATUS_OK)
		status = wakeup_create(loop, take_next, keeper, &keeper->wakeup);
	if (status == STATUS_OK && is_regular(keeper->fd))
		status = start_threads(keeper);
	if (status == STATUS_OK)
		*out_keeper = keeper;
	else
		audit_keeper_free(&keeper);
	return status;
}

void audit_keeper_lead(struct audit_keeper *keeper, bool leads)
{
	if (keeper)
		keeper->leads = leads;
}

void audit_keeper_free(struct audit_keeper **keeper_at)
{
	struct audit_keeper *keeper = *keeper_at;
	if (keeper == NULL)
		return;
	*keeper_at = NULL;
	pthread_mutex_lock(&keeper->mutex);
	keeper->stop = true;
	wakeup_free(&keeper->wakeup);
	pthread_cond_broadcast(&keeper->stopping);
	pthread_mutex_unlock(&keeper->mutex);
	leave_keeper(keeper);
}
