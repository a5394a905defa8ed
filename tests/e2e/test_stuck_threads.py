"""
A helper thread that does not come back from a call is shown; where nothing of its kind goes on, so is its role, which
is replaced.
"""

import base64
import contextlib
import pathlib
import threading
import time

import pytest

from e2e.test_hangs import SLACK, ask, states
from harness.client import connect, login, message
from harness.debugger import Debugger, threads
from harness.process import wait_until
from harness.subgate import relay_section

USER, PASSWORD = "alice@example.com", "Alice-Password-1"
READ, WRITE, FDATASYNC, FUTEX = "0", "1", "75", "202"  # system calls of x86-64
LIMIT = 10 + 4  # seconds that a call may take, and that it must be late, before it counts as stuck


def stuck_threads(subgate, role):
    process, = [p for p in subgate.ctl_json("status")["processes"] if p["role"] == role]
    return process.get("stuck_threads", "")


@contextlib.contextmanager
def thread_stuck_at_the_directory(subgate, directory):
    """
    Holds the thread that asks a directory which does not answer, until its process is gone or the test is done with it.
    """
    directory.freeze()
    client = connect(subgate)
    client.ehlo()
    plain = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    client.putcmd("AUTH", f"PLAIN {plain}")
    auth, = subgate.pids("auth")
    thread = wait_until(lambda: waiting_thread(auth), "a thread to ask the directory")
    with Debugger(thread) as debugger:
        directory.thaw()
        yield debugger
    client.close()


def waiting_thread(pid):
    """
    The one that waits for the directory's part of the handshake; before, its role may not know that it is in a call.
    """
    return next((thread for thread in threads(pid, "ldap-check") if system_call(pid, thread) == READ), None)


def system_call(pid, thread):
    """The number of the one that the thread is in, or "running"."""
    return pathlib.Path(f"/proc/{pid}/task/{thread}/syscall").read_text().split()[0]


@pytest.mark.seconds(11)
def test_one_thread_of_many_is_shown(upstream, directory, start):
    subgate = start(relay_section(upstream) + directory.section(extra="connections = 3", timeout="2s"))
    with thread_stuck_at_the_directory(subgate, directory):
        wait_until(lambda: stuck_threads(subgate, "auth") == "check 1 of 3", "status to show it", LIMIT + SLACK)
        assert states(subgate, "auth") == ["ready"] and ask(subgate)[0] == 200  # the others serve
        with login(subgate, USER, PASSWORD):
            pass
    wait_until(lambda: stuck_threads(subgate, "auth") == "", "the thread to go on")


@pytest.mark.seconds(70)
def test_the_only_one_is_as_bad_as_a_hung_role(upstream, directory, start):
    subgate = start(relay_section(upstream) + directory.section(extra="connections = 1", timeout="2s"))
    auth, = subgate.pids("auth")
    with thread_stuck_at_the_directory(subgate, directory) as debugger:
        began = time.monotonic()
        wait_until(lambda: ask(subgate) == (503, "hung: auth\n"), "/readyz to say so", LIMIT + SLACK)
        assert states(subgate, "auth") == ["hung"] and stuck_threads(subgate, "auth") == "check"
        shown = time.monotonic() - began
        wait_until(debugger.reap, "auth to be killed", 60 + LIMIT + SLACK)
        print(f"shown after {shown:.1f} s, killed after {time.monotonic() - began:.1f} s")
    wait_until(lambda: subgate.pids("auth") not in ([], [auth]) and ask(subgate)[0] == 200, "a new auth")
    with login(subgate, USER, PASSWORD) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER))


def hold_while_it_writes(pid, name, calls):
    """A Debugger that holds the thread of this name within one of these system calls."""
    thread, = threads(pid, name)
    while True:
        debugger = Debugger(thread).__enter__()
        if system_call(pid, thread) in calls:
            return debugger
        debugger.__exit__()
        time.sleep(0.001)


@pytest.mark.seconds(15)
def test_an_audit_that_does_not_come_back_from_the_disk_is_shown(upstream, start):
    subgate = start(relay_section(upstream) + 'audit { sync = "always" }\n')
    password = subgate.create_app_password(USER)
    relay, = subgate.pids("relay")
    done = threading.Event()

    def send():
        while not done.is_set():
            with contextlib.suppress(Exception), login(subgate, USER, password, timeout=30) as client:
                for _ in range(100):
                    client.sendmail(USER, ["bob@example.net"], message(USER))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        debugger = hold_while_it_writes(relay, "audit", (WRITE, FDATASYNC))
        try:
            wait_until(lambda: ask(subgate) == (503, "hung: relay\n"), "/readyz to say so", LIMIT + SLACK)
            assert stuck_threads(subgate, "relay") == "audit"
        finally:
            debugger.__exit__()
        wait_until(lambda: ask(subgate)[0] == 200, "the audit to go on")
        assert subgate.pids("relay") == [relay]
    finally:
        done.set()
        sender.join()


def test_a_reload_does_not_wait_for_the_audits_keeper(upstream, start):
    subgate = start(relay_section(upstream))
    supervisor = subgate.pid
    relay, = subgate.pids("relay")
    with contextlib.ExitStack() as held:
        for name in ("audit-look", "audit-tidy"):
            thread, = threads(supervisor, name)
            wait_until(lambda: system_call(supervisor, thread) == FUTEX, "it to wait for its second to be over")
            held.enter_context(Debugger(thread))
        subgate.ctl("reload")
        wait_until(lambda: relay not in subgate.pids("relay") and len(subgate.pids("relay")) == 1,
                   "the former relay to end")
        wait_until(lambda: states(subgate, "relay") == ["ready"], "the supervisor to be rid of it")
        assert len(threads(supervisor, "audit-look")) == 2  # the one that is held, and the one that looks now
        (subgate.state / "audit.jsonl").rename(subgate.state / "audit.1")
        wait_until((subgate.state / "audit.jsonl").exists, "another file in its place")
    wait_until(lambda: len(threads(supervisor, "audit-look")) == 1, "the former one to end")
