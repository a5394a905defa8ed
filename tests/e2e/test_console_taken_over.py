"""What the console does once an attacker has taken it over: it opens nothing, names nobody, and is replaced."""

import errno
import os
import re
import signal
import struct
import subprocess

import pytest

from e2e.test_console_login import ANNA, DAN, console_password, served
from harness.client import login, message
from harness.console import Session
from harness.debugger import Debugger
from harness.process import wait_until
from harness.subgate import SANITIZED

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64" or SANITIZED,
                                reason="the debugger knows x86-64 registers, and a sanitizer has no sandbox")

OPENAT, SOCKET, CONNECT, SENDMSG, EXECVE, SHUTDOWN, PIDFD_OPEN = 257, 41, 42, 46, 59, 48, 434


def door_to_admin(console, admin):
    """The console's descriptor of the socket whose other end admin holds."""
    ends = {}
    for line in subprocess.run(["ss", "-xpnH"], capture_output=True, text=True, check=True).stdout.splitlines():
        own, peer = re.findall(r" \* (\d+)", line)[:2] if line.count(" * ") >= 2 else (None, None)
        for pid, fd in re.findall(r"pid=(\d+),fd=(\d+)", line):
            ends.setdefault(own, []).append((int(pid), int(fd), peer))
    found = [fd for holders in ends.values() for pid, fd, peer in holders
             if pid == console and any(other == admin for other, _, _ in ends.get(peer, []))]
    assert found, ends
    return found[0]


def forge(subgate, data):
    """Makes the console send these bytes to admin, which sees them once the debugger is gone."""
    (console,), (admin,) = subgate.pids("console"), subgate.pids("admin")
    fd = door_to_admin(console, admin)
    os.kill(admin, signal.SIGSTOP)
    try:
        with Debugger(console) as debugger:
            assert debugger.system_call(1, fd, data, len(data)) == len(data)
    finally:
        os.kill(admin, signal.SIGCONT)
    return console


def test_it_opens_and_reaches_nothing(start, upstream, authority):
    subgate, _ = served(start, upstream, authority)
    with Debugger(subgate.pids("console")[0]) as debugger:
        refused = {
            "a file": debugger.system_call(OPENAT, -100, b"/etc/passwd\0", 0),
            "a socket": debugger.system_call(SOCKET, 2, 1, 0),
            "a way to somebody": debugger.system_call(CONNECT, 3, b"\0" * 16, 16),
            "descriptors for others": debugger.system_call(SENDMSG, 3, b"\0" * 56, 0),
            "another program": debugger.system_call(EXECVE, b"/bin/sh\0", 0, 0),
            "another process": debugger.system_call(PIDFD_OPEN, subgate.pid, 0),
            "its listening socket": debugger.system_call(SHUTDOWN, 3, 2),
        }
    assert set(refused.values()) <= {-errno.EPERM, -errno.EACCES}, refused


def test_what_no_console_says_ends_it_and_no_session(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    password = console_password(subgate, DAN)
    session = Session(console, DAN, password)
    victim = forge(subgate, struct.pack("=IH", 4, 0) + b"\0" * 4)  # what no console sends
    wait_until(lambda: subgate.pids("console") and victim not in subgate.pids("console"), lambda: subgate.log)
    wait_until(lambda: answers(session), lambda: subgate.log)
    forge(subgate, struct.pack("=IH", 0xFFFFFFFF, 1))  # no frame at all: the door ends, and another one is made
    wait_until(lambda: answers(session), lambda: subgate.log)
    with login(subgate, ANNA, subgate.create_app_password(ANNA)) as client:
        client.sendmail(ANNA, ["bob@example.net"], message(ANNA))


def answers(session):
    """The session outlives the process: what it was told by admin is not the console's to lose."""
    try:
        return session.get("/api/v1/quota/show")[0] == 200
    except OSError:
        return False
