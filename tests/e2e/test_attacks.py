"""
What a hostile client tries, with a user's password and without: it may hurt the attacker, and nobody else. And what a
gate tries once an attacker has taken it over.
"""

import base64
import os
import pathlib
import re
import signal
import socket
import ssl
import struct
import subprocess

import pytest

from harness.client import Line, login, message
from harness.debugger import Debugger
from harness.process import wait_until
from harness.subgate import relay_section

USER = "alice@example.com"


def plain(name, password):
    return base64.b64encode(f"\0{name}\0{password}".encode()).decode()


def log_in(subgate, password):
    line = Line(subgate)
    line.read_reply()
    line.command("EHLO client.example")
    assert line.command("AUTH PLAIN " + plain(USER, password))[0].startswith("235")
    return line


def send_one(subgate, password):
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER))


def test_sixty_thousand_refused_recipients_cost_nobody_else_his_mail(upstream, start):
    """Without the limit of refused recipients (test_quota.py), which would end it much earlier."""
    subgate = start(relay_section(upstream) + "quota default { refused_recipients_per_hour = 0 }\n")
    upstream.script["RCPT TO:<no*"] = ["550 5.1.1 No such user"] * 200
    password = subgate.create_app_password(USER)
    line = log_in(subgate, password)
    line.command(f"MAIL FROM:<{USER}>")
    domain = ".".join(["d" * 60] * 2)
    for batch in range(600):
        line.send(b"".join(f"RCPT TO:<no{batch}.{i}.{'x' * 50}@{domain}>\r\n".encode() for i in range(100)))
        for _ in range(100):
            assert line.read_reply()[0][:3] in ("550", "452")
    assert line.command("NOOP")[0].startswith("250")
    for _ in range(8):  # both gates
        send_one(subgate, password)
    assert len(upstream.wait_for(8)) == 8


def test_a_burst_of_envelopes_on_a_relay_that_pauses_costs_no_gate_its_door(upstream, start):
    limits = "limits { connections_per_address = 5000  sessions_per_user = 0 }\n"
    subgate = start(relay_section(upstream) + limits)
    password = subgate.create_app_password(USER)
    lines = [log_in(subgate, password) for _ in range(700)]  # 30 MB of envelopes, for two doors of 8 MiB
    relay = subgate.pids("relay")
    domain = ".".join(["d" * 60] * 3)
    burst = f"MAIL FROM:<{USER}>\r\n" + "".join(f"RCPT TO:<{i}{'x' * 60}@{domain}>\r\n" for i in range(100))
    os.kill(relay[0], signal.SIGSTOP)
    try:
        for line in lines:
            line.send(burst.encode())
        for line in lines:
            assert line.read_reply()[0].startswith("250")  # MAIL, by the gate alone
    finally:
        os.kill(relay[0], signal.SIGCONT)
    codes = {line.read_reply()[0][:9] for line in lines}
    assert codes <= {"250 2.1.5", "451 4.7.1"}, codes  # one user may have 20 under way
    for line in lines:
        line.close()
    for _ in range(8):
        send_one(subgate, password)
    assert len(upstream.wait_for(8)) == 8


def test_a_burst_of_logins_on_an_auth_that_pauses_costs_no_gate_its_door(upstream, start):
    subgate = start(relay_section(upstream) + "limits { connections_per_address = 5000  auth_timeout = \"10m\" }\n")
    password = subgate.create_app_password(USER)
    lines = [Line(subgate) for _ in range(1600)]  # 18 MB of responses, for two doors of 8 MiB
    for line in lines:
        line.read_reply()
        line.command("EHLO client.example")
    auth = subgate.pids("auth")[0]
    os.kill(auth, signal.SIGSTOP)
    try:
        for line in lines:
            line.send(b"AUTH PLAIN " + b"A" * 12000 + b"\r\n")
        lines[-1].read_reply()  # one that had no room: the gates have read them all
    finally:
        os.kill(auth, signal.SIGCONT)
    codes = {line.read_reply()[0][:9] for line in lines[:-1]}
    assert codes <= {"454 4.7.0", "500 5.5.6", "501 5.5.2"}, codes
    for line in lines:
        line.close()
    for _ in range(8):
        send_one(subgate, password)
    assert len(upstream.wait_for(8)) == 8


def test_a_browser_finds_no_tls_to_speak_http_through(subgate):
    context = subgate.authority.client_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", subgate.implicit), timeout=30) as raw:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(raw, server_hostname="mail.example.com")
    context.set_alpn_protocols(["smtp"])
    with socket.create_connection(("127.0.0.1", subgate.implicit), timeout=30) as raw:
        with context.wrap_socket(raw, server_hostname="mail.example.com") as client:
            assert client.selected_alpn_protocol() == "smtp"
            assert client.recv(4) == b"220 "


