"""A debugger's one trick, with ptrace(2): makes another process run a system call of our choice. For x86-64."""

import contextlib
import ctypes
import os
import pathlib
import signal

PTRACE_PEEKTEXT, PTRACE_POKETEXT = 1, 4
PTRACE_SINGLESTEP, PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_ATTACH, PTRACE_DETACH = 9, 12, 13, 16, 17
WALL = 0x40000000  # waitpid(2): threads too
SYSCALL_INSTRUCTION = 0x050F

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class Registers(ctypes.Structure):
    """struct user_regs_struct of <sys/user.h>."""

    _fields_ = [(name, ctypes.c_ulonglong) for name in (
        "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base "
        "ds es fs gs").split()]


def _ptrace(request, pid, address=None, data=None):
    ctypes.set_errno(0)
    value = _libc.ptrace(request, pid, address, data)
    if value == -1 and ctypes.get_errno():
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return value


def threads(pid, name):
    """Ids of the threads of that process that have this name."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            if (task / "comm").read_text().strip() == name:
                found.append(int(task.name))
    return sorted(found)


class Debugger:
    """Holds the process, or that one thread, while it is open; afterwards it goes on as before."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        _ptrace(PTRACE_ATTACH, self.pid)
        os.waitpid(self.pid, WALL)
        return self

    def __exit__(self, *_):
        try:
            _ptrace(PTRACE_DETACH, self.pid)
        except ProcessLookupError:
            pass  # it was killed meanwhile

    def reap(self):
        """Whether it was killed; its process is not gone for others before that was asked."""
        pid, status = os.waitpid(self.pid, WALL | os.WNOHANG)
        return pid != 0 and not os.WIFSTOPPED(status)

    def system_call(self, number, *arguments):
        """What the kernel answers the process: the value, or minus the errno. A bytes argument is put on its stack."""
        before = Registers()
        _ptrace(PTRACE_GETREGS, self.pid, None, ctypes.addressof(before))
        code = _ptrace(PTRACE_PEEKTEXT, self.pid, before.rip)
        try:
            _ptrace(PTRACE_POKETEXT, self.pid, before.rip, (code & ~0xFFFF) | SYSCALL_INSTRUCTION)
            return self._step(before, number, arguments)
        finally:
            _ptrace(PTRACE_POKETEXT, self.pid, before.rip, code)
            _ptrace(PTRACE_SETREGS, self.pid, None, ctypes.addressof(before))

    def _step(self, before, number, arguments):
        registers = Registers.from_buffer_copy(before)
        stack = before.rsp - 4096  # below the red zone
        for name, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), arguments):
            if isinstance(value, bytes):
                stack -= 64
                self._write(stack, value)
                value = stack
            setattr(registers, name, value & 0xFFFFFFFFFFFFFFFF)
        registers.rax, registers.orig_rax = number, 0xFFFFFFFFFFFFFFFF
        _ptrace(PTRACE_SETREGS, self.pid, None, ctypes.addressof(registers))
        _ptrace(PTRACE_SINGLESTEP, self.pid)
        _, status = os.waitpid(self.pid, 0)
        assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGTRAP, f"it did not stop: {status:#x}"
        _ptrace(PTRACE_GETREGS, self.pid, None, ctypes.addressof(registers))
        return ctypes.c_longlong(registers.rax).value

    def _write(self, address, data):
        data += b"\0" * (8 - len(data) % 8)
        for at in range(0, len(data), 8):
            word = int.from_bytes(data[at:at + 8], "little")
            _ptrace(PTRACE_POKETEXT, self.pid, address + at, word)
