"""
A role that runs out of descriptors: nothing crashes or spins, what is under way ends well, what is new waits or is
told.
"""

import contextlib
import os
import pathlib
import resource
import signal
import smtplib
import socket
import time

from harness.client import Line, connect, login, message
from harness.measure import cpu_ms
from harness.process import wait_until
from harness.subgate import relay_section

USER = "alice@example.com"


def open_files(pid):
    return sorted(int(entry.name) for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir())


class FewFiles:
    """The process may open no more descriptors than it has, within `with`."""

    def __init__(self, pids):
        self._pids = pids

    def __enter__(self):
        self._former = [resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in self._pids]
        for pid, (_, hard) in zip(self._pids, self._former):
            taken = open_files(pid)
            limit = next(fd for fd in range(taken[-1] + 2) if fd not in taken)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, hard))

    def __exit__(self, *_):
        for pid, former in zip(self._pids, self._former):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, former)


def use_of_cpu(pids, seconds=1.5):
    before, began = cpu_ms(pids), time.monotonic()
    time.sleep(seconds)
    return (cpu_ms(pids) - before) / (time.monotonic() - began) / 10


def send(client, number):
    client.sendmail(USER, ["bob@example.net"], message(USER, number=number))


def test_gates_without_descriptors_serve_who_is_there_and_let_the_others_wait(subgate, upstream):
    password = subgate.create_app_password(USER)
    gates = subgate.pids("gate")
    with login(subgate, USER, password) as client:
        send(client, 1)
        with FewFiles(gates):
            waiting = [Line(subgate, "starttls") for _ in range(6)]
            assert use_of_cpu(gates) < 20, "the gates spin"
            send(client, 2)
        for line in waiting:  # the kernel kept them
            assert line.read_reply()[0].startswith("220")
            line.close()
        send(client, 3)
    assert subgate.pids("gate") == gates
    assert len(upstream.wait_for(3)) == 3


def test_a_relay_without_descriptors_refuses_for_now_and_goes_on_by_itself(subgate, upstream):
    password = subgate.create_app_password(USER)
    relay = subgate.pids("relay")
    with login(subgate, USER, password) as client:
        with FewFiles(relay):
            try:
                send(client, 1)
            except smtplib.SMTPException as error:
                assert "451" in str(error) or "452" in str(error), error
            else:
                raise AssertionError("the message was accepted without a connection to the relay")
            assert use_of_cpu(relay) < 20, "the relay spins"

        def is_taken():
            client.rset()
            try:
                send(client, 2)
            except smtplib.SMTPException:
                return False
            return True

        wait_until(is_taken, lambda: f"mail to flow again:\n{subgate.log}")
    assert subgate.pids("relay") == relay
    wait_until(lambda: subgate.audit("message.sent", "message.failed"), "the outcome")
    leaving, outcomes = subgate.audit("message.leaving"), subgate.audit("message.sent", "message.failed")
    assert len(leaving) == len(outcomes) == 1


def test_a_large_message_without_a_descriptor_for_its_file_is_452_and_the_next_one_goes(subgate, upstream):
    password = subgate.create_app_password(USER)
    relay = subgate.pids("relay")
    large = message(USER, body="x" * 70 + "\r\n") + (b"y" * 76 + b"\r\n") * 100000
    with login(subgate, USER, password) as client:
        send(client, 1)  # its connection stays
        with FewFiles(relay):
            client.mail(USER)
            client.rcpt("bob@example.net")
            try:
                code = client.data(large)[0]
            except smtplib.SMTPDataError as error:
                code = error.smtp_code
            assert code in (250, 451, 452), code
        client.rset()
        send(client, 2)
    assert subgate.pids("relay") == relay


def test_an_auth_role_without_descriptors_still_knows_app_passwords(whole, upstream):
    password = whole.create_app_password(USER)
    auth = whole.pids("auth")
    login(whole, USER, password).quit()  # the directory has said that they may, and its word stands
    with FewFiles(auth):
        with login(whole, USER, password) as client:
            send(client, 1)
        with connect(whole) as other:
            try:
                other.login(USER, "Alice-Password-1")
            except smtplib.SMTPAuthenticationError as error:
                assert error.smtp_code == 454, error
    wait_until(lambda: can_log_in(whole), lambda: f"the directory to be asked again:\n{whole.log}")
    assert whole.pids("auth") == auth


def test_gates_that_may_open_few_files_keep_some_for_doors_and_running_sessions(upstream, start):
    """
    The hard limit is far below limits.connections (the supervisor alone needs some 60): a crowd fills the gates, and
    they outlive each restart of a neighbour.
    """
    subgate = start(relay_section(upstream), files=96)
    password = subgate.create_app_password(USER)
    gates = subgate.pids("gate")
    assert "warning: limits.connections" in subgate.check().stderr + subgate.log
    wait_until(lambda: subgate.log.count("this gate takes 48 clients at most") == 2, "both gates to say so")
    with contextlib.ExitStack() as crowd:
        clients = [crowd.enter_context(socket.create_connection(("127.0.0.1", subgate.starttls), timeout=30))
                   for _ in range(140)]
        greetings = [client.recv(100)[:9] for client in clients]
        assert set(greetings) == {b"220 mail.", b"421 4.3.2"}
        assert max(len(open_files(pid)) for pid in gates) < 66
        for role in ("relay", "auth", "relay"):
            former = subgate.pids(role)
            os.kill(former[0], signal.SIGKILL)
            wait_until(lambda: subgate.pids(role) not in ([], former), f"a new {role}")
            wait_until(lambda: subgate.ctl("status", check=False).returncode == 0, "the node to be whole")
        staying = clients[greetings.index(b"220 mail.")]
        staying.sendall(b"NOOP\r\n")
        assert staying.recv(100).startswith(b"250 ")
    wait_until(lambda: can_send(subgate, password), lambda: f"mail to flow:\n{subgate.log}")
    assert subgate.pids("gate") == gates


def can_send(subgate, password):
    try:
        with login(subgate, USER, password) as client:
            send(client, 1)
    except (smtplib.SMTPException, OSError):
        return False
    return True


def can_log_in(subgate):
    with connect(subgate) as client:
        try:
            client.login(USER, "Alice-Password-1")
        except smtplib.SMTPException:
            return False
        return True
