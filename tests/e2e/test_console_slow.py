"""212 browsers, slow or silent in one of six ways: mail, subgatectl and other browsers notice nothing."""

import contextlib
import os
import socket
import threading

import pytest

from e2e.test_console_download import begin, small_socket, write_records
from e2e.test_console_login import ANNA, BEN, CLEO, DAN, ROLES
from e2e.test_console_pages import log_in
from harness.client import login, message
from harness.console import Console
from harness.event_stream import EventStream
from harness.process import PATIENCE, wait_until
from harness.subgate import relay_section

RELAYS = 1900  # a message of the stream that tells of them is larger than what sockets hold
EVE = "eve@example.com"  # administrators, too, have one stream left
OF_A_KIND = 48
ADDRESSES = [f"127.0.0.{last}" for last in range(2, 6)]  # each may have 64
SESSIONS = 4  # each may have 2 downloads under way, and all together 8
STREAMS = 4   # of a person


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

    def follow(self, session):
        """Streams of the first page that nobody reads."""
        for number in range(STREAMS):
            self._secure(number).sendall(b"GET /now/events HTTP/1.1\r\nHost: x\r\nCookie: " +
                                         session.cookie.encode() + b"\r\n\r\n")

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
def test_212_slow_or_silent_browsers_hold_up_neither_mail_nor_subgatectl(start, upstream, authority):
    console = Console(authority, ROLES.replace(f'"{ANNA}"', f'"{ANNA}", "{EVE}"'))
    subgate = start(relay_section(upstream) + console.section)
    password = subgate.create_app_password(DAN)
    sessions = [log_in(console, subgate, CLEO) for _ in range(SESSIONS)]
    followers = [log_in(console, subgate, user) for user in (ANNA, BEN, CLEO)]
    write_records(subgate, 200, DAN, 2000 * "x")  # more than sockets hold
    crowd = Crowd(console)
    try:
        for follower in followers:
            crowd.follow(follower)
        crowd.gather(sessions)
        assert sockets_of(subgate.pids("console")[0]) >= 212
        with login(subgate, DAN, password) as client:
            assert client.sendmail(DAN, ["bob@example.net"], message(DAN)) == {}
            assert subgate.ctl_json("status")["ok"]
            assert subgate.ctl_json("sessions")
            assert client.sendmail(DAN, ["bob@example.net"], message(DAN)) == {}
        assert console.ask("GET", "/login", source="127.0.0.6", Accept_Language="en")[0] == 200
        assert sessions[0].get("/mail")[0] == 200
        assert sessions[0].get("/now")[0] == 200
        stream = EventStream(console, log_in(console, subgate, EVE).cookie, "127.0.0.6")
        crowd.open.callback(stream.close)
        assert "Everything runs" in stream.read_message()
        subgate.wait_for_audit("message.sent", 2)
    finally:
        crowd.leave()


@pytest.mark.seconds(40)
def test_a_stream_that_nobody_reads_ends_and_others_go_on(start, upstream, authority):
    console = Console(authority, ROLES)
    relays = "".join(f'relay r{n} {{ host = "relay{n}.example.com"  auth = "none" }}\n' for n in range(RELAYS))
    routes = 'route default { relays = {"upstream"} }\n'
    subgate = start(relay_section(upstream) + relays + routes + console.section)
    silent, reads = log_in(console, subgate, CLEO), log_in(console, subgate, BEN)
    before = sockets_of(subgate.pids("console")[0])
    with contextlib.closing(small_socket(console)) as sock:
        sock.sendall(b"GET /now/events HTTP/1.1\r\nHost: x\r\nCookie: " + silent.cookie.encode() + b"\r\n\r\n")
        wait_until(lambda: sockets_of(subgate.pids("console")[0]) == before + 1, "the connection")
        with contextlib.closing(EventStream(console, reads.cookie)) as stream:
            assert len(stream.read_message()) > 2 * 131072
            subgate.ctl("relay", "pause", "upstream")
            assert stream.read_until("is paused")
            wait_until(lambda: sockets_of(subgate.pids("console")[0]) == before + 1, "the silent one's end", 90)
            subgate.ctl("relay", "resume", "upstream")
            assert stream.read_message()
