"""Handshakes that fail are counted by their reason, and told to the log at a bounded rate; tickets and their keys."""

import contextlib
import re
import socket
import ssl
import subprocess
import urllib.request

import pytest

from harness.process import wait_until
from harness.subgate import relay_section


def failures(subgate, listener="submissions"):
    """{reason: count} of the metrics, those that are not 0."""
    with urllib.request.urlopen(f"http://127.0.0.1:{subgate.http}/metrics", timeout=30) as answer:
        found = re.findall(rf'subgate_tls_failures_total\{{listener="{listener}",reason="(\w+)"\}} (\d+)',
                           answer.read().decode())
    assert len(found) == 8
    return {reason: int(count) for reason, count in found if count != "0"}


def send_bytes(subgate, data):
    with socket.create_connection(("127.0.0.1", subgate.implicit), timeout=30) as raw:
        raw.sendall(data)
        raw.settimeout(30)
        with contextlib.suppress(ConnectionResetError):  # what it left unread makes a reset of its close
            while raw.recv(1000):
                pass


def shake(subgate, change, context=None):
    context = context or subgate.authority.client_context()
    change(context)
    with socket.create_connection(("127.0.0.1", subgate.implicit), timeout=30) as raw:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(raw, server_hostname="mail.example.com")


def nothing(_):
    pass


def only_old(context):
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")


def only_cbc(context):
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA256")


WRONG = [
    ("clear", lambda subgate: send_bytes(subgate, b"EHLO client.example.com\r\n")),
    ("clear", lambda subgate: send_bytes(subgate, b"GET / HTTP/1.1\r\nHost: mail.example.com\r\n\r\n")),
    ("version", lambda subgate: shake(subgate, only_old)),
    ("cipher", lambda subgate: shake(subgate, only_cbc)),
    ("protocol", lambda subgate: shake(subgate, lambda context: context.set_alpn_protocols(["h2", "http/1.1"]))),
    ("alert", lambda subgate: shake(subgate, nothing, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))),
    ("lost", lambda subgate: socket.create_connection(("127.0.0.1", subgate.implicit)).close()),
]


def test_failed_handshakes_are_counted_and_a_few_are_told(upstream, start):
    subgate = start(relay_section(upstream) + 'log { level = "info" }\n')
    before = subgate.looks
    wait_until(lambda: failures(subgate).get("lost") == before, "the harness's own looks to be counted")
    expected = {}
    for reason, fail in WRONG:
        fail(subgate)
        expected[reason] = expected.get(reason, before if reason == "lost" else 0) + 1
        wait_until(lambda: failures(subgate).get(reason) == expected[reason],
                   lambda: f"{expected}, there are {failures(subgate)}")
    assert failures(subgate) == expected
    assert failures(subgate, "submission") == {}
    subgate.wait_for_log("no TLS with 127.0.0.1: ")
    lines = [line for line in subgate.log.splitlines() if "no TLS with 127.0.0.1: " in line]
    assert len(lines) <= 2, lines  # each of the two gates has a line a minute
    assert all("listener submissions: " in line for line in lines)


# ---- tickets

def key_names(subgate, count):
    """The names of the keys of so many tickets: what comes first in a ticket, in clear (RFC 5077, 4)."""
    names = set()
    for _ in range(count):
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{subgate.implicit}", "-tls1_2",
                               "-ign_eof"],
                              input="QUIT\r\n", capture_output=True, text=True, timeout=60)
        ticket = re.search(r"TLS session ticket:\s+0000 - ([0-9a-f -]+?)  ", done.stdout)
        names.add(ticket and ticket[1])
    return names


def test_all_gates_make_tickets_with_one_key_that_outlives_a_reload(subgate):
    names = key_names(subgate, 6)
    assert len(names) == 1 and names != {None}
    subgate.ctl("reload")
    assert key_names(subgate, 6) == names


def test_keys_change_with_each_life_of_a_ticket(upstream, start):
    subgate = start(relay_section(upstream))
    names = key_names(subgate, 2)
    assert len(names) == 1
    config = subgate.config.read_text()
    subgate.config.write_text(config.replace('tls { ', 'tls { ticket_lifetime = "1s"  '))
    subgate.ctl("reload")
    wait_until(lambda: not key_names(subgate, 1) & names, "another key")
    subgate.config.write_text(config.replace('tls { ', 'tls { ticket_lifetime = "0"  '))
    subgate.ctl("reload")
    assert key_names(subgate, 2) == {None}
