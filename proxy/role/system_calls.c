/*
 * seccomp. A gate has a list of what it may call (gate_calls.c). All else is refused with EPERM, and what opens files
 * or sockets with EACCES. It is refused rather than killed: a C library that tries a newer call first and then falls
 * back would otherwise take down all sessions of a gate after an upgrade, and an attacker gains nothing from an error
 * code.
 *
 * The other roles load libraries whose calls nobody can list. They lose the calls by which a process gains power, looks
 * into others, or can be reached from outside.
 */
#include <sys/socket.h>

#include "role/system_calls.h"

/* ---- the others */

static const int forbidden_calls[] = {
	/* another program */
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	/* looking into, or writing to, other processes */
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(process_madvise),
	SCMP_SYS(kcmp),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(perf_event_open),
	/* the system itself */
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsmount),
	SCMP_SYS(fsconfig),
	SCMP_SYS(fspick),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(mount_setattr),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(acct),
	SCMP_SYS(quotactl),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
	SCMP_SYS(syslog),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(personality),
	/* parts of the kernel that nobody here needs and many exploits do */
	SCMP_SYS(bpf),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(vmsplice),
	SCMP_SYS(lookup_dcookie),
	SCMP_SYS(modify_ldt),
	SCMP_SYS(fanotify_init),
	/* a way around every filter */
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),
};

/* Auth and relay must never accept a connection from outside. */
static const int listening_calls[] = { SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4) };
/* Admin, in turn, never connects to anybody. */
static const int calling_calls[] = { SCMP_SYS(connect) };

/* MSG_FASTOPEN connects too (tcp(7)). */
static int forbid_calling(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp in_sendto = SCMP_A3_64(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, MSG_FASTOPEN);
	const struct scmp_arg_cmp in_sendmsg = SCMP_A2_64(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, MSG_FASTOPEN);
	const struct scmp_arg_cmp in_sendmmsg = SCMP_A3_64(SCMP_CMP_MASKED_EQ, MSG_FASTOPEN, MSG_FASTOPEN);
	int error = system_calls_add(filter, SCMP_ACT_ERRNO(EPERM), calling_calls, COUNT_OF(calling_calls));
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(sendto), 1, in_sendto);
	if (error == 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(sendmsg), 1, in_sendmsg);
	return error ? error : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(sendmmsg), 1, in_sendmmsg);
}

static int fill_other(scmp_filter_ctx filter, enum role_kind kind)
{
	int error = system_calls_add(filter, SCMP_ACT_ERRNO(EPERM), forbidden_calls, COUNT_OF(forbidden_calls));
	if (error)
		return error;
	if (kind == ROLE_ADMIN)
		return forbid_calling(filter);
	return system_calls_add(filter, SCMP_ACT_ERRNO(EPERM), listening_calls, COUNT_OF(listening_calls));
}

/* ---- both */

enum status system_calls_restrict(enum role_kind kind)
{
	bool is_listed = kind == ROLE_GATE || kind == ROLE_CONSOLE;
	uint32_t otherwise = is_listed ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_ALLOW;
	scmp_filter_ctx filter = seccomp_init(otherwise);
	if (filter == NULL)
		return STATUS_NO_MEMORY;
	int error = is_listed ? gate_calls_fill(filter) : fill_other(filter, kind);
	/* Binds the threads that a role made in start(), too. */
	if (error == 0)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (error == 0)
		error = seccomp_load(filter);
	seccomp_release(filter);
	errno = -error;
	return error ? STATUS_SYSTEM : STATUS_OK;
}
