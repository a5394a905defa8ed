"""
What becomes of listening sockets and of connections: across reloads none is lost, and none of a gate that did not end
well is kept.
"""

import collections
import contextlib
import fcntl
import os
import pathlib
import re
import signal
import smtplib
import socket
import threading
import time

import pytest

from e2e.test_supervisor import spoil_reload
from harness.client import connect, login, message
from harness.debugger import Debugger
from harness.process import free_port, is_listening, wait_until
from harness.subgate import SANITIZED, relay_section

USER = "alice@example.com"
NOT_CHARGED = "4.3.0 Quota service unavailable"
LIMITS = ("quota default { messages_per_day = 0  messages_per_minute = 0  recipients_per_day = 0 }\n"
          "limits { connections_per_address = 1000  transactions_per_user = 200  sessions_per_user = 0 }\n")


def listening_sockets():
    """Inodes of all TCP sockets of the machine that listen."""
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return {int(fields[9]) for fields in map(str.split, lines) if fields[3] == "0A"}


def sockets_of(pid):
    """The listening sockets of a process: inode to descriptor."""
    found = {}
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(entry))
            if match and int(match[1]) in listening_sockets():
                found[int(match[1])] = int(entry.name)
    return found


def sockets_of_gates(subgate):
    return [set(sockets_of(pid)) for pid in subgate.pids("gate")]


def set_gates(subgate, number, sections):
    subgate.drain = "2m"
    subgate.write_config(sections)
    subgate.config.write_text(subgate.config.read_text().replace("gates = 2", f"gates = {number}"))


class Sessions:
    """
    Clients that connect, log in, send a message or two and leave, again and again; everything that goes wrong is
    counted.
    """

    def __init__(self, subgate, password, clients):
        self.subgate, self.password = subgate, password
        self.begun = self.ended = self.sent = 0
        self.failed, self.not_charged = collections.Counter(), 0
        self._stopped = False
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopped = True
        for thread in self._threads:
            thread.join()

    def _run(self, number):
        while not self._stopped:
            with self._lock:
                self.begun += 1
            try:
                self._session(number)
            except (smtplib.SMTPException, OSError) as error:
                with self._lock:
                    if NOT_CHARGED in repr(error):
                        self.not_charged += 1
                    else:
                        self.failed[repr(error)] += 1
            time.sleep(0.2)

    def _session(self, number):
        with connect(self.subgate, ("implicit", "starttls")[number % 2]) as client:
            client.login(USER, self.password)
            for _ in range(1 + number % 3):
                client.sendmail(USER, ["bob@example.net"], message(USER, number=number))
                with self._lock:
                    self.sent += 1
                time.sleep(0.1 * (number % 4))
            assert client.quit()[0] == 221
        with self._lock:
            self.ended += 1


def test_fifty_reloads_under_fifty_clients_lose_nothing(upstream, start):
    sections = relay_section(upstream, extra="connections = 20") + LIMITS
    subgate = start(sections)
    set_gates(subgate, 2, sections)
    subgate.ctl("reload")
    password = subgate.create_app_password(USER)
    began = time.monotonic()
    with Sessions(subgate, password, 50) as sessions:
        wait_until(lambda: sessions.ended > 50, "the clients to work", 60)
        for number in range(50):
            extra = f'listener more {{ address = {{"127.0.0.1:{free_port()}"}} }}\n' if number % 2 else ""
            set_gates(subgate, 1 + number % 3, sections + extra)
            subgate.ctl("reload")
            # Ever more of them would share the 20 connections, until one waits for longer than a client should.
            wait_until(lambda: len(subgate.pids("relay")) <= 5, "former processes to end")
    print(f"50 reloads in {time.monotonic() - began:.0f} s: sessions begun {sessions.begun}, ended {sessions.ended}, "
          f"messages {sessions.sent}, failed {dict(sessions.failed)}, not charged {sessions.not_charged}")
    assert not sessions.failed and sessions.ended + sessions.not_charged == sessions.begun
    # On a disk that many tests share, Redis may take longer for a charge than a client is kept waiting.
    assert not sessions.not_charged or "Redis is away: no answer in time" in subgate.log
    assert len(upstream.messages) == sessions.sent


def test_the_socket_of_a_gate_that_drained_passes_on(upstream, start):
    subgate = start(relay_section(upstream))
    before, gates = sockets_of_gates(subgate), subgate.pids("gate")
    subgate.ctl("reload")
    wait_until(lambda: len(subgate.pids("gate")) == 2 and not set(gates) & set(subgate.pids("gate")), "new gates")
    assert sockets_of_gates(subgate) == before


def test_the_socket_of_a_gate_that_was_killed_does_not(upstream, start):
    subgate = start(relay_section(upstream))
    password = subgate.create_app_password(USER)
    gates = subgate.pids("gate")
    killed, other = sockets_of_gates(subgate)
    os.kill(gates[0], signal.SIGKILL)
    wait_until(lambda: len(subgate.pids("gate")) == 2 and gates[0] not in subgate.pids("gate"), "a new gate")
    wait_until(lambda: subgate.ctl("status").stdout.count("ready") > 5, "all to be ready")
    after = [sockets_of(pid).keys() for pid in subgate.pids("gate")]
    assert other in after and not killed & set().union(*after), "the living one keeps its own, the new one has new ones"
    assert not killed & listening_sockets()
    for _ in range(4):
        with login(subgate, USER, password) as client:
            client.sendmail(USER, ["bob@example.net"], message(USER))


