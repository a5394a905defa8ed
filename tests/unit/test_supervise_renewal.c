/* Certificates that renew by themselves: what is noticed, what is handed over, and what is not. */
#include <poll.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "supervise/memory_file.h"
#include "supervise/path_watch.h"
#include "supervise/renewal.h"
#include "supervise/secrets.h"
#include "supervise_fixture.h"
#include "with_certificate.h"
#include "with_loop.h"

#define SECTIONS                                                                                       \
	ONE_LISTENER PLAIN_RELAY "tls { certificate = \"live/cert.pem\" private_key = \"key.pem\" }\n" \
				 "admin { group = \"\" }\nredis { server = \"unix:/r\" password_file = \"redis\" }\n"
#define LIMIT_MS 30000

struct world {
	struct fixture f;
	struct loop *loop;
	struct renewal *renewal;
	struct handover opened;
	struct certificate first, second;
	unsigned asked, refusals; /* so many times the answer is "not now" */
	char renewed[PEM_SIZE];   /* the certificate that was handed over */
};

static enum status take_renewed(void *context, const struct handover *renewed)
{
	struct world *w = context;
	struct secret content = { 0 };
	assert_int_equal(secret_from_fd(handover_find(renewed, "tls-certificate"), &content), STATUS_OK);
	snprintf(w->renewed, sizeof(w->renewed), "%.*s", SPAN_ARGS(secret_reveal(&content)));
	secret_wipe(&content);
	assert_true(handover_find(renewed, "tls-key") >= 0);
	assert_int_equal(handover_find(renewed, "redis-password"), -1);
	return w->asked++ < w->refusals ? STATUS_REFUSED : STATUS_OK;
}

static bool has_taken(void *context)
{
	const struct world *w = context;
	return w->asked > w->refusals;
}

static void write_span(const struct world *w, const char *name, struct span text, mode_t mode)
{
	char *copy = span_to_string(text);
	fixture_write(&w->f, name, copy, mode);
	free(copy);
}

static void make_folder(const struct world *w, const char *name)
{
	char path[PATH_SIZE];
	fixture_path(&w->f, name, path);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void make_link(const struct world *w, const char *target, const char *name)
{
	char path[PATH_SIZE];
	fixture_path(&w->f, name, path);
	unlink(path);
	assert_int_equal(symlink(target, path), 0);
}

/* live/ is a link to one of two folders, and cert.pem in it a link to a file of `archive`. */
static void world_open(struct world *w)
{
	memset(w, 0, sizeof(*w));
	fixture_open(&w->f);
	certificate_make(&w->first, "DNS:mail.example.com");
	certificate_make(&w->second, "DNS:mail.example.com");
	make_folder(w, "one");
	make_folder(w, "two");
	make_folder(w, "archive");
	make_link(w, "one", "live");
	make_link(w, "../archive/first.pem", "one/cert.pem");
	make_link(w, "../archive/second.pem", "two/cert.pem");
	write_span(w, "archive/first.pem", w->first.certificate, 0644);
	write_span(w, "archive/second.pem", w->second.certificate, 0644);
	write_span(w, "key.pem", secret_reveal(&w->first.key), 0600);
	fixture_write(&w->f, "redis", "password\n", 0600);
	fixture_config(&w->f, SECTIONS);
	assert_int_equal(secrets_open(w->f.config, w->f.faults, &w->opened), STATUS_OK);
	assert_int_equal(loop_create(&w->loop), STATUS_OK);
	assert_int_equal(renewal_create(w->loop, take_renewed, w, &w->renewal), STATUS_OK);
	renewal_follow(w->renewal, w->f.config, &w->opened);
}

static void world_close(struct world *w)
{
	renewal_free(&w->renewal);
	loop_free(w->loop);
	handover_close(&w->opened);
	certificate_free(&w->first);
	certificate_free(&w->second);
	fixture_close(&w->f);
}

static void assert_renewed(struct world *w)
{
	wait_in(w->loop, LIMIT_MS, has_taken, w);
	assert_true(has_taken(w));
	assert_true(span_equal(span_of(w->renewed), w->second.certificate));
}

static void a_pair_is_handed_over_once_it_is_complete(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	run_for(w.loop, 1500);
	assert_int_equal(w.asked, 0);
	write_span(&w, "archive/first.pem", w.second.certificate, 0644);
	run_for(w.loop, 2500);
	assert_int_equal(w.asked, 0); /* the key is still the former one's */
	write_span(&w, "key.pem", secret_reveal(&w.second.key), 0600);
	assert_renewed(&w);
	run_for(w.loop, 4500);
	assert_int_equal(w.asked, 1);
	world_close(&w);
}

/* As after a former start, or between a reload's reading and the first look. */
static void what_changed_before_it_was_followed_is_noticed(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	write_span(&w, "archive/first.pem", w.second.certificate, 0644);
	write_span(&w, "key.pem", secret_reveal(&w.second.key), 0600);
	renewal_follow(w.renewal, w.f.config, &w.opened);
	assert_renewed(&w);
	world_close(&w);
}

static void not_now_is_asked_again(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	w.refusals = 2;
	write_span(&w, "key.pem", secret_reveal(&w.second.key), 0600);
	make_link(&w, "../archive/second.pem", "one/cert.pem");
	assert_renewed(&w);
	assert_int_equal(w.asked, 3);
	world_close(&w);
}

static void a_key_that_others_can_read_is_not_handed_over(void **state)
{
	struct world w;
	(void)state;
	world_open(&w);
	write_span(&w, "key.pem", secret_reveal(&w.second.key), 0640);
	make_link(&w, "two", "live");
	run_for(w.loop, 3000);
	assert_int_equal(w.asked, 0);
	write_span(&w, "key.pem", secret_reveal(&w.second.key), 0600);
	assert_renewed(&w);
	world_close(&w);
}

/* ---- what a path leads to */

static bool is_told(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };
	bool told = poll(&one, 1, 0) > 0;
	path_watch_drain(fd);
	return told;
}

