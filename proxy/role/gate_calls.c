/*
 * The system calls of a gate, and of the console: the list of gate_calls.def, and the permitted arguments of those that
 * could otherwise reach others. All else is refused with EPERM, and what opens files or sockets with EACCES. Owns
 * nothing.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "role/system_calls.h"

static const int calls[] = {
#define CALL(name, others) SCMP_SYS(name),
#define LIMITED(name, others)
#include "role/gate_calls.def"
};

/* Answered with EACCES, as a file's mode would be, so that what a library logs about it makes sense. */
static const int opens[] = {
	SCMP_SYS(open),   SCMP_SYS(openat), SCMP_SYS(openat2),    SCMP_SYS(creat),
	SCMP_SYS(socket), SCMP_SYS(bind),   SCMP_SYS(socketpair), SCMP_SYS(connect),
};

/* Allows the call with one of these values as its argument `number`. */
static int allow_values(scmp_filter_ctx filter, int call, unsigned number, const uint64_t *values, size_t count)
{
	int error = 0;
	for (size_t i = 0; i < count && error == 0; i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, SCMP_CMP(number, SCMP_CMP_EQ, values[i]));
	return error;
}

/*
 * Never executable, so that injected bytes stay bytes. A file is mapped for reading only (the counts of all gates), or
 * shared and from its beginning on (the ring beside a door), for which it must have been opened for writing: no gate
 * keeps such a descriptor.
 */
static int allow_memory(scmp_filter_ctx filter)
{
	static const uint64_t advice[] = { MADV_DONTNEED, MADV_FREE };
	const struct scmp_arg_cmp no_exec = SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	const struct scmp_arg_cmp no_file = SCMP_A3_64(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, MAP_ANONYMOUS);
	const struct scmp_arg_cmp reading = SCMP_A2_64(SCMP_CMP_EQ, PROT_READ);
	const struct scmp_arg_cmp writing = SCMP_A2_64(SCMP_CMP_EQ, PROT_READ | PROT_WRITE);
	const struct scmp_arg_cmp shared = SCMP_A3_64(SCMP_CMP_EQ, MAP_SHARED);
	const struct scmp_arg_cmp whole = SCMP_A5_64(SCMP_CMP_EQ, 0);
	int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, no_exec, no_file);
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, reading);
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 3, writing, shared, whole);
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_exec);
	return error ? error : allow_values(filter, SCMP_SYS(madvise), 2, advice, COUNT_OF(advice));
}

/*
 * A gate sends only to the peer that a socket has: with an address and MSG_FASTOPEN, a listener that was shut down
 * would connect to anybody. sendmsg is left out altogether, as it would also pass descriptors on. No flags are allowed
 * but those that we use.
 */
static int allow_sockets(scmp_filter_ctx filter)
{
	static const uint64_t receiving[] = { 0, MSG_PEEK }, messages[] = { MSG_CMSG_CLOEXEC }, how[] = { SHUT_WR };
	const struct scmp_arg_cmp no_address = SCMP_A4_64(SCMP_CMP_EQ, 0);
	const struct scmp_arg_cmp quiet = SCMP_A3_64(SCMP_CMP_EQ, MSG_NOSIGNAL);
	const struct scmp_arg_cmp held = SCMP_A3_64(SCMP_CMP_EQ, MSG_NOSIGNAL | MSG_MORE);
	int error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 2, quiet, no_address);
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendto), 2, held, no_address);
	if (error == 0)
		error = allow_values(filter, SCMP_SYS(recvfrom), 3, receiving, COUNT_OF(receiving));
	if (error == 0)
		error = allow_values(filter, SCMP_SYS(recvmsg), 2, messages, COUNT_OF(messages));
	/*
	 * On a listening socket the kernel's inet_shutdown() ignores SHUT_WR, while the other values end the listening.
	 */
	return error ? error : allow_values(filter, SCMP_SYS(shutdown), 1, how, COUNT_OF(how));
}

static int allow_others(scmp_filter_ctx filter)
{
	static const uint64_t commands[] = { F_GETFD, F_SETFD, F_GETFL };
	static const uint64_t waits[] = {
		FUTEX_WAIT,
		FUTEX_WAKE,
		FUTEX_WAIT_BITSET,
		FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME,
		FUTEX_WAIT_PRIVATE,
		FUTEX_WAKE_PRIVATE,
		FUTEX_WAIT_BITSET_PRIVATE,
		FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME,
	};
	/* abort(3) signals its own thread, and a failed assert of ours must end the process. */
	const uint64_t own[] = { (uint64_t)getpid() };
	int error = allow_values(filter, SCMP_SYS(fcntl), 1, commands, COUNT_OF(commands));
	if (error == 0)
		error = allow_values(filter, SCMP_SYS(futex), 1, waits, COUNT_OF(waits));
	return error ? error : allow_values(filter, SCMP_SYS(tgkill), 0, own, COUNT_OF(own));
}

int gate_calls_fill(scmp_filter_ctx filter)
{
	int error = system_calls_add(filter, SCMP_ACT_ALLOW, calls, COUNT_OF(calls));
	if (error == 0)
		error = system_calls_add(filter, SCMP_ACT_ERRNO(EACCES), opens, COUNT_OF(opens));
	if (error == 0)
		error = allow_memory(filter);
	if (error == 0)
		error = allow_sockets(filter);
	return error ? error : allow_others(filter);
}