def test_a_gate_killed_while_it_drains_leaves_nothing_to_the_living(upstream, start):
    """Both listened on the same: the living one hears of another socket, and clients notice nothing."""
    subgate = start(relay_section(upstream) + LIMITS)
    password = subgate.create_app_password(USER)
    old, before = subgate.pids("gate"), sockets_of_gates(subgate)
    with contextlib.ExitStack() as stack:
        for _ in range(12):  # some at each gate
            client = stack.enter_context(login(subgate, USER, password))
            client.mail(USER)
        subgate.ctl("reload")
        new = [pid for pid in subgate.pids("gate") if pid not in old]
        with Sessions(subgate, password, 4) as sessions:
            wait_until(lambda: sessions.ended > 8, "the clients to work")
            os.kill(old[0], signal.SIGKILL)
            wait_until(lambda: not before[0] & listening_sockets(), lambda: f"the socket to be replaced\n{subgate.log}")
            ended = sessions.ended
            wait_until(lambda: sessions.ended > ended + 8, "the clients to go on")
        assert not sessions.failed
        assert [pid for pid in subgate.pids("gate") if pid not in old] == new, "the living one lives on"
        with contextlib.suppress(smtplib.SMTPException, OSError):
            stack.close()


@pytest.mark.skipif(SANITIZED, reason="seccomp is off in the sanitized build, as documented")
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the debugger knows x86-64 registers")
def test_a_gate_that_was_taken_over_can_not_spoil_its_socket(upstream, start):
    subgate = start(relay_section(upstream))
    gate = subgate.pids("gate")[0]
    fcntl_call, shutdown_call, setsockopt_call, listen_call, ioctl_call = 72, 48, 54, 50, 16
    with Debugger(gate) as debugger:
        for fd in sockets_of(gate).values():
            assert debugger.system_call(fcntl_call, fd, fcntl.F_SETFL, 0) == -1
            assert debugger.system_call(fcntl_call, fd, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC) == -1
            assert debugger.system_call(fcntl_call, fd, fcntl.F_SETOWN, gate) == -1
            assert debugger.system_call(shutdown_call, fd, socket.SHUT_RDWR) == -1
            assert debugger.system_call(shutdown_call, fd, socket.SHUT_RD) == -1
            assert debugger.system_call(shutdown_call, fd, socket.SHUT_WR) == 0  # which a listening socket ignores
            assert debugger.system_call(setsockopt_call, fd, socket.SOL_SOCKET, socket.SO_REUSEPORT,
                                        b"\0\0\0\0", 4) == -1
            assert debugger.system_call(listen_call, fd, 0) == -1
            assert debugger.system_call(ioctl_call, fd, 0x5421, b"\0\0\0\0") == -1
    for port in (subgate.implicit, subgate.starttls):
        assert all(is_listening(port) for _ in range(8))


def test_reloads_go_on_with_sessions_of_all_generations_held(upstream, start):
    """Each generation has a session in a transaction, and so its own processes."""
    sections = relay_section(upstream) + LIMITS
    subgate = start(sections)
    set_gates(subgate, 1, sections)
    subgate.ctl("reload")
    password = subgate.create_app_password(USER)
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(20):
            clients.append(stack.enter_context(login(subgate, USER, password)))
            clients[-1].mail(USER)
            subgate.ctl("reload")
        assert len(subgate.pids("relay")) == 21
        for client in clients:
            assert client.rcpt("bob@example.net")[0] == 250
            assert client.data(message(USER))[0] == 250
    assert len(upstream.messages) == 20
    wait_until(lambda: len(subgate.pids("relay")) == 1, "the old processes to end", 60)


@pytest.mark.parametrize("nth", [1, 0], ids=["the first", "the last"])
def test_a_reload_that_fails_leaves_all_clients_to_the_old_gates(upstream, start, nth):
    """
    More gates, and a process that gets stuck at its start and dies: the old gates alone take whoever comes, at new
    sockets, too.
    """
    sections = relay_section(upstream) + LIMITS
    subgate = start(sections)
    password = subgate.create_app_password(USER)
    with Sessions(subgate, password, 10) as sessions:
        def go_on():
            ended = sessions.ended
            wait_until(lambda: sessions.ended > ended + 30, lambda: f"the clients to go on\n{subgate.log}")

        go_on()
        for gates in range(5, 25):  # more with each that got ready first
            set_gates(subgate, gates, sections)
            if spoil_reload(subgate, signal.SIGKILL, nth or 3 + gates, go_on):
                break
        else:
            raise AssertionError(f"each reload was done\n{subgate.log}")
        go_on()
    assert not sessions.failed
