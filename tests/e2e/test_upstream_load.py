"""
Many at once: how often Subgate logs in upstream, that no account has a connection too many, and what becomes of
messages when their relay is killed under them.

`make upstreams` runs it at full size and shows the figures.
"""

import collections
import concurrent.futures
import contextlib
import os
import signal
import smtplib
import threading
import time

import pytest

from harness.client import hear, login, message
from harness.process import wait_until
from harness.raw_upstream import DOT, HANG, Connection, RawUpstream
from harness.stored_upstream import StoredUpstream

FULL = bool(os.environ.get("SUBGATE_UPSTREAMS"))
SESSIONS = 1000 if FULL else 150
MESSAGES, SIZE = (200, 5 << 20) if FULL else (60, 1 << 20)
CLIENTS = 200
USERS = [f"user{n}@example.com" for n in range(20)]
LIMITS = """
quota default { messages_per_day = 0  messages_per_minute = 0  recipients_per_day = 0 }
limits { connections_per_address = 1000  transactions_per_user = 200  spool = "3G" }
"""


@pytest.fixture
def raw():
    upstream = RawUpstream(backlog=256).start()
    yield upstream
    upstream.stop()


def create_passwords(subgate):
    return {user: subgate.create_app_password(user) for user in USERS}


def log_in(subgate, user, password):
    """A gate that closes resets what it had not taken yet, or says 421: then once more, as any client does."""
    for _ in range(10):
        with contextlib.suppress(smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError, ConnectionError):
            return login(subgate, user, password, timeout=120)
        time.sleep(0.2)
    return login(subgate, user, password, timeout=120)


def send(subgate, passwords, number, body="Hello\r\n"):
    """One session of one message: what its client hears."""
    user = USERS[number % len(USERS)]
    client = log_in(subgate, user, passwords[user])
    code, text = hear(client, user, "bob@example.net", message(user, number=number, body=body))
    with contextlib.suppress(smtplib.SMTPException):
        client.quit()
    return " ".join([str(code), *text.split()[:1]])


def send_all(subgate, passwords, count, at_once, body="Hello\r\n"):
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda number: send(subgate, passwords, number, body), range(count)))


def show(text):
    print(f"figure: {text}")


# ---- logins

