"""A directory that vanishes, hangs, lies or comes back: 454 in time, the next server takes over, logins work again."""

import os
import smtplib
import socket
import threading
import time

import pytest

from harness.client import connect
from harness.measure import cpu_ms
from harness.process import PATIENCE, free_port, root_is_a_mount_point, wait_until
from harness.subgate import relay_section
from harness.tcp_proxy import TcpProxy

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


def with_first(directory, uri, timeout="30s"):
    """The directory's section with another server in front."""
    return directory.section(timeout=timeout).replace('uri = {"', f'uri = {{"{uri}", "')


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
    section = directory.section(timeout="2s").replace(f":{directory.port}", f":{server.port}")
    subgate = start(relay_section(upstream) + section + UNCACHED)
    for _ in range(2):
        code, seconds = log_in(subgate)
        assert code == 454 and seconds < PATIENCE
    server.stop()


@pytest.mark.parametrize("serve", BARE, ids=lambda f: f.__name__)
def test_the_next_server_takes_over_from_one_that_fails(upstream, directory, start, serve):
    server = BareServer(serve)
    section = with_first(directory, f"ldaps://127.0.0.1:{server.port}", timeout="6s")
    subgate = start(relay_section(upstream) + section + UNCACHED)
    code, seconds = log_in(subgate)
    assert code == 235 and seconds < PATIENCE
    assert log_in(subgate)[0] == 235
    server.stop()


def test_the_next_server_takes_over_from_one_that_is_not_there(upstream, directory, start):
    section = with_first(directory, f"ldaps://127.0.0.1:{free_port()}")
    subgate = start(relay_section(upstream) + section + UNCACHED)
    for _ in range(3):
        code, seconds = log_in(subgate)
        assert code == 235 and seconds < PATIENCE


def test_many_logins_at_a_frozen_directory_end_in_time_and_work_again(upstream, directory, start):
    limits = "limits { connections_per_address = 100 }\n"
    subgate = start(relay_section(upstream) + directory.section(timeout="2s") + UNCACHED + limits)
    wait_until(lambda: log_in(subgate)[0] == 235, "a login")
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


@pytest.mark.seconds(15)
def test_an_administrator_hears_of_a_silent_directory_however_long_it_is_waited_for(upstream, directory, start):
    subgate = start(relay_section(upstream) + directory.section(timeout="12s"))
    directory.freeze()
    shown = subgate.ctl_json("user", "show", USER)
    directory.thaw()
    assert shown["state"] == "the directory can't be asked"


@pytest.fixture
def wire(directory):
    """What may fail on the way to the directory."""
    proxy = TcpProxy("127.0.0.1", directory.port).start()
    yield proxy
    proxy.stop()


