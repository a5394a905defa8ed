/*
 * Every system call there is, tried from within a gate's sandbox on all that a gate has, with all arguments that mean
 * something. After each the others are looked at: whoever has the listening socket next, a gate that shares its port,
 * the counts of others, the parent. Whatever may be called must be in gate_calls.def, with what it can do to others.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "net/listener.h"
#include "role/sandbox.h"
#include "supervise_fixture.h"

#ifdef SUBGATE_SANITIZED

int main(void)
{
	puts("built with a sanitizer: there is no sandbox to test");
	return 0;
}

#else

#define CALLS 512         /* no number of a system call is as high */
#define TICK_US 2000      /* a call that waits is woken after so long */
#define TICKS 200         /* and a child ended after so many of them */
#define TRIED 199         /* exit code of a child that has tried everything */
#define PAGE 4096U        /* bytes */
#define PATIENCE_MS 30000 /* for what must happen */

static const struct {
	long number;
	const char *name, *others;
} allowed[] = {
#define CALL(name, others) { SYS_##name, #name, others },
#define LIMITED(name, others) { SYS_##name, #name, others },
#include "role/gate_calls.def"
};

/* uretprobe(2) and uprobe(2) of x86-64: no filter sees them, and where the kernel has not put them they are refused. */
static bool passes_any_filter(long number)
{
	return number == 335 || number == 336;
}

/* What a gate has, and others have a part in. */
struct world {
	enum role_kind kind; /* a gate, or the console, which has the same list */
	struct endpoint endpoint;
	int listener;    /* the gate's, and its successor's */
	int other;       /* of a gate that shares the port; not in the child */
	int door[2];     /* the gate's end, and the one of another role */
	int counts;      /* memory of all: page 0 is another's, page 1 the gate's */
	int counts_read; /* the same, opened for reading */
	char *own, *all; /* its own page, and all of them for reading */
	char *shared;    /* the parent's view */
	int priority;    /* the parent's, as whoever runs the tests set it */
};

static void open_listeners(struct world *w)
{
	assert_int_equal(endpoint_parse(SPAN("127.0.0.1:0"), &w->endpoint), STATUS_OK);
	assert_int_equal(listener_open_socket(&w->endpoint, &w->listener), STATUS_OK);
	assert_int_equal(getsockname(w->listener, (struct sockaddr *)&w->endpoint.storage, &w->endpoint.size), 0);
	assert_int_equal(listener_open_socket(&w->endpoint, &w->other), STATUS_OK);
}

static void open_world(struct world *w, enum role_kind kind)
{
	char path[64];
	*w = (struct world){ .kind = kind, .priority = getpriority(PRIO_PROCESS, 0) };
	open_listeners(w);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, w->door), 0);
	w->counts = memfd_create("counts", MFD_CLOEXEC);
	assert_int_equal(ftruncate(w->counts, 2L * PAGE), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", w->counts);
	w->counts_read = open(path, O_RDONLY | O_CLOEXEC);
	w->shared = mmap(NULL, 2UL * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, w->counts, 0);
	w->own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, w->counts, PAGE);
	w->all = mmap(NULL, 2UL * PAGE, PROT_READ, MAP_SHARED, w->counts_read, 0);
	assert_true(w->shared != MAP_FAILED && w->own != MAP_FAILED && w->all != MAP_FAILED);
	memset(w->shared, 'x', PAGE);
}

static void close_world(struct world *w)
{
	munmap(w->shared, 2UL * PAGE);
	munmap(w->own, PAGE);
	munmap(w->all, 2UL * PAGE);
	const int fds[] = { w->listener, w->other, w->door[0], w->door[1], w->counts, w->counts_read };
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		close(fds[i]);
}

/* ---- the attack */

static volatile sig_atomic_t ticks;

/* What waits goes on with EINTR; where that is no help, the child has tried enough. */
static void take_tick(int number)
{
	(void)number;
	if (++ticks > TICKS)
		_exit(TRIED);
}

static void start_ticks(void)
{
	const struct sigaction action = { .sa_handler = take_tick };
	const struct itimerval interval = { .it_interval.tv_usec = TICK_US, .it_value.tv_usec = TICK_US };
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE,
				       SIGABRT }; /* cmocka's own handlers would go on */
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
		signal(crashes[i], SIG_DFL);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &interval, NULL);
}

static bool is_refused(long result)
{
	return result < 0 && (errno == EPERM || errno == EACCES);
}

/* Small numbers (commands, levels, flags), the pieces of memory, and the others' processes. */
static size_t list_values(const struct world *w, long out_values[])
{
	static char scratch[PAGE];
	static int on = 1;
	size_t count = 0;
	for (long value = -1; value <= 25; value++)
		out_values[count++] = value;
	const long others[] = {
		F_SETPIPE_SZ,
		F_ADD_SEALS,
		F_DUPFD_CLOEXEC,
		O_NONBLOCK,
		O_ASYNC,
		MSG_FASTOPEN,
		MSG_NOSIGNAL,
		MSG_NOSIGNAL | MSG_MORE,
		MSG_CMSG_CLOEXEC,
		PROT_EXEC | PROT_READ,
		(long)getppid(),
		(long)getpid(),
		(long)scratch,
		(long)&on,
		(long)w->own,
		(long)w->all,
		PAGE,
		2L * PAGE,
		MAP_SHARED | MAP_FIXED,
		0x5421 /* FIONBIO */,
	};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		out_values[count++] = others[i];
	return count;
}

/*
 * Is told in shared memory, since a child may not live to tell it: 'y' where any of it was not refused.
 * The first argument is a descriptor, memory, a process or a number; the second and third are all; the fourth few.
 */
