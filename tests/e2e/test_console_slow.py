"""200 browsers, slow or silent in one of five ways: mail, subgatectl and other browsers notice nothing."""

import contextlib
import os
import socket
import threading

import pytest

from e2e.test_console_download import begin, write_records
from e2e.test_console_login import CLEO, DAN, served
from e2e.test_console_pages import log_in
from harness.client import login, message
from harness.process import PATIENCE

OF_A_KIND = 48
ADDRESSES = [f"127.0.0.{last}" for last in range(2, 6)]  # each may have 64
SESSIONS = 4  # each may have 2 downloads under way, and all together 8


class Crowd:
    def __init__(self, console):
        self.console = console
        self.open = contextlib.ExitStack()
        self.writers, self.readers = [], []
        self.is_over = threading.Event()
        self.ticking = threading.Thread(target=self._tick, daemon=True)

    def _connect(self, number):
        address = ADDRESSES[number % len(ADDRESSES)]
        sock = socket.create_connection(("127.0.0.1", self.console.port), PATIENCE, source_address=(address, 0))
        return self.open.enter_context(sock)

    def _secure(self, number):
        return self.open.enter_context(self.console.context.wrap_socket(self._connect(number)))

    def gather(self, sessions):
        for session in sessions:
            for _ in range(2):
                connection, answer = begin(self.console, session)
                self.open.callback(connection.close)
                assert answer.status == 200
                self.readers.append(answer)
        for number in range(OF_A_KIND):
            self.writers.append(self._secure(number))
            self.writers[-1].sendall(b"GET /login HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        self.ticking.start()
        for number in range(OF_A_KIND):
            self._secure(number).sendall(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n"
                                         b"Content-Type: application/x-www-form-urlencoded\r\n\r\nuser=")
        for number in range(OF_A_KIND):
            self._connect(number).sendall(b"\x16\x03\x01\x02\x00\x01")  # a handshake's first bytes
        for number in range(OF_A_KIND):
            self._connect(number)

    def _tick(self):
        while not self.is_over.wait(1):
            with contextlib.suppress(OSError):
                for writer in self.writers:
                    writer.sendall(b"x")
                for reader in self.readers:
                    reader.read(1)

    def leave(self):
        self.is_over.set()
        self.ticking.join()
        self.open.close()


def sockets_of(pid):
    count = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            count += os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
    return count


@pytest.mark.seconds(20)
def test_200_slow_or_silent_browsers_hold_up_neither_mail_nor_subgatectl(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    password = subgate.create_app_password(DAN)
    sessions = [log_in(console, subgate, CLEO) for _ in range(SESSIONS)]
    write_records(subgate, 200, DAN, 2000 * "x")  # more than sockets hold
    crowd = Crowd(console)
    try:
        crowd.gather(sessions)
        assert sockets_of(subgate.pids("console")[0]) >= 200
        with login(subgate, DAN, password) as client:
            assert client.sendmail(DAN, ["bob@example.net"], message(DAN)) == {}
            assert subgate.ctl_json("status")["ok"]
            assert subgate.ctl_json("sessions")
            assert client.sendmail(DAN, ["bob@example.net"], message(DAN)) == {}
        assert console.ask("GET", "/login", source="127.0.0.6", Accept_Language="en")[0] == 200
        assert sessions[0].get("/mail")[0] == 200
        assert sessions[0].get("/now")[0] == 200
        subgate.wait_for_audit("message.sent", 2)
    finally:
        crowd.leave()
