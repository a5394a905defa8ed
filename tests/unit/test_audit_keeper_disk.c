/* Keepers of the audit's files whose disk hangs, and who writes what they keep in bad faith. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "stats/life.h"
#include "supervise/audit_keeper.h"
#include "tests/unit/keeper_threads.h"
#include "tests/unit/with_loop.h"

#define HANG_LIMIT_MS 20000 /* what waits for the disk all the same goes on then, and the test fails */

static struct {
	char folder[64], path[100], other[100];
	struct loop *loop;
	struct config config;
	struct audit_keeper *keeper, *next;
	int fd;
	atomic_uint handed_over;
	struct stats *slab;
} world;

/* Each case's. Never freed: nothing but /proc tells that the threads which used it have ended. */
#define SLABS 16
static struct stats *slabs[SLABS];
static unsigned slab_count;

/* ---- a disk that hangs: of one file, as its path is looked up */

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	const char *path; /* NULL: none hangs */
	unsigned waiting;
} disk = { .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void wait_for_disk(const char *path)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += HANG_LIMIT_MS / 1000;
	pthread_mutex_lock(&disk.mutex);
	disk.waiting++;
	while (disk.path && strcmp(disk.path, path) == 0 &&
	       pthread_cond_timedwait(&disk.changed, &disk.mutex, &until) == 0)
		;
	disk.waiting--;
	pthread_mutex_unlock(&disk.mutex);
}

int lstat(const char *path, struct stat *out)
{
	wait_for_disk(path);
	return fstatat(AT_FDCWD, path, out, AT_SYMLINK_NOFOLLOW);
}

static void set_disk(const char *path)
{
	pthread_mutex_lock(&disk.mutex);
	disk.path = path;
	pthread_cond_broadcast(&disk.changed);
	pthread_mutex_unlock(&disk.mutex);
}

static unsigned count_waiting(void)
{
	pthread_mutex_lock(&disk.mutex);
	unsigned waiting = disk.waiting;
	pthread_mutex_unlock(&disk.mutex);
	return waiting;
}

static bool does_hang(void *context)
{
	(void)context;
	return count_waiting() == 1;
}

/* ---- time that flies: a keeper's second is over at once */

static atomic_bool time_flies;

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
	static int (*wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
	if (!time_flies) {
		if (wait == NULL)
			*(void **)&wait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
		return wait(cond, mutex, until);
	}
	pthread_mutex_unlock(mutex);
	sched_yield();
	pthread_mutex_lock(mutex);
	return ETIMEDOUT;
}

/* ---- keepers */

static void take_next(void *context, int fd, const char *former_name)
{
	(void)context;
	(void)former_name;
	(void)!write(fd, "x", 1); /* more than a file may hold here */
	close(fd);
	world.handed_over++;
}

static bool is_handed_over(void *context)
{
	return world.handed_over >= *(const unsigned *)context;
}

static void wait_for_files(unsigned count)
{
	run_until(world.loop, is_handed_over, &count);
}

static int open_audit(const char *path)
{
	int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "{}\n", 3), 3);
	return fd;
}

static int begin_world(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	snprintf(world.folder, sizeof(world.folder), "/tmp/subgate-keeper-XXXXXX");
	assert_non_null(mkdtemp(world.folder));
	snprintf(world.path, sizeof(world.path), "%s/a", world.folder);
	snprintf(world.other, sizeof(world.other), "%s/b", world.folder);
	world.config.audit.file = world.path;
	world.config.audit.rotate_size = 1;
	world.fd = open_audit(world.path);
	assert_true(slab_count < SLABS);
	assert_int_equal(stats_create_private(&slabs[slab_count]), STATUS_OK);
	world.slab = slabs[slab_count++];
	life_use(stats_life(world.slab));
	assert_int_equal(loop_create(&world.loop), STATUS_OK);
	return 0;
}

