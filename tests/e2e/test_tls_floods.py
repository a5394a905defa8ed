"""
Peers that keep a role busy with TLS itself. No turn of the role takes long, others are served meanwhile, and what no
honest peer does ends the connection. Each test prints the longest turn, and what another client waited.
"""

import itertools
import re
import socket
import ssl
import threading
import time
import urllib.request

import pytest

from harness.client import login, message
from harness.process import wait_until
from harness.raw_upstream import GREETING, TLS, Close, RawUpstream
from harness.subgate import relay_section
from harness.tls_records import DATA, HANDSHAKE, TlsPeer, one_byte_hello

USER, VICTIM = "mallory@example.com", "alice@example.com"
FLOOD = 1 << 20  # bytes: of key updates a second of work, where each is taken
TURN_LIMIT = 2.0  # seconds: what a loaded machine needs, and not what a flood took
OLD = ssl.TLSVersion.TLSv1_2


def metrics(subgate):
    with urllib.request.urlopen(f"http://127.0.0.1:{subgate.http}/metrics", timeout=30) as answer:
        return answer.read().decode()


def longest_turn(subgate, role):
    return float(re.search(rf'subgate_loop_turn_longest_seconds\{{role="{role}"\}} (\S+)', metrics(subgate))[1])


def refused(subgate, reason):
    return int(re.search(rf'subgate_refused_total\{{reason="{reason}"\}} (\d+)', metrics(subgate))[1])


# ---- what a flood is made of

def fill(make):
    """Pieces of make() until they are a flood."""
    pieces, size = [], 0
    while size < FLOOD:
        pieces.append(make())
        size += len(pieces[-1])
    return b"".join(pieces)


def key_updates(sealer):
    return fill(sealer.key_update)


def text_bytes():
    """One byte after the other of what is a greeting's line to a client, and a wrong command to a server."""
    text = itertools.cycle(b"220-more\r\n")
    return lambda: bytes([next(text)])


def empty_records(sealer):
    """OpenSSL takes 32 of them in a row."""
    text = text_bytes()
    return fill(lambda: b"".join(sealer.record(DATA, b"") for _ in range(30)) + sealer.record(DATA, text()))


def one_byte_records(sealer):
    text = text_bytes()
    return fill(lambda: sealer.record(DATA, text()))


def tickets(sealer):
    return fill(sealer.ticket)


def client_hellos(sealer):
    """Renegotiation, again and again."""
    hello = b"\3\3" + bytes(32) + b"\0" + b"\0\4\xc0\x2b\0\xff" + b"\1\0"
    return fill(lambda: sealer.record(HANDSHAKE, b"\1" + len(hello).to_bytes(3, "big") + hello))


def hello_requests(sealer):
    return fill(lambda: sealer.record(HANDSHAKE, b"\0\0\0\0"))


# ---- others meanwhile

class Waits:
    """Calls `ask` again and again in a thread of its own; `longest` is what the slowest call took."""

    def __init__(self, ask):
        self.longest, self.count, self._ask = 0.0, 0, ask
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._stopped.is_set():
            begun = time.monotonic()
            self._ask()
            self.longest = max(self.longest, time.monotonic() - begun)
            self.count += 1

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        self._thread.join(60)
        assert not self._thread.is_alive() and self.count > 0


def greet(subgate):
    with socket.create_connection(("127.0.0.1", subgate.starttls), timeout=60) as client:
        assert client.recv(3) == b"220"
        client.sendall(b"QUIT\r\n")
        while client.recv(1000):
            pass


def show(capsys, role, what, turn, waits):
    with capsys.disabled():
        print(f"\n{role:5} {what:24} longest turn {turn * 1000:8.1f} ms   "
              f"another's {'greeting' if role == 'gate' else 'message'} {waits.longest * 1000:8.1f} ms "
              f"of {waits.count}")


# ---- a client that attacks the gate

def send_until_cut(sock, data):
    """False: the peer hung up before it had taken it all."""
    try:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
        return True
    except OSError:
        return False


def connect(subgate):
    return socket.create_connection(("127.0.0.1", subgate.implicit), timeout=60)


def attack_gate(subgate, make, version):
    with connect(subgate) as sock:
        peer = TlsPeer(sock, subgate.authority.client_context(), name="mail.example.com", version=version)
        assert peer.read_line().startswith("220")
        data = make(peer.sealer)
        with Waits(lambda: greet(subgate)) as waits:
            send_until_cut(sock, data)
            time.sleep(0.2)
    return waits


