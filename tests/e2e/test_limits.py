"""The section limits: each option over its limit, on a node with several gates."""

import base64
import concurrent.futures
import os
import pathlib
import re
import signal
import socket
import time
import urllib.request

from harness.client import Line, login, message
from harness.process import wait_until
from harness.subgate import SANITIZED, relay_section

USER = "alice@example.com"
FULL = "421 4.7.0 Too many connections"


def log_in(subgate, password):
    line = Line(subgate)
    assert line.read_reply() is not None, "refused"
    line.command("EHLO client.example")
    token = base64.b64encode(f"\0{USER}\0{password}".encode()).decode()
    assert line.command("AUTH PLAIN " + token)[0].startswith("235")
    return line


def knock(subgate):
    """A connection that was taken, or None."""
    line = Line(subgate, "starttls")
    reply = line.read_reply()[0]
    if reply.startswith("220"):
        return line
    assert reply.startswith(FULL), reply
    assert line.read_reply() is None
    line.close()
    return None


def fill(subgate, limit):
    """As many connections as are taken: `limit`, once the probes of the start are gone."""
    taken = []

    def is_full():
        taken.extend(filter(None, [knock(subgate)]))
        return len(taken) >= limit

    wait_until(is_full, lambda: f"{limit} connections; there are {len(taken)}")
    assert [knock(subgate) for _ in range(20)] == [None] * 20  # whichever gate they come to
    return taken


def can_enter(subgate):
    line = knock(subgate)
    if line:
        line.close()
    return line is not None


def refused(subgate, reason):
    """What the metrics say of this reason."""
    with urllib.request.urlopen(f"http://127.0.0.1:{subgate.http}/metrics", timeout=30) as answer:
        line = next(line for line in answer.read().decode().splitlines()
                    if line.startswith(f'subgate_refused_total{{reason="{reason}"}}'))
    return int(line.split()[1])


# ---- sessions

TOO_MANY = "421 4.7.0 Too many sessions for this user, closing the connection"


def try_log_in(subgate, password, user=USER):
    """A session that was let in, or None: it heard that there are too many, and was closed."""
    line = Line(subgate)
    assert line.read_reply()[0].startswith("220")
    line.command("EHLO client.example")
    token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    reply = line.command("AUTH PLAIN " + token)
    if reply[0].startswith("235"):
        return line
    assert reply == [TOO_MANY] and line.read_reply() is None
    line.close()
    return None


def test_sessions_of_one_user_are_limited_over_all_gates_and_exactly(upstream, start):
    subgate = start(relay_section(upstream) + "limits { sessions_per_user = 4 }\n")
    password = subgate.create_app_password(USER)
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        lines = list(pool.map(lambda _: try_log_in(subgate, password), range(24)))
    inside = [line for line in lines if line]
    assert len(inside) <= 4  # those who come at the same time may both step back
    inside += [line for line in (try_log_in(subgate, password) for _ in range(20)) if line]
    assert len(inside) == 4
    assert refused(subgate, "sessions") == 44 - 4
    bob = "bob@example.com"
    assert try_log_in(subgate, subgate.create_app_password(bob), bob), "another user has no place"
    assert inside[0].command(f"MAIL FROM:<{USER}>")[0].startswith("250")
    inside.pop().close()
    wait_until(lambda: try_log_in(subgate, password), "the place of one that ended")
    wait_until(lambda: "too many sessions for this user" in [r["reason"] for r in subgate.audit("session.close")],
               "the record of one that was closed")


def test_sessions_of_gates_that_drain_count_still(upstream, start):
    subgate = start(relay_section(upstream) + "limits { sessions_per_user = 3 }\n")
    password = subgate.create_app_password(USER)
    busy = [try_log_in(subgate, password) for _ in range(3)]
    for line in busy:
        assert line.command(f"MAIL FROM:<{USER}>")[0].startswith("250")
    subgate.ctl("reload")
    assert try_log_in(subgate, password) is None
    busy.pop().close()
    wait_until(lambda: busy.extend(filter(None, [try_log_in(subgate, password)])) or len(busy) == 3,
               "the place of one that ended in a draining gate")
    assert try_log_in(subgate, password) is None
    for line in busy:
        line.close()


