"""A directory that vanishes, hangs, lies or comes back: 454 in time, the next server takes over, logins work again."""

import smtplib
import socket
import threading
import time

import pytest

from harness.client import connect
from harness.measure import cpu_ms
from harness.process import free_port, wait_until
from harness.subgate import relay_section

USER, PASSWORD = "alice@example.com", "Alice-Password-1"
UNCACHED = 'auth { cache = "0s" }\n'


def log_in(subgate, password=PASSWORD):
    """(code, seconds)"""
    with connect(subgate) as client:
        client.ehlo()
        began = time.monotonic()
        try:
            code = client.login(USER, password)[0]
        except smtplib.SMTPAuthenticationError as refused:
            code = refused.smtp_code
        return code, time.monotonic() - began


class BareServer:
    """Accepts connections, and does with each what it is told."""

    def __init__(self, serve):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._serve, self._open = serve, []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(client)
            threading.Thread(target=self._quietly, args=(client,), daemon=True).start()

    def _quietly(self, client):
        try:
            self._serve(client)
        except OSError:
            pass

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._open:
            client.close()


def say_nothing(client):
    client.recv(1)


def hang_up(client):
    client.close()


def talk_garbage(client):
    client.sendall(b"220 this is no directory\r\n" * 100)
    client.close()


def flood(client):
    while True:
        client.sendall(b"\x16\x03\x03\x40\x00" + b"x" * 65536)


def drip(client):
    for byte in b"\x16\x03\x03\x00\x7a\x02" + b"\0" * 1000:
        client.sendall(bytes([byte]))
        time.sleep(0.2)


BARE = [say_nothing, hang_up, talk_garbage, flood, drip]


def with_first(directory, uri):
    """The directory's section with another server in front."""
    return directory.section().replace('uri = {"', f'uri = {{"{uri}", "')


def test_a_directory_that_was_started_anew_costs_no_login(whole, directory, upstream):
    """The connections kept to it are dead, which shows only when they are used."""
    assert log_in(whole)[0] == 235
    directory.stop()
    directory.start()
    assert log_in(whole, "Wrong-Password")[0] == 535
    assert log_in(whole)[0] == 235


@pytest.mark.parametrize("serve", BARE, ids=lambda f: f.__name__)
def test_a_server_that_is_no_directory_is_454_in_time(upstream, directory, start, serve):
    server = BareServer(serve)
    section = directory.section().replace(f":{directory.port}", f":{server.port}")
    subgate = start(relay_section(upstream) + section + UNCACHED)
    for _ in range(2):
        code, seconds = log_in(subgate)
        assert code == 454 and seconds < 25
    server.stop()


@pytest.mark.parametrize("serve", BARE, ids=lambda f: f.__name__)
def test_the_next_server_takes_over_from_one_that_fails(upstream, directory, start, serve):
    server = BareServer(serve)
    subgate = start(relay_section(upstream) + with_first(directory, f"ldaps://127.0.0.1:{server.port}") + UNCACHED)
    code, seconds = log_in(subgate)
    assert code == 235 and seconds < 25
    assert log_in(subgate)[0] == 235
    server.stop()


def test_the_next_server_takes_over_from_one_that_is_not_there(upstream, directory, start):
    section = with_first(directory, f"ldaps://127.0.0.1:{free_port()}").replace('timeout = "2s"', 'timeout = "30s"')
    subgate = start(relay_section(upstream) + section + UNCACHED)
    for _ in range(3):
        code, seconds = log_in(subgate)
        assert code == 235 and seconds < 25


def test_many_logins_at_a_frozen_directory_end_in_time_and_work_again(upstream, directory, start):
    limits = "limits { connections_per_address = 100 }\n"
    subgate = start(relay_section(upstream) + directory.section() + UNCACHED + limits)
    assert log_in(subgate)[0] == 235
    directory.freeze()
    results = []
    threads = [threading.Thread(target=lambda: results.append(log_in(subgate))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    directory.thaw()
    assert {code for code, _ in results} == {454} and max(seconds for _, seconds in results) < 40, results
    wait_until(lambda: log_in(subgate)[0] == 235, "logins to work again")


def test_waiting_for_a_silent_directory_costs_no_cpu(upstream, directory, start):
    section = directory.section().replace('timeout = "2s"', 'timeout = "5s"')
    subgate = start(relay_section(upstream) + section + UNCACHED)
    auth, = subgate.pids("auth")
    directory.freeze()
    before = cpu_ms([auth])
    code, seconds = log_in(subgate)
    directory.thaw()
    assert code == 454 and cpu_ms([auth]) - before < 100 * seconds  # a tenth of the time


def test_wrong_search_account_is_454_and_in_the_log(upstream, directory, start):
    section = directory.section().replace(directory.BIND_DN, "cn=nobody,dc=example,dc=com")
    subgate = start(relay_section(upstream) + section + UNCACHED)
    assert log_in(subgate)[0] == 454
    subgate.wait_for_log("ldap")
    assert directory.BIND_PASSWORD not in subgate.log
