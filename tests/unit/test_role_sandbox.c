/* The sandbox, entered by a child for each case: what it may not do is refused, what it must do works. */
#include <netinet/in.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "net/loop.h"
#include "with_census.h"
#include "with_sandbox.h"

#ifdef SUBGATE_SANITIZED

int main(void)
{
	puts("built with a sanitizer: there is no sandbox to test");
	return 0;
}

#else

/* ---- gates */

static int open_raw(void *context)
{
	(void)context;
	return error_of(syscall(SYS_open, "/etc/passwd", O_RDONLY));
}

static int make_socket(void *context)
{
	(void)context;
	return error_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int connect_away(void *context)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	return error_of(connect(*(int *)context, (const struct sockaddr *)&address, sizeof(address)));
}

static int execute_program(void *context)
{
	char *const argv[] = { "/bin/true", NULL };
	(void)context;
	return error_of(execv("/bin/true", argv));
}

static int split_process(void *context)
{
	(void)context;
	return error_of(fork());
}

static int map_executable(void *context)
{
	(void)context;
	void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return at == MAP_FAILED ? errno : 0;
}

static int make_executable(void *context)
{
	return error_of(mprotect(context, 4096, PROT_READ | PROT_EXEC));
}

static int stretch_memory(void *context)
{
	return mremap(context, 4096, 2 * 4096, MREMAP_MAYMOVE) == MAP_FAILED ? errno : 0;
}

static int make_ring(void *context)
{
	(void)context;
	return error_of(syscall(SYS_io_uring_setup, 8, NULL));
}

static int kill_parent(void *context)
{
	(void)context;
	return error_of(kill(getppid(), 0));
}

static int ask_for_trace(void *context)
{
	(void)context;
	return error_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static void open_listeners(int out_listeners[2])
{
	for (size_t i = 0; i < 2; i++) {
		out_listeners[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(listen(out_listeners[i], 1), 0);
	}
}

/* A listener that is shut down is a socket like any other, and MSG_FASTOPEN connects without connect(2). */
static int reach_out(void *context)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof(address);
	int *listeners = context;
	if (getsockname(listeners[1], (struct sockaddr *)&address, &size) < 0)
		return 255;
	shutdown(listeners[0], SHUT_RDWR); /* which a gate may not do either */
	return error_of(sendto(listeners[0], "x", 1, MSG_FASTOPEN, (const struct sockaddr *)&address, size));
}

static int reach_out_by_message(void *context)
{
	struct msghdr message = { 0 };
	return error_of(sendmsg(*(int *)context, &message, MSG_FASTOPEN));
}

static int share_port(void *context)
{
	return error_of(setsockopt(*(int *)context, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)));
}

static void a_gate_is_refused_everything_but_its_work(void **state)
{
	(void)state;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int listeners[2];
	open_listeners(listeners);
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const struct {
		const char *what;
		int (*act)(void *);
		void *context;
		int error;
	} cases[] = {
		{ "opening a file", open_file, NULL, EACCES },
		{ "opening a file, the old way", open_raw, NULL, EACCES },
		{ "making a socket", make_socket, NULL, EACCES },
		{ "connecting a socket that it has", connect_away, &fd, EACCES },
		{ "connecting a listener", reach_out, listeners, EPERM },
		{ "the same in a message, and handing descriptors on", reach_out_by_message, listeners, EPERM },
		{ "changing sockets that others share", share_port, listeners, EPERM },
		{ "another program", execute_program, NULL, EPERM },
		{ "another process", split_process, NULL, EPERM },
		{ "executable memory", map_executable, NULL, EPERM },
		{ "making its memory executable", make_executable, page, EPERM },
		{ "a mapping made longer, over what others count", stretch_memory, page, EPERM },
		{ "a ring of system calls", make_ring, NULL, EPERM },
		{ "a signal to somebody else", kill_parent, NULL, EPERM },
		{ "being traced", ask_for_trace, NULL, EPERM },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int error = in_child(ROLE_GATE, NULL, NULL, cases[i].act, cases[i].context);
		if (error == cases[i].error)
			error = in_child(ROLE_CONSOLE, NULL, NULL, cases[i].act, cases[i].context);
		if (error != cases[i].error)
			fail_msg("%s: %s", cases[i].what, strerror(error));
	}
	munmap(page, 4096);
	close(listeners[0]);
	close(listeners[1]);
	close(fd);
}