# ---- connections

def test_connections_in_all_are_limited_for_the_node_and_not_for_each_gate(upstream, start):
    subgate = start(relay_section(upstream) + "limits { connections = 7 }\n")
    taken = fill(subgate, 7)
    taken.pop().close()
    wait_until(lambda: can_enter(subgate), "a place to be free")


def test_connections_of_one_address_are_limited_for_the_node(upstream, start):
    subgate = start(relay_section(upstream) + "limits { connections_per_address = 5 }\n")
    taken = fill(subgate, 5)
    with socket.create_connection(("127.0.0.1", subgate.starttls), timeout=30,
                                  source_address=("127.0.0.9", 0)) as other:
        assert other.recv(3) == b"220"
    assert len(taken) == 5


def test_a_flood_of_refused_connections_is_counted_and_recorded_at_a_bounded_rate(upstream, start):
    subgate = start(relay_section(upstream) + "limits { connections_per_address = 5 }\n")
    taken = fill(subgate, 5)
    assert [knock(subgate) for _ in range(100)] == [None] * 100
    count = refused(subgate, "address")
    assert count >= 120  # with those of fill()

    def are_told():
        return sum(record["count"] for record in subgate.audit("session.refused")) == count

    wait_until(are_told, lambda: f"{count} refusals in the audit: {subgate.audit('session.refused')}")
    records = subgate.audit("session.refused")
    assert len(records) < 80 and all(record["reason"] == "address" for record in records)
    assert any(record.get("client_address") == "127.0.0.1" and record["listener"] == "submission" for record in records)
    assert len(taken) == 5


def test_a_connection_too_many_is_closed_before_any_handshake(upstream, start):
    subgate = start(relay_section(upstream) + "limits { connections_per_address = 5 }\n")
    taken = fill(subgate, 5)
    with socket.create_connection(("127.0.0.1", subgate.implicit), timeout=30) as client:
        assert client.recv(1) == b""  # nothing was sent, and it is over: no server's hello, nothing in clear
    assert len(taken) == 5


def test_what_a_gate_counted_vanishes_with_it(upstream, start):
    subgate = start(relay_section(upstream) + "limits { connections_per_address = 6 }\n")
    taken = fill(subgate, 6)
    for gate in subgate.pids("gate"):
        os.kill(gate, signal.SIGKILL)
    wait_until(lambda: len(subgate.pids("gate")) == 2, "new gates")
    wait_until(lambda: all(line.read_reply() is None for line in taken), "the old connections to end")
    assert len(fill(subgate, 6)) == 6


def test_connections_of_gates_that_drain_count_still(upstream, start):
    sections = relay_section(upstream) + "limits { connections_per_address = 4 }\n"
    subgate = start(sections)
    subgate.write_config(sections.replace("= 4", "= 3").replace("limits {", "limits { connections = 50000 "))
    password = subgate.create_app_password(USER)
    busy = [log_in(subgate, password) for _ in range(3)]
    for line in busy:
        assert line.command(f"MAIL FROM:<{USER}>")[0].startswith("250")
    subgate.ctl("reload")
    assert not can_enter(subgate)
    assert busy[0].command("RSET")[0].startswith("250")
    busy[0].close()
    wait_until(lambda: can_enter(subgate), "the place of one that ended in a draining gate")
    fill(subgate, 1)
    for line in busy[1:]:
        assert line.command("NOOP")[0].startswith("250")
        line.close()


# ---- one user