# ---- a gate that was taken over

def frame(name, *fields):
    """
    A frame of door/*.def: numbers of the types are those of all.def's order; a field is bytes, a list, or packed
    already.
    """
    root = pathlib.Path(__file__).parents[2] / "proxy/door"
    rooms = re.findall(r'"door/(\w+\.def)"', (root / "all.def").read_text())
    names = [n for room in rooms for n in re.findall(r"^MESSAGE\((\w+)", (root / room).read_text(), re.M)]
    payload = b"".join(span(b"".join(map(span, f))) if isinstance(f, list) else f for f in fields)
    return struct.pack("=IH", len(payload), names.index(name)) + payload


def span(data):
    return struct.pack("=I", len(data)) + data


def u64(number):
    return struct.pack("=Q", number)


def relay_door_of(gate, relay):
    """The gate's descriptor of the socket whose other end the relay holds."""
    ends = {}
    for line in subprocess.run(["ss", "-xpnH"], capture_output=True, text=True, check=True).stdout.splitlines():
        own, peer = re.findall(r" \* (\d+)", line)[:2] if line.count(" * ") >= 2 else (None, None)
        for pid, fd in re.findall(r"pid=(\d+),fd=(\d+)", line):
            ends.setdefault(own, []).append((int(pid), int(fd), peer))
    for holders in ends.values():
        for pid, fd, peer in holders:
            if pid == gate and any(other == relay for other, _, _ in ends.get(peer, [])):
                return fd
    raise AssertionError(f"gate {gate} has no door to relay {relay}: {ends}")


def wait_for_successor(subgate, liar):
    """Until then a client may still land at the gate that is about to be killed."""
    wait_until(lambda: len(subgate.pids("gate")) == 2 and liar not in subgate.pids("gate"), lambda: subgate.log)
    subgate.wait_for_log("gate 1 said what no gate may say: it is killed")
    wait_until(lambda: not re.search("starting|waiting", subgate.ctl("status").stdout),
               lambda: subgate.ctl("status").stdout)


def forge(subgate, data):
    """Makes the first gate send these bytes to the relay, which sees them once the debugger is gone."""
    gate, relay = subgate.pids("gate")[0], subgate.pids("relay")[0]
    fd = relay_door_of(gate, relay)
    os.kill(relay, signal.SIGSTOP)
    try:
        with Debugger(gate) as debugger:
            assert debugger.system_call(1, fd, data, len(data)) == len(data)
    finally:
        os.kill(relay, signal.SIGCONT)
    return gate


ENVELOPE = [span(b"ceo@example.com"), span(b""), u64(0), [b"bob@example.net"], [b""], span(b"evil")]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the debugger knows x86-64 registers")
def test_a_gate_that_was_taken_over_sends_nothing_for_who_did_not_log_in(subgate, upstream):
    password = subgate.create_app_password(USER)
    fields = [u64(1), b"\1", span(b"ceo@example.com"), span(b"<1@x>"), span(b"")]
    text = b"From: ceo@example.com\r\n\r\nforged\r\n"
    liar = forge(subgate, frame("ENVELOPE", u64(4711), u64(1), *ENVELOPE) + frame("MESSAGE_DATA", *fields, text))
    told = subgate.wait_for_audit("message.refused")[0]
    assert told["reason"] == "session without a grant" and told["mail_from"] == "ceo@example.com"
    assert told["response"]["code"] == 530 and "user" not in told
    for _ in range(4):
        send_one(subgate, password)
    assert liar in subgate.pids("gate")  # a grant may have ended just before
    assert forge(subgate, frame("MESSAGE_DATA", *fields[:-1])) == liar
    wait_for_successor(subgate, liar)
    for _ in range(4):
        send_one(subgate, password)
    assert [m.mail_from for m in upstream.wait_for(8)] == [USER] * 8
    assert not any("ceo@" in command for command in upstream.commands)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the debugger knows x86-64 registers")
def test_a_gate_that_grants_itself_a_session_is_replaced(subgate, upstream):
    password = subgate.create_app_password(USER)
    grant = [u64(1), struct.pack("=I", 1), u64(4711), span(b"ceo@example.com")]
    gates = subgate.pids("gate")
    liar = forge(subgate, frame("GRANT", *grant) + frame("ENVELOPE", u64(4711), u64(1), *ENVELOPE))
    wait_for_successor(subgate, liar)
    assert gates[1] in subgate.pids("gate")
    for _ in range(4):
        send_one(subgate, password)
    assert [m.mail_from for m in upstream.wait_for(4)] == [USER] * 4
    assert not subgate.audit("auth.success") or all(r["user"] == USER for r in subgate.audit("auth.success"))