/* What a gate does all day: memory, time, a loop turn, and bytes both ways. */
static int work_as_gate(void *context)
{
	int *pair = context;
	struct epoll_event event = { .events = EPOLLIN };
	struct timespec now;
	char byte = 0;
	char *memory = malloc(10 << 20); /* mmap and munmap */
	if (memory == NULL || (memory = realloc(memory, 20 << 20)) == NULL)
		return 1;
	memory[10 << 19] = 1;
	free(memory);
	if (epoll_ctl(pair[2], EPOLL_CTL_ADD, pair[1], &event) < 0 || send(pair[0], "x", 1, MSG_NOSIGNAL) != 1)
		return 2;
	if (epoll_wait(pair[2], &event, 1, 1000) != 1 || read(pair[1], &byte, 1) != 1 || byte != 'x')
		return 3;
	if (shutdown(pair[0], SHUT_WR) < 0 || read(pair[1], &byte, 1) != 0)
		return 6;
	if (clock_gettime(CLOCK_REALTIME, &now) < 0 || close(pair[0]) < 0)
		return 4;
	return getpid() > 0 ? 0 : 5;
}

static void let_work(enum role_kind kind)
{
	int descriptors[3];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, descriptors), 0);
	descriptors[2] = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(in_child(kind, NULL, NULL, work_as_gate, descriptors), 0);
	for (size_t i = 0; i < 3; i++)
		close(descriptors[i]);
}

static void gates_and_the_console_can_do_their_work(void **state)
{
	(void)state;
	let_work(ROLE_GATE);
	let_work(ROLE_CONSOLE);
}

/* ---- counts of a gate that came later, past the end of what was mapped */

static int count_all(void *context)
{
	return (int)census_seen(context, 0);
}

static void a_gate_sees_what_gates_that_come_later_count(void **state)
{
	(void)state;
	struct census_board *board = NULL;
	struct census *gates[2] = { NULL };
	assert_int_equal(census_board_create(&board), STATUS_OK);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(census_board_open(board, i, 100000), STATUS_OK);
		assert_int_equal(
			census_join(dup(census_board_fd(board)), dup(census_board_reading_fd(board)), i, &gates[i]),
			STATUS_OK);
		census_raise_total(gates[i]);
	}
	assert_int_equal(in_child(ROLE_GATE, NULL, NULL, count_all, gates[0]), 2);
	census_leave(&gates[0]);
	census_leave(&gates[1]);
	census_board_free(&board);
}

/* ---- a socket that the supervisor holds too: closed by the gate, it still wakes the gate's epoll */

struct shared_socket {
	struct loop *loop;
	struct watch *watch;
	int pair[2], copy;
	unsigned turns;
};

static void ignore_ready(void *context, unsigned events)
{
	(void)context;
	(void)events;
}

static void close_then_stop(void *context)
{
	struct shared_socket *s = context;
	if (s->turns++) {
		loop_stop(s->loop);
		return;
	}
	watch_free(&s->watch);
	close(s->pair[1]);
	(void)send(s->pair[0], "x", 1, MSG_NOSIGNAL);
}

static int outlive_shared_socket(void *context)
{
	struct shared_socket *s = context;
	struct timer *first = NULL, *second = NULL;
	if (timer_make(s->loop, close_then_stop, s, &first) != STATUS_OK ||
	    timer_make(s->loop, close_then_stop, s, &second) != STATUS_OK)
		return 1;
	timer_set(first, 10);
	timer_set(second, 50);
	loop_run(s->loop);
	return s->turns == 2 ? 0 : 2;
}

