"""
Clients that are stuck, in each way that one can be: a gate waits for them, and uses no CPU for it.

With -s the figures are shown.
"""

import contextlib
import socket
import struct
import time

import pytest

from harness.client import Line, login, message
from harness.measure import cpu_ms
from harness.subgate import relay_section

USER = "alice@example.com"
MANY = 20
SECONDS = 1.0


def authenticated(subgate, password):
    """An smtplib client; its socket is `sock`."""
    client = login(subgate, USER, password)
    client.sock.settimeout(30)
    return client


def connect(subgate, data=b"", mode="implicit"):
    client = socket.create_connection(("127.0.0.1", getattr(subgate, mode)), timeout=30)
    client.sendall(data)
    return client


def silent(subgate, _):
    return connect(subgate)


def within_its_hello(subgate, _):
    """A TLS record is announced, and half of it comes."""
    return connect(subgate, b"\x16\x03\x01\x02\x00\x01" + b"\x00" * 100)


def within_starttls(subgate, _):
    line = Line(subgate, "starttls")
    line.read_reply()
    line.command("EHLO client.example")
    assert line.command("STARTTLS")[0].startswith("220")
    return line


def within_a_command(subgate, password):
    client = authenticated(subgate, password)
    client.sock.sendall(b"MAIL FROM:<ali")
    return client


def within_a_login(subgate, _):
    line = Line(subgate)
    line.read_reply()
    line.command("EHLO client.example")
    assert line.command("AUTH LOGIN")[0].startswith("334")
    return line


def begin_message(subgate, password):
    client = authenticated(subgate, password)
    client.mail(USER)
    client.rcpt("bob@example.net")
    return client


def within_a_message(subgate, password):
    client = begin_message(subgate, password)
    assert client.docmd("DATA")[0] == 354
    client.sock.sendall(b"Subject: half of it\r\n\r\n.")
    return client


def within_a_chunk(subgate, password):
    client = begin_message(subgate, password)
    client.sock.sendall(b"BDAT 1000 LAST\r\nSubject: a tenth of it\r\n")
    return client


def that_closed_its_half(subgate, _):
    """Its end of input is known at once, and comes again each time somebody looks."""
    client = connect(subgate, b"EHLO client.example\r\n", "starttls")
    client.shutdown(socket.SHUT_WR)
    return client


def that_never_reads(subgate, password):
    """The gate's output is full, as is what the kernel holds for it."""
    client = authenticated(subgate, password)
    client.sock.settimeout(0.2)
    with contextlib.suppress(OSError):
        while True:
            client.sock.sendall(b"MAIL FROM:<> SIZE=99999999999\r\n" * 200)
    return client


def that_was_reset(subgate, password):
    client = authenticated(subgate, password)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sock.close()
    return client


KINDS = [silent, within_its_hello, within_starttls, within_a_login, authenticated, within_a_command, within_a_message,
         within_a_chunk, that_closed_its_half, that_never_reads, that_was_reset]


@pytest.fixture
def subgate(upstream, start):
    return start(relay_section(upstream) + "limits { transactions_per_user = 100  sessions_per_user = 1000 }\n")


@pytest.fixture
def stuck(subgate):
    """Opens `MANY` of a kind (few of those that take long to get stuck)."""
    password = subgate.create_app_password(USER)
    clients = []

    def open_some(kind):
        clients.extend(kind(subgate, password) for _ in range(2 if kind is that_never_reads else MANY))

    yield open_some
    for client in clients:
        client.close()


@pytest.mark.seconds(24)
def test_gates_use_no_cpu_for_clients_that_are_stuck(subgate, stuck, upstream):
    pids = subgate.pids("gate") + subgate.pids("auth") + subgate.pids("relay")
    shares = {}
    for kind in KINDS:
        stuck(kind)
        time.sleep(0.2)  # the last answers
        before, began = cpu_ms(pids), time.monotonic()
        time.sleep(SECONDS)
        shares[kind.__name__] = (cpu_ms(pids) - before) / (time.monotonic() - began) / 10
    print("\nCPU of gates, auth and relay, in percent of a core, with all kinds so far:",
          ", ".join(f"{name} {share:.1f}" for name, share in shares.items()))
    assert max(shares.values()) < 50, shares
    with login(subgate, USER, subgate.create_app_password(USER, "other")) as other:
        other.sendmail(USER, ["bob@example.net"], message(USER))
    assert [pid for role in ("gate", "auth", "relay") for pid in subgate.pids(role)] == pids
    upstream.wait_for(1)
