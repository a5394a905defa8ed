"""What makes a log or an audit grow: one message, a crowd that never logs in, and a gate that was taken over."""

import os
import re
import signal
import smtplib
import socket
import ssl
import struct

import pytest

from harness.client import Line, connect, login, message
from harness.debugger import Debugger
from harness.process import wait_until
from harness.subgate import relay_section

from .test_attacks import frame, relay_door_of

USER = "alice@example.com"

needs_debugger = pytest.mark.skipif(os.uname().machine != "x86_64", reason="the debugger knows x86-64 registers")


def test_a_message_with_thousands_of_foreign_senders_makes_one_line_of_the_log(upstream, start):
    subgate = start(relay_section(upstream) + 'sender { header = "audit" }\n')
    password = subgate.create_app_password(USER)
    strangers = ",\r\n ".join(f"u{i}@other.example" for i in range(8000))
    senders = ",\r\n ".join(f"s{i}@other.example" for i in range(100))
    before = len(subgate.log.splitlines())
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"],
                        f"From: {strangers}\r\nSender: {senders}\r\nSubject: hello\r\n\r\nhello\r\n")
    assert len(upstream.wait_for(1)) == 1
    wait_until(lambda: "is not an address of" in subgate.log, lambda: subgate.log)
    lines = [line for line in subgate.log.splitlines()[before:] if " gate " in line]
    assert len(lines) == 1 and "u0@other.example" in lines[0] and "8099 more" in lines[0], lines[:5]


def visit(subgate):
    """A client that comes, has TLS, says who it is, and goes without a login."""
    line = Line(subgate)
    line.read_reply()
    line.command("EHLO client.example")
    line.command("QUIT")
    line.close()


def audit_size(subgate):
    return (subgate.state / "audit.jsonl").stat().st_size


def test_a_crowd_that_never_logs_in_makes_a_few_records_that_count_it(upstream, start):
    subgate = start(relay_section(upstream))
    before = audit_size(subgate)
    for _ in range(1000):
        visit(subgate)
    subgate.stop()
    records = subgate.audit("session.anonymous")
    assert sum(record["count"] for record in records) == 1000
    assert {record["client_address"] for record in records} == {"127.0.0.1"}
    assert len(records) <= 10  # one a gate and minute
    assert not subgate.audit("session.open") and not subgate.audit("session.close")
    print(f"1000 connections without a login: {audit_size(subgate) - before} bytes of audit")
    assert audit_size(subgate) - before < 10000


def test_whoever_logs_in_or_tries_to_is_recorded_as_a_session(subgate):
    password = subgate.create_app_password(USER)
    login(subgate, USER, password).quit()
    with connect(subgate) as client:
        try:
            client.login(USER, "wrong")
        except smtplib.SMTPAuthenticationError:
            pass
    subgate.stop()
    assert len(subgate.audit("session.open")) == len(subgate.audit("session.close")) == 2
    assert len(subgate.audit("auth.success")) == 1 and subgate.audit("auth.failure")
    assert not subgate.audit("session.anonymous")


def send_one(subgate, password):
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER))


@needs_debugger
def test_a_gate_that_floods_its_supervisor_is_replaced(subgate, upstream):
    password = subgate.create_app_password(USER)
    gates, supervisor = subgate.pids("gate"), subgate.pid
    lost = frame("LOST", b"\3", struct.pack("=I", 4000))
    fd = relay_door_of(gates[0], supervisor)
    os.kill(supervisor, signal.SIGSTOP)
    try:
        with Debugger(gates[0]) as debugger:
            assert debugger.system_call(1, fd, lost * 200, len(lost) * 200) == len(lost) * 200
    finally:
        os.kill(supervisor, signal.SIGCONT)
    wait_until(lambda: len(subgate.pids("gate")) == 2 and gates[0] not in subgate.pids("gate"), lambda: subgate.log)
    subgate.wait_for_log("gate 1 says too much: it is killed")
    assert gates[1] in subgate.pids("gate")
    for _ in range(4):
        send_one(subgate, password)
    assert len(upstream.wait_for(4)) == 4


def resume(subgate, session=None):
    """(resumed, session) of a client; TLS 1.2 has the ticket in the handshake."""
    context = session[0] if session else subgate.authority.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", subgate.implicit), timeout=60) as raw, \
            context.wrap_socket(raw, server_hostname="mail.example.com", session=session and session[1]) as secure:
        assert secure.recv(100).startswith(b"220 ")
        return secure.session_reused, (context, secure.session)


def test_the_ticket_keys_of_a_gate_that_was_killed_go_with_it(subgate):
    _, session = resume(subgate)
    assert [resume(subgate, session)[0] for _ in range(6)] == [True] * 6  # at whichever gate
    gates = subgate.pids("gate")
    os.kill(gates[0], signal.SIGKILL)
    wait_until(lambda: len(subgate.pids("gate")) == 2 and gates[0] not in subgate.pids("gate"), lambda: subgate.log)
    wait_until(lambda: not re.search("starting|waiting", subgate.ctl("status").stdout), "all to be ready")
    assert [resume(subgate, session)[0] for _ in range(6)] == [False] * 6
    _, session = resume(subgate)
    assert resume(subgate, session)[0]
