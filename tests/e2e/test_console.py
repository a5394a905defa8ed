"""The console's process: its sockets, its confinement, its end and its successor. Mail needs none of it."""

import contextlib
import os
import signal
import socket

import pytest

from harness.client import login, message
from harness.console import Console, UnixConnection, read
from harness.process import PATIENCE, wait_until
from harness.subgate import SANITIZED, relay_section

USER = "alice@example.com"


@pytest.fixture
def console(authority):
    return Console(authority)


@pytest.fixture
def served(start, upstream, console):
    return start(relay_section(upstream) + console.section)


def send_mail(subgate, password):
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER))


def announce_body(console, size):
    """What is answered before any of the body is sent."""
    connection = console.connect()
    connection.putrequest("POST", "/healthz")
    connection.putheader("Content-Length", str(size))
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def test_health_is_told_with_what_keeps_pages_safe(served, console):
    status, fields, text = console.ask("GET", "/healthz")
    assert (status, text) == (200, "ok\n")
    assert "script-src 'self'" in fields["Content-Security-Policy"]
    assert "unsafe" not in fields["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in fields["Content-Security-Policy"]
    assert fields["X-Frame-Options"] == "DENY"
    assert fields["X-Content-Type-Options"] == "nosniff"
    assert fields["Referrer-Policy"] == "no-referrer"
    assert fields["Cache-Control"] == "no-store"
    assert int(fields["Strict-Transport-Security"].removeprefix("max-age=")) >= 31536000
    assert "Server" not in fields
    assert console.ask("GET", "/nothing")[0] == 404
    assert console.ask("POST", "/healthz", "x")[0] == 405
    assert announce_body(console, 65536 + 1) == 413


def test_a_web_server_in_front_speaks_plain_http_over_a_unix_socket(start, upstream, tmp_path):
    path = tmp_path / "subgate" / "run" / "console.sock"
    subgate = start(relay_section(upstream) + f'console {{ address = {{"unix:{path}"}}  tls = false }}\n')
    connection = UnixConnection(path)
    for _ in range(3):  # on one connection
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        assert (answer.status, read(answer)) == (200, "ok\n")
        assert "Strict-Transport-Security" not in answer.headers
    # Some web servers add a field of their own after the browser's, which says what it likes.
    body = b'{"user": "stranger", "password": "wrong"}'
    connection.putrequest("POST", "/api/v1/login")
    for name, value in (("X-Forwarded-For", "198.51.100.1"), ("x-forwarded-for", "203.0.113.9, 192.0.2.7"),
                        ("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
        connection.putheader(name, value)
    connection.endheaders(body)
    assert connection.getresponse().status == 401
    assert subgate.wait_for_audit("auth.failure", 1)[0]["client_address"] == "192.0.2.7"
    connection.close()


@pytest.mark.skipif(SANITIZED, reason="built with a sanitizer: no sandbox")
def test_the_console_is_as_confined_as_a_gate(served):
    def facts(role):
        pid = served.pids(role)[0]
        with open(f"/proc/{pid}/status") as status:
            lines = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
        return {name: lines[name] for name in ("NoNewPrivs", "Seccomp", "Seccomp_filters")}

    assert facts("console") == facts("gate")
    assert facts("console")["Seccomp"] == "2"


def test_mail_flows_while_the_console_dies_and_hangs(served, console):
    password = served.create_app_password(USER)
    victim, = served.pids("console")
    os.kill(victim, signal.SIGKILL)
    send_mail(served, password)
    wait_until(lambda: served.pids("console") and victim not in served.pids("console"), "another console")
    wait_until(lambda: is_served(console), "the other console to answer")
    victim, = served.pids("console")
    os.kill(victim, signal.SIGSTOP)
    send_mail(served, password)
    wait_until(lambda: victim not in served.pids("console"), "the hung console to be killed")
    wait_until(lambda: is_served(console), "the next console to answer")
    send_mail(served, password)


def is_served(console):
    try:
        return console.ask("GET", "/healthz")[0] == 200
    except OSError:
        return False


def test_slow_and_silent_browsers_hold_up_nobody(served, console):
    """64 of one address are taken; some have begun a handshake, some a request."""
    password = served.create_app_password(USER)
    slow = []
    for number in range(200):
        sock = socket.create_connection(("127.0.0.1", console.port))
        if number % 3 == 1:
            with contextlib.suppress(OSError):  # one too many of this address
                sock.sendall(b"\x16\x03\x01\x02\x00\x01")
        slow.append(sock)
    other = socket.create_connection(("127.0.0.1", console.port), PATIENCE, source_address=("127.0.0.2", 0))
    with console.context.wrap_socket(other) as secure:
        secure.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert secure.recv(4096).startswith(b"HTTP/1.1 200 ")
    send_mail(served, password)
    assert served.ctl_json("status")["ok"]
    for sock in slow:
        sock.close()
    wait_until(lambda: is_served(console), "room for this address again")