static int end_world(void **state)
{
	char command[200];
	(void)state;
	set_disk(NULL);
	time_flies = false;
	audit_keeper_free(&world.keeper);
	audit_keeper_free(&world.next);
	wait_for_no_keeper();
	life_use(NULL);
	close(world.fd);
	loop_free(world.loop);
	snprintf(command, sizeof(command), "rm -r %s", world.folder);
	return system(command);
}

static void start_keeper(struct audit_keeper **keeper, bool leads)
{
	assert_int_equal(audit_keeper_create(world.loop, &world.config, NULL, world.fd, take_next, NULL, keeper),
			 STATUS_OK);
	audit_keeper_lead(*keeper, leads);
}

static void start_keeper_that_hangs(void)
{
	set_disk(world.path);
	start_keeper(&world.keeper, false);
	run_until(world.loop, does_hang, NULL);
}

static void nobody_who_ends_a_keeper_waits_for_its_disk(void **state)
{
	(void)state;
	start_keeper_that_hangs();
	audit_keeper_free(&world.keeper);
	assert_int_equal(count_waiting(), 1); /* it hangs on, and was left behind */
	assert_null(world.keeper);
}

static void another_keeper_leaves_a_file_alone_that_one_hangs_at(void **state)
{
	(void)state;
	start_keeper_that_hangs();
	audit_keeper_free(&world.keeper);
	start_keeper(&world.next, true);
	run_for(world.loop, 2500);
	assert_int_equal(count_waiting(), 1);
	assert_int_equal(world.handed_over, 0);
	set_disk(NULL);
	wait_for_files(1);
}

static void a_keeper_of_another_file_goes_on(void **state)
{
	(void)state;
	start_keeper_that_hangs();
	audit_keeper_free(&world.keeper);
	close(world.fd);
	world.fd = open_audit(world.other);
	world.config.audit.file = world.other;
	start_keeper(&world.next, true);
	wait_for_files(1);
	assert_int_equal(count_waiting(), 1);
}

static void a_keeper_that_hangs_is_seen(void **state)
{
	struct life_watch watch;
	uint64_t now = clock_monotonic_ms();
	(void)state;
	start_keeper_that_hangs();
	life_watch_begin(&watch, now);
	for (unsigned seconds = 0; seconds < 60; seconds++)
		life_watch_look(&watch, stats_life(world.slab), now += 1000);
	assert_int_equal(life_watch_lost_kind(&watch), LIFE_KEEPER);
	set_disk(NULL);
	wait_for_files(0);
	audit_keeper_free(&world.keeper);
	wait_for_no_keeper();
	life_watch_look(&watch, stats_life(world.slab), now);
	assert_int_equal(watch.threads[LIFE_KEEPER] + watch.threads[LIFE_PACKER], 0);
}

static unsigned count_rotated(void)
{
	const struct dirent *entry;
	unsigned count = 0;
	DIR *entries = opendir(world.folder);
	while ((entry = readdir(entries)) != NULL)
		count += strncmp(entry->d_name, "a-", 2) == 0;
	closedir(entries);
	return count;
}

static bool are_rotated(void *context)
{
	return count_rotated() >= *(const unsigned *)context;
}

static void whoever_writes_the_file_can_t_have_it_rotated_without_end(void **state)
{
	const unsigned burst = 60;
	(void)state;
	time_flies = true;
	start_keeper(&world.keeper, true);
	run_until(world.loop, are_rotated, (void *)&burst);
	run_for(world.loop, 1000);
	assert_in_range(count_rotated(), burst, burst + 1); /* ten minutes pay for one more */
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin_world, end_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nobody_who_ends_a_keeper_waits_for_its_disk),
		CASE(another_keeper_leaves_a_file_alone_that_one_hangs_at),
		CASE(a_keeper_of_another_file_goes_on),
		CASE(a_keeper_that_hangs_is_seen),
		CASE(whoever_writes_the_file_can_t_have_it_rotated_without_end),
	};
	return cmocka_run_group_tests_name("audit keeper, disk", tests, NULL, NULL);
}