@pytest.mark.parametrize("closes", [False, True], ids=["kept", "closed after each message"])
def test_logins_of_many_sessions(start, raw, closes):
    """A login for each connection at most; a relay that closes after each message wants one for each."""
    subgate = start(raw.section(reply_timeout="50s") + LIMITS)
    passwords = create_passwords(subgate)
    if closes:
        raw.script[DOT] = [lambda c: (c.reply("250 2.0.0 OK"), c.close())] * SESSIONS
    began = time.monotonic()
    heard = send_all(subgate, passwords, SESSIONS, 20)
    show(f"{SESSIONS} sessions of one message, connection {'closed by the relay after each' if closes else 'kept'}: "
         f"{len(raw.logins)} logins, {time.monotonic() - began:.1f} s")
    assert collections.Counter(heard) == {"250": SESSIONS}
    assert len(raw.messages) == SESSIONS
    assert len(raw.logins) <= (SESSIONS * 1.1 if closes else 10 + SESSIONS // 100)  # 100 messages a connection


# ---- caps

class CountedConnection(Connection):
    """From the banner to the end that we see: what Microsoft counts."""

    def run(self):
        upstream = self.upstream
        with upstream.counting:
            upstream.open += 1
            upstream.most = max(upstream.most, upstream.open)
        try:
            super().run()
        finally:
            with upstream.counting:
                upstream.open -= 1


class CountedUpstream(RawUpstream):
    connection = CountedConnection

    def __init__(self):
        super().__init__(backlog=256)
        self.open = self.most = 0
        self.counting = threading.Lock()


@pytest.fixture
def counted():
    upstream = CountedUpstream().start()
    yield upstream
    upstream.stop()


def test_caps_hold_under_many_clients(start, counted):
    subgate = start(counted.section(extra="connections = 3  messages_per_connection = 7", reply_timeout="50s") + LIMITS)
    heard = send_all(subgate, create_passwords(subgate), 2 * CLIENTS, CLIENTS)
    show(f"{2 * CLIENTS} messages of {CLIENTS} clients at once over 3 connections: at most {counted.most} at once, "
         f"{collections.Counter(heard)}")
    assert counted.most == 3
    assert collections.Counter(heard) == {"250": 2 * CLIENTS} and len(counted.messages) == 2 * CLIENTS


def test_caps_hold_through_reloads(start, counted):
    """Old and new relay together have no connection too many."""
    subgate = start(counted.section(extra="connections = 3", reply_timeout="50s") + LIMITS)
    passwords = create_passwords(subgate)
    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        sent = [pool.submit(send, subgate, passwords, number) for number in range(300)]
        for _ in range(3):
            time.sleep(0.5)
            subgate.ctl("reload")
        heard = collections.Counter(s.result() for s in sent)
    show(f"300 messages through 3 reloads over 3 connections: at most {counted.most} at once, {heard}")
    assert counted.most == 3
    assert heard["250"] == len(counted.messages)
    assert set(heard) <= {"250", "451 4.3.2", "421 4.3.2"}


def test_a_relay_that_drains_is_not_starved_by_its_successor(start, raw):
    """Its transactions need a connection, while the new relay has work for all of them."""
    subgate = start(raw.section(extra="connections = 2", reply_timeout="50s") + LIMITS)
    passwords = create_passwords(subgate)
    raw.script[DOT] = [lambda c: (c.upstream.sleep(0.02), c.reply("250 2.0.0 Accepted"))] * 5000
    held = [log_in(subgate, user, passwords[user]) for user in USERS[:6]]
    for client, user in zip(held, USERS):
        assert client.mail(user)[0] == 250
    assert subgate.ctl("reload").returncode == 0
    stop, heard = threading.Event(), collections.Counter()

    def keep_busy(number):
        user = USERS[6 + number]
        client = log_in(subgate, user, passwords[user])
        while not stop.is_set():
            heard[hear(client, user, "bob@example.net", message(user, body="load"))[0]] += 1

    def finish(client, user):
        code = client.rcpt("bob@example.net")[0]
        return code if code != 250 else client.data(message(user, body="held"))[0]

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        try:
            load = [pool.submit(keep_busy, number) for number in range(12)]
            wait_until(lambda: heard[250] >= 10, "mail through the new relay")
            assert list(pool.map(finish, held, USERS)) == [250] * 6
            before = heard[250]
            wait_until(lambda: heard[250] >= before + 10, "mail through the new relay to go on")
        finally:
            stop.set()
        for each in load:
            each.result()
    show(f"6 messages of a relay that drains, beside {heard[250]} of the new one")
    assert set(heard) == {250}


def test_whoever_wants_little_waits_little(start, raw):
    """One user's flood holds nobody else up: users take turns."""
    raw.script[DOT] = [lambda c: (time.sleep(0.05), c.reply("250 2.0.0 OK"))] * 1000
    subgate = start(raw.section(extra="connections = 1", reply_timeout="50s") + LIMITS)
    passwords = create_passwords(subgate)
    modest = log_in(subgate, USERS[1], passwords[USERS[1]])
    with concurrent.futures.ThreadPoolExecutor(60) as pool:
        flood = [pool.submit(send, subgate, passwords, len(USERS) * n) for n in range(60)]
        wait_until(lambda: len(raw.messages) > 3, "the flood to flow")
        assert hear(modest, USERS[1], "bob@example.net", message(USERS[1], number=1)) == (250, "")
        place = next(i for i, content in enumerate(raw.messages) if b"<1.test@" in content)
        assert place < 40, f"it came as number {place}"
        assert {f.result() for f in flood} == {"250"}


class SlowRecipients(Connection):
    """What is asked about a recipient at slow.example takes until the test ends it."""

    def line(self):
        line = super().line()
        if line.startswith("RCPT") and "@slow.example" in line:
            self.upstream.slow.append(line)
            self.upstream.sleep(HANG)
        return line


@pytest.fixture
def slow_upstream():
    upstream = RawUpstream(backlog=64)
    upstream.connection, upstream.slow = SlowRecipients, []
    upstream.start()
    yield upstream
    upstream.stop()


def test_slow_recipients_of_one_user_hold_nobody_else_up(start, slow_upstream):
    upstream = slow_upstream
    subgate = start(upstream.section(extra="connections = 3", reply_timeout="50s") + LIMITS)
    passwords = create_passwords(subgate)
    slow = [log_in(subgate, USERS[0], passwords[USERS[0]]) for _ in range(10)]
    for client in slow:
        client.putcmd("mail", f"FROM:<{USERS[0]}>")
        client.getreply()
        client.putcmd("rcpt", "TO:<bob@slow.example>")  # and its reply is not waited for
    wait_until(lambda: len(upstream.slow) == 2, "two of the three connections to be busy with them")
    began = time.monotonic()
    assert [send(subgate, passwords, 1) for _ in range(6)] == ["250"] * 6  # none of the slow ones has ended
    show(f"6 messages beside 10 of a user with slow recipients, over 3 connections: {time.monotonic() - began:.1f} s, "
         f"{len(upstream.slow)} slow recipients asked about")
    for client in slow:
        client.close()


# ---- a relay that is killed

def test_a_relay_killed_amid_many_transactions(start, tmp_path):
    first = StoredUpstream(tmp_path / "first", "first@one.example", delay=0.2).start()
    second = StoredUpstream(tmp_path / "second", "second@two.example").start()
    subgate = start(first.section("first", "connections = 20") + second.section("second", "connections = 20") +
                    'route default { relays = {"first", "second"} }\n' + LIMITS)
    passwords = create_passwords(subgate)
    body = ("x" * 998 + "\r\n") * (SIZE // 1000)
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        sent = [pool.submit(send, subgate, passwords, number, body) for number in range(MESSAGES)]
        wait_until(lambda: len(first.stored()) >= MESSAGES // 10, "the first relay to be busy", 60)
        first.signal(signal.SIGKILL)
        heard = [s.result() for s in sent]
    took = time.monotonic() - began
    stored = collections.Counter(first.stored() + second.stored())
    failed = collections.Counter(h for h in heard if h != "250")
    show(f"{MESSAGES} transactions of {SIZE >> 20} MiB, the first relay killed: {dict(failed)} of the clients failed, "
         f"{sum(n > 1 for n in stored.values())} duplicates, {len(first.stored())} at the first relay, "
         f"{len(second.stored())} at the second, {took:.1f} s")
    # Nothing twice; what was answered with 250 is there; whoever failed had their dot out when the relay died.
    assert max(stored.values()) == 1
    for number, what in enumerate(heard):
        assert what != "250" or stored[f"{number}.test@example.com"] == 1
    assert set(failed) <= {"451 4.4.2"} and sum(failed.values()) <= 20
    assert len(second.stored()) >= MESSAGES // 10
    unknown = [r["message"] for r in subgate.audit("message.unknown")]
    assert len(unknown) == sum(failed.values())
    second.stop()