def test_messages_of_a_user_under_way_are_limited_over_all_gates(upstream, start):
    subgate = start(relay_section(upstream) + "limits { transactions_per_user = 2 }\n")
    password = subgate.create_app_password(USER)
    lines = [log_in(subgate, password) for _ in range(6)]
    for line in lines:
        assert line.command(f"MAIL FROM:<{USER}>")[0].startswith("250")
    answers = [line.command("RCPT TO:<bob@example.net>")[0] for line in lines]
    assert [answer[:9] for answer in answers] == ["250 2.1.5"] * 2 + ["451 4.7.1"] * 4, answers
    assert refused(subgate, "transactions") == 4
    assert lines[0].command("RSET")[0].startswith("250")
    assert lines[5].command("RSET")[0].startswith("250")
    assert lines[5].command(f"MAIL FROM:<{USER}>")[0].startswith("250")
    wait_until(lambda: lines[5].command("RCPT TO:<bob@example.net>")[0].startswith("250"), "a place to be free")
    for line in lines:
        line.close()


# ---- who is slow

def test_whoever_sends_a_message_byte_by_byte_for_ever_is_cut_and_whoever_is_merely_slow_is_not(upstream, start):
    subgate = start(relay_section(upstream) + 'limits { data_timeout = "6s"  data_rate = 100 }\n')
    password = subgate.create_app_password(USER)
    lorises, modem = [log_in(subgate, password) for _ in range(5)], log_in(subgate, password)
    for line in [modem, *lorises]:
        line.command(f"MAIL FROM:<{USER}>")
        line.command("RCPT TO:<bob@example.net>")
        assert line.command("DATA")[0].startswith("354")
    modem.send(message(USER))
    sent, began = 0, time.monotonic()
    while (passed := time.monotonic() - began) < 9:  # long enough for whoever sends ten bytes a second to be cut
        for _ in range(sent, int(10 * passed)):  # at 400 bytes a second, also where this machine is slow
            modem.send(b"a line of a slow modem, forty bytes...\r\n")
        sent = int(10 * passed)
        for line in lorises:
            try:
                line.send(b"x")
            except OSError:
                pass
        time.sleep(0.1)
    assert modem.command(".")[0].startswith("250")
    for line in lorises:
        assert line.read_reply()[0].startswith("421 4.4.2 Data comes too slowly")
        assert line.read_reply() is None
    assert refused(subgate, "rate") == 5
    reasons = [record["reason"] for record in subgate.wait_for_audit("session.close", 5)]
    assert reasons.count("too slow") == 5
    assert len(upstream.messages) == 1


def resident(pids):
    return sum(int(re.search(r"VmRSS:\s+(\d+)", (pathlib.Path("/proc") / str(pid) / "status").read_text()).group(1))
               for pid in pids) * 1024


def test_a_client_that_never_reads_is_not_read_and_costs_nobody_anything(upstream, start):
    subgate = start(relay_section(upstream) + 'limits { command_timeout = "10s" }\n')
    password = subgate.create_app_password(USER)
    before = resident(subgate.pids("gate"))
    floods = [  # neither counts as an error, and the answers are longer than what asks for them
        b"MAIL FROM:<> SIZE=99999999999\r\n" * 100,
        b"BDAT 3\r\nabcBDAT 0 LAST\r\n" * 100,
    ]
    lines = [log_in(subgate, password) for _ in floods]
    taken = [flood_until_stuck(line, flood) for line, flood in zip(lines, floods)]
    assert max(taken) < 48 << 20, taken  # what the kernel's buffers hold, both ways
    if not SANITIZED:
        assert resident(subgate.pids("gate")) - before < 8 << 20
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER))
    reasons = [record["reason"] for record in subgate.wait_for_audit("session.close", 3)]
    assert sorted(reasons) == ["quit", "timeout", "timeout"]
    assert refused(subgate, "timeout") == 2


def flood_until_stuck(line, flood):
    """Bytes that the server, and the kernel between, took from a client that reads nothing."""
    taken = 0
    line.set_timeout(0.5)
    try:
        while taken < 64 << 20:
            line.send(flood)
            taken += len(flood)
    except OSError:  # no room for half a second, or closed
        pass
    return taken