FLOODS_OF_CLIENTS = [
    (key_updates, ssl.TLSVersion.TLSv1_3, True),
    (empty_records, ssl.TLSVersion.TLSv1_3, False),
    (one_byte_records, ssl.TLSVersion.TLSv1_3, False),
    (client_hellos, OLD, True),
]


@pytest.mark.parametrize("make, version, is_abuse", FLOODS_OF_CLIENTS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_client_that_floods_with_tls_keeps_no_other_waiting(upstream, start, capsys, make, version, is_abuse):
    subgate = start(relay_section(upstream) + "limits { errors = 1000 }\n")
    waits = attack_gate(subgate, make, version)
    turn = longest_turn(subgate, "gate")
    show(capsys, "gate", make.__name__, turn, waits)
    assert turn < TURN_LIMIT
    wait_until(lambda: refused(subgate, "tls") == is_abuse, "the abuse to be counted")
    if is_abuse:
        assert [record["reason"] for record in subgate.wait_for_audit("session.close")] == ["abuse of TLS"]


def test_hellos_in_records_of_one_byte_keep_no_other_waiting(upstream, start, capsys):
    subgate = start(relay_section(upstream))
    hello, clients = one_byte_hello()[:-6], [connect(subgate) for _ in range(10)]
    with Waits(lambda: greet(subgate)) as waits:
        for client in clients:
            client.sendall(hello)
        time.sleep(0.5)
    turn = longest_turn(subgate, "gate")
    show(capsys, "gate", "hello, byte by byte", turn, waits)
    assert turn < TURN_LIMIT
    for client in clients:
        client.close()


# ---- a relay that attacks the relay role

class FloodingConnection(RawUpstream.connection):
    """Shakes hands by the upstream's version, greets, and floods."""

    def run(self):
        self._act(TLS)
        peer = TlsPeer(self._socket, self.upstream.context, is_server=True, version=self.upstream.version)
        peer.send(b"220-raw.example ESMTP\r\n")  # what follows belongs to the greeting
        data = self.upstream.make(peer.sealer)
        self.upstream.flooding.set()
        self.upstream.was_cut.append(not send_until_cut(self._socket, data))
        raise Close


class FloodingUpstream(RawUpstream):
    connection = FloodingConnection

    def __init__(self, authority, make, version):
        super().__init__(authority=authority)
        self.make, self.version = make, version
        self.flooding, self.was_cut = threading.Event(), []


FLOODS_OF_RELAYS = [
    (key_updates, ssl.TLSVersion.TLSv1_3, True),
    (empty_records, ssl.TLSVersion.TLSv1_3, False),
    (one_byte_records, ssl.TLSVersion.TLSv1_3, False),
    (tickets, ssl.TLSVersion.TLSv1_3, True),
    (hello_requests, OLD, True),
]


@pytest.mark.parametrize("make, version, is_abuse", FLOODS_OF_RELAYS, ids=lambda value: getattr(value, "__name__", ""))
def test_a_relay_that_floods_with_tls_keeps_no_mail_of_others_waiting(upstream, authority, start, capsys, make, version,
                                                                      is_abuse):
    hostile = FloodingUpstream(authority, make, version).start()
    subgate = start(relay_section(upstream) +
                    hostile.section("hostile", reply_timeout="1m", connect_timeout="1m") + f"""
route hostile {{ users = {{"{USER}"}}  relays = {{"hostile"}} }}
route default {{ relays = {{"upstream"}} }}
quota default {{ messages_per_day = 0  messages_per_minute = 0 }}
log {{ level = "info" }}
""")
    try:
        passwords = {user: subgate.create_app_password(user) for user in (USER, VICTIM)}
        client = login(subgate, VICTIM, passwords[VICTIM])
        client.sendmail(VICTIM, ["bob@example.net"], message(VICTIM))
        mallory = login(subgate, USER, passwords[USER])
        mallory.mail(USER)
        asking = threading.Thread(target=mallory.rcpt, args=["bob@example.net"], daemon=True)
        asking.start()
        assert hostile.flooding.wait(60)  # a busy machine takes long to seal a flood
        with Waits(lambda: client.sendmail(VICTIM, ["bob@example.net"], message(VICTIM))) as waits:
            wait_until(lambda: hostile.was_cut, "the flood to end", seconds=60)
            time.sleep(0.2)
        asking.join(60)
        turn = longest_turn(subgate, "relay")
        show(capsys, "relay", make.__name__, turn, waits)
        assert turn < TURN_LIMIT
        if is_abuse:
            subgate.wait_for_log("too many messages after the handshake")
        else:
            assert "too many messages after the handshake" not in subgate.log
    finally:
        hostile.stop()