static void each_link_and_the_file_itself_are_watched(void **state)
{
	struct world w;
	char path[PATH_SIZE], other[PATH_SIZE];
	(void)state;
	world_open(&w);
	int fd = path_watch_open();
	assert_true(fd >= 0);
	fixture_path(&w.f, "live/./../live/cert.pem", path);
	path_watch_add(fd, path);
	assert_false(is_told(fd));
	make_link(&w, "two", "live");
	assert_true(is_told(fd));
	path_watch_add(fd, path);
	make_link(&w, "../archive/first.pem", "two/cert.pem");
	assert_true(is_told(fd));
	fixture_write(&w.f, "archive/first.pem", "in place", 0644);
	assert_true(is_told(fd));
	fixture_path(&w.f, "archive/first.pem", path);
	fixture_path(&w.f, "archive/other.pem", other);
	assert_int_equal(rename(path, other), 0);
	assert_true(is_told(fd));
	close(fd);
	world_close(&w);
}

/* ---- a disk that hangs, and a clock that is set */

static atomic_bool does_disk_hang, is_thread_waiting;
static time_t ahead_s; /* of the time of day */

int stat(const char *path, struct stat *out)
{
	while (does_disk_hang) {
		is_thread_waiting = true;
		usleep(1000);
	}
	return fstatat(AT_FDCWD, path, out, 0);
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
	int failed = (int)syscall(SYS_clock_gettime, clock, out);
	out->tv_sec += clock == CLOCK_REALTIME ? ahead_s : 0;
	return failed;
}

static bool hangs(void *context)
{
	(void)context;
	return is_thread_waiting;
}

/* In a child, as the thread is never joined. A clock that is set back looks as if it had been ahead before. */
static void the_end_does_not_wait_for_a_disk_whatever_the_clock_says(void **state)
{
	struct world w;
	int status;
	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		alarm(LIMIT_MS / 1000);
		does_disk_hang = true;
		world_open(&w);
		wait_in(w.loop, LIMIT_MS, hangs, NULL);
		ahead_s = 3600;
		renewal_free(&w.renewal);
		world_close(&w);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_path_that_leads_nowhere_or_in_circles_is_no_trouble(void **state)
{
	struct world w;
	char path[PATH_SIZE];
	(void)state;
	world_open(&w);
	int fd = path_watch_open();
	make_link(&w, "circle", "circle");
	fixture_path(&w.f, "circle/cert.pem", path);
	path_watch_add(fd, path);
	fixture_path(&w.f, "missing/cert.pem", path);
	path_watch_add(fd, path);
	path_watch_drain(fd);
	make_folder(&w, "missing");
	assert_true(is_told(fd));
	path_watch_add(fd, "");
	path_watch_add(fd, "/");
	path_watch_add(fd, "/../../..");
	close(fd);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pair_is_handed_over_once_it_is_complete),
		cmocka_unit_test(what_changed_before_it_was_followed_is_noticed),
		cmocka_unit_test(not_now_is_asked_again),
		cmocka_unit_test(a_key_that_others_can_read_is_not_handed_over),
		cmocka_unit_test(the_end_does_not_wait_for_a_disk_whatever_the_clock_says),
		cmocka_unit_test(each_link_and_the_file_itself_are_watched),
		cmocka_unit_test(a_path_that_leads_nowhere_or_in_circles_is_no_trouble),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