def log_in_at_once(subgate, clients, times):
    """What each client's logins came to, one after the other: a list for each."""
    results = [[] for _ in range(clients)]

    def run(own):
        for _ in range(times):
            own.append(log_in(subgate))

    threads = [threading.Thread(target=run, args=(own,)) for own in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_a_frozen_first_server_holds_up_a_client_once_at_most(upstream, directory, wire, start):
    section = with_first(directory, wire.uri, timeout="6s")
    subgate = start(relay_section(upstream) + section + UNCACHED)
    assert log_in(subgate)[0] == 235
    wire.freeze()
    for own in log_in_at_once(subgate, clients=8, times=12):
        assert {code for code, _ in own} == {235}
        assert sum(seconds >= 6 for _, seconds in own) <= 1, own


def test_connections_that_a_firewall_forgot_refuse_nobody(upstream, directory, wire, start):
    section = directory.section(timeout="6s").replace(directory.uri, wire.uri)
    subgate = start(relay_section(upstream) + section + UNCACHED)
    assert {code for own in log_in_at_once(subgate, clients=4, times=2) for code, _ in own} == {235}
    wire.forget()
    for own in log_in_at_once(subgate, clients=4, times=6):
        assert {code for code, _ in own} == {235}
        assert sum(seconds >= 6 for _, seconds in own) <= 1, own


def test_waiting_for_a_silent_directory_costs_no_cpu(upstream, directory, start):
    section = directory.section(timeout="5s")
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
    subgate.wait_for_log("refuses bind_dn or its password")
    assert directory.BIND_PASSWORD not in subgate.log


@pytest.mark.parametrize("serve, told", [(None, "Connection refused"), (talk_garbage, "does not speak TLS as we do"),
                                         (say_nothing, "no answer in time")],
                         ids=["nobody", "garbage", "silence"])
def test_what_is_wrong_with_a_server_is_in_the_log(upstream, directory, start, serve, told):
    server = BareServer(serve) if serve else None
    port = server.port if serve else free_port()
    section = with_first(directory, f"ldaps://127.0.0.1:{port}", timeout="6s")
    subgate = start(relay_section(upstream) + section + UNCACHED)
    assert log_in(subgate)[0] == 235
    subgate.wait_for_log(told)
    if serve:
        server.stop()


def test_a_base_that_is_not_there_is_in_the_log_and_the_server_is_not_called_away(upstream, directory, start):
    section = directory.section().replace('base = "ou=people', 'base = "ou=nobody')
    subgate = start(relay_section(upstream) + section + UNCACHED)
    assert log_in(subgate)[0] == 454
    subgate.wait_for_log("can't be used: No such object")
    assert "is away" not in subgate.log


@pytest.fixture
def demanding(directory):
    """The directory, once it wants a certificate of its clients."""
    config = directory.folder / "slapd.conf"
    config.write_text(config.read_text().replace("disallow bind_anon", f"""TLSCACertificateFile {directory.authority.ca}
TLSVerifyClient demand
disallow bind_anon"""))
    directory.stop()
    return directory.start()


def test_a_directory_that_wants_a_certificate_is_shown_one(upstream, demanding, start):
    certificate, key = demanding.authority.certificate("gateway.example")
    extra = f'certificate_file = "{certificate}"\n  private_key_file = "{key}"\n'
    subgate = start(relay_section(upstream) + demanding.section(extra=extra) + UNCACHED)
    assert log_in(subgate)[0] == 235
    assert log_in(subgate, "Wrong-Password")[0] == 535
    assert "PRIVATE KEY" not in subgate.log


def test_a_directory_that_wants_a_certificate_and_gets_none_is_454(upstream, demanding, start):
    subgate = start(relay_section(upstream) + demanding.section() + UNCACHED)
    assert log_in(subgate)[0] == 454
    subgate.wait_for_log("is away")
    assert "not trusted" not in subgate.log


class SilentNameServer:
    """Takes questions on 127.0.0.N, port 53, and never answers. `questions`: each as it came, its number first."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.address = f"127.53.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
        self._socket.bind((self.address, 53))
        self.questions = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while question := self._socket.recv(512):
            self.questions.append(question)


@pytest.mark.skipif(not root_is_a_mount_point(), reason="within a chroot the machine's name server can't be covered")
def test_dns_that_is_silent_about_this_machine_is_asked_once(upstream, start, directory, tmp_path):
    """libldap asks for the machine's own name: at each start and reload, before anybody can log in."""
    server = SilentNameServer()
    (tmp_path / "resolv.conf").write_text(f"nameserver {server.address}\n")
    inside = f"hostname unknown-to-all; mount --bind {tmp_path}/resolv.conf /etc/resolv.conf; exec \"$@\""
    subgate = start(relay_section(upstream) + directory.section(),
                    under=["unshare", "--uts", "--mount", "sh", "-c", inside, "-"])
    assert log_in(subgate)[0] == 235
    subgate.ctl("reload")
    assert log_in(subgate)[0] == 235
    assert any(b"unknown-to-all" in question for question in server.questions)
    assert len(set(server.questions)) == len(server.questions)