static void a_gate_closes_a_listener_that_others_hold_still(void **state)
{
	(void)state;
	struct shared_socket s = { 0 };
	assert_int_equal(loop_create(&s.loop), STATUS_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s.pair), 0);
	s.copy = fcntl(s.pair[1], F_DUPFD_CLOEXEC, 0);
	assert_true(s.copy >= 0);
	assert_int_equal(watch_create(s.loop, s.pair[1], WATCH_READ, ignore_ready, NULL, &s.watch), STATUS_OK);
	assert_int_equal(in_child(ROLE_GATE, NULL, NULL, outlive_shared_socket, &s), 0);
	watch_free(&s.watch);
	close(s.pair[0]);
	close(s.pair[1]);
	close(s.copy);
	loop_free(s.loop);
}

static int fail_assertion(void *context)
{
	(void)context;
	abort();
}

static void a_gate_that_aborts_ends(void **state)
{
	(void)state;
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (sandbox_close_calls(ROLE_GATE) != STATUS_OK)
			_exit(255);
		fail_assertion(NULL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* ---- the others */

static int listen_here(void *context)
{
	return error_of(listen(*(int *)context, 1));
}

static void no_other_role_may_become_more_than_it_is(void **state)
{
	(void)state;
	struct fixture f;
	struct handover list = { 0 };
	fixture_open(&f);
	fixture_config(&f, ONE_LISTENER PLAIN_RELAY);
	static const enum role_kind kinds[] = { ROLE_AUTH, ROLE_RELAY, ROLE_ADMIN };
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(in_child(kinds[i], &f, &list, execute_program, NULL), EPERM);
		assert_int_equal(in_child(kinds[i], &f, &list, ask_for_trace, NULL), EPERM);
		assert_int_equal(in_child(kinds[i], &f, &list, make_ring, NULL), EPERM);
		assert_int_equal(in_child(kinds[i], &f, &list, make_socket, NULL), 0);
	}
	fixture_close(&f);
}

static void auth_and_relay_can_t_be_called_and_admin_can_t_call(void **state)
{
	(void)state;
	struct fixture f;
	struct handover list = { 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int listeners[2];
	open_listeners(listeners);
	fixture_open(&f);
	fixture_config(&f, ONE_LISTENER PLAIN_RELAY);
	assert_int_equal(in_child(ROLE_AUTH, &f, &list, listen_here, &fd), EPERM);
	assert_int_equal(in_child(ROLE_RELAY, &f, &list, listen_here, &fd), EPERM);
	assert_int_equal(in_child(ROLE_ADMIN, &f, &list, connect_away, &fd), EPERM);
	assert_int_equal(in_child(ROLE_ADMIN, &f, &list, reach_out, listeners), EPERM);
	assert_int_equal(in_child(ROLE_ADMIN, &f, &list, reach_out_by_message, listeners), EPERM);
	assert_int_equal(in_child(ROLE_ADMIN, &f, &list, listen_here, &fd), 0);
	close(listeners[0]);
	close(listeners[1]);
	close(fd);
	fixture_close(&f);
}

/* ---- threads */

static pthread_barrier_t barrier;

static void *open_later(void *context)
{
	pthread_barrier_wait(&barrier); /* it runs */
	pthread_barrier_wait(&barrier); /* the sandbox is closed */
	*(int *)context = open_file(NULL);
	return NULL;
}

static void a_thread_made_before_is_bound_too(void **state)
{
	(void)state;
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		pthread_t thread;
		int error = 0;
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		pthread_barrier_init(&barrier, NULL, 2);
		pthread_create(&thread, NULL, open_later, &error);
		pthread_barrier_wait(&barrier);
		if (sandbox_close_calls(ROLE_GATE) != STATUS_OK)
			_exit(255);
		pthread_barrier_wait(&barrier);
		pthread_join(thread, NULL);
		_exit(error);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gate_is_refused_everything_but_its_work),
		cmocka_unit_test(gates_and_the_console_can_do_their_work),
		cmocka_unit_test(a_gate_sees_what_gates_that_come_later_count),
		cmocka_unit_test(a_gate_closes_a_listener_that_others_hold_still),
		cmocka_unit_test(a_gate_that_aborts_ends),
		cmocka_unit_test(no_other_role_may_become_more_than_it_is),
		cmocka_unit_test(auth_and_relay_can_t_be_called_and_admin_can_t_call),
		cmocka_unit_test(a_thread_made_before_is_bound_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