static void try_call(const struct world *w, long number, volatile char *out_passed)
{
	const long firsts[] = {
		w->listener, w->door[0], w->counts_read, (long)w->own, (long)w->all, getppid(), getpid(), 0, 1
	};
	const long fourths[] = { 0, sizeof(int), MSG_NOSIGNAL, MSG_NOSIGNAL | MSG_MORE };
	long values[64];
	size_t count = list_values(w, values);
	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++)
		for (size_t k = 0; k < count; k++)
			for (size_t m = 0; m < count; m++)
				for (size_t n = 0; n < sizeof(fourths) / sizeof(fourths[0]); n++)
					if (!is_refused(syscall(number, firsts[i], values[k], values[m],
								fourths[n] == sizeof(int) ? values[k] : fourths[n],
								n == 1 ? (long)sizeof(int) : 0, 0)))
						*out_passed = 'y';
}

static bool attack_call(const struct world *w, long number)
{
	int status = 0;
	volatile char *passed = &w->shared[PAGE];
	*passed = 'n';
	pid_t child = fork();
	if (child == 0) {
		close(w->other);
		close(w->door[1]);
		close(w->counts);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		prctl(PR_SET_DUMPABLE, 0);
		munmap(w->shared, PAGE); /* its page of the verdict stays: it is the gate's own */
		start_ticks();
		if (sandbox_close_calls(w->kind) != STATUS_OK)
			abort();
		try_call(w, number, passed);
		_exit(TRIED);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	bool returned = WIFEXITED(status) && WEXITSTATUS(status) == TRIED; /* exit(2) does not, nor a signal's end */
	return *passed != 'n' || !returned;
}

/* ---- the others */

/* As its next owner finds it. */
static const char *look_at_listener(int fd)
{
	int on = 0;
	socklen_t size = sizeof(on);
	if (fcntl(fd, F_GETFL) != (O_RDWR | O_NONBLOCK))
		return "a listening socket has other flags";
	if (fcntl(fd, F_GETOWN) != 0)
		return "a listening socket signals somebody";
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &size) < 0 || !on)
		return "a listening socket listens no more";
	if (getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size) < 0 || !on)
		return "a listening socket has other options";
	return NULL;
}

static int accept_one(const struct world *w)
{
	struct pollfd both[] = { { .fd = w->listener, .events = POLLIN }, { .fd = w->other, .events = POLLIN } };
	if (poll(both, 2, PATIENCE_MS) <= 0)
		return -1;
	return accept4(both[0].revents & POLLIN ? w->listener : w->other, NULL, NULL, SOCK_CLOEXEC);
}

/* Whoever comes is accepted, and can be spoken with. */
static const char *serve_client(const struct world *w)
{
	char byte = 0;
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool connected = connect(client, (const struct sockaddr *)&w->endpoint.storage, w->endpoint.size) == 0;
	int server = connected ? accept_one(w) : -1;
	bool spoken = server >= 0 && send(server, "x", 1, MSG_NOSIGNAL) == 1 && read(client, &byte, 1) == 1;
	close(server);
	close(client);
	return spoken ? NULL : "a client is not served";
}

static const char *look_at_others(const struct world *w)
{
	const char *harm = look_at_listener(w->listener);
	if (harm == NULL)
		harm = look_at_listener(w->other);
	for (int i = 0; i < 3 && harm == NULL; i++)
		harm = serve_client(w);
	for (size_t i = 0; i < PAGE && harm == NULL; i++)
		if (w->shared[i] != 'x')
			harm = "the counts of others are changed";
	if (harm == NULL && (fcntl(w->door[1], F_GETFL) != (O_RDWR | O_NONBLOCK)))
		harm = "the other end of its door is changed";
	if (harm == NULL && getpriority(PRIO_PROCESS, 0) != w->priority)
		harm = "the parent's priority is changed";
	return harm;
}

/* What it wrote: the role at the other end takes it as a stranger's. */
static void empty_door(const struct world *w)
{
	char bytes[PAGE];
	while (recv(w->door[1], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

static const char *name_of(long number)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		if (allowed[i].number == number)
			return allowed[i].name;
	return NULL;
}

/* How many of those in gate_calls.def are not refused. */
static size_t try_calls(enum role_kind kind, long end)
{
	size_t passed = 0;
	for (long number = 0; number < end; number++) {
		struct world w;
		open_world(&w, kind);
		bool may = attack_call(&w, number);
		const char *name = name_of(number);
		empty_door(&w);
		const char *harm = look_at_others(&w);
		if (harm)
			fail_msg("system call %ld (%s): %s", number, name ? name : "not in gate_calls.def", harm);
		if (may && name == NULL && !passes_any_filter(number))
			fail_msg("system call %ld is not refused, and not in gate_calls.def", number);
		if (!may && name)
			fail_msg("%s is in gate_calls.def, and refused whatever its arguments are", name);
		passed += may && name;
		close_world(&w);
	}
	return passed;
}

static void no_call_of_a_gate_does_harm_to_others(void **state)
{
	(void)state;
	assert_int_equal(try_calls(ROLE_GATE, CALLS), sizeof(allowed) / sizeof(allowed[0]));
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		print_message("%s: %s\n", allowed[i].name, allowed[i].others);
}

/* Its list is the gates': those of files, memory and sockets are tried. */
static void no_call_of_the_console_does_harm_to_others(void **state)
{
	(void)state;
	assert_true(try_calls(ROLE_CONSOLE, SYS_fork) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_call_of_a_gate_does_harm_to_others),
		cmocka_unit_test(no_call_of_the_console_does_harm_to_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
