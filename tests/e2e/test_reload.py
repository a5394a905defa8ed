"""Reload and shutdown: sessions finish, nothing is lost, new settings hold."""

import concurrent.futures
import os
import re
import signal
import smtplib
import subprocess
import time
import urllib.request

import pytest

from e2e.test_roles_die import Load, check_audit
from harness.client import connect, hear, login, message
from harness.process import PATIENCE, is_listening, wait_until
from harness.subgate import BUILD, relay_section

USER = "alice@example.com"
UNLIMITED = "quota default { messages_per_day = 0  messages_per_minute = 0  recipients_per_day = 0 }\n"


def test_reload_under_load_loses_nothing(upstream, start):
    upstream.delay = 0.005
    sections = relay_section(upstream) + UNLIMITED
    subgate = start(sections)
    password = subgate.create_app_password(USER)
    with Load(subgate, password) as load:
        for _ in range(3):
            before, gates = len(load.acknowledged), subgate.pids("gate")
            wait_until(lambda: len(load.acknowledged) > before + 20, "the load to flow", 30)
            subgate.ctl("reload")
            wait_until(lambda: not set(gates) & set(subgate.pids("gate")), "the old gates to end", 30)
    numbers = [m.content for m in upstream.messages]
    assert len(set(numbers)) == len(numbers) >= len(load.acknowledged)
    check_audit(subgate, [int(re.search(rb"<(\d+)\.test@", c).group(1)) for c in numbers])
    wait_until(lambda: len(subgate.pids("relay")) == 1 and len(subgate.pids("auth")) == 1, "the old roles to end", 30)


def test_a_session_goes_on_across_a_reload_and_new_settings_hold_for_new_ones(upstream, start):
    subgate = start(relay_section(upstream))
    password = subgate.create_app_password(USER)
    with login(subgate, USER, password) as old:
        old.mail(USER)
        assert old.rcpt("bob@example.net")[0] == 250
        subgate.write_config(relay_section(upstream) + 'limits { message_size = "1M" }\n')
        subgate.signal(signal.SIGHUP)

        def announces():
            try:
                with connect(subgate) as client:
                    client.ehlo()
                    return client.esmtp_features.get("size") == "1048576"
            except smtplib.SMTPException:  # it met an old gate at its end
                return False

        wait_until(announces, "the new size limit")
        code, text = old.data(message(USER))
        assert code == 250, text
        # Between transactions the draining gate says good-bye.
        with pytest.raises(smtplib.SMTPException):
            for _ in range(1000):
                code, _ = old.noop()
                assert code in (250, 421)
                if code == 421:
                    raise smtplib.SMTPServerDisconnected
                time.sleep(0.05)
    assert len(upstream.messages) == 1


def test_new_passwords_work_while_the_old_generation_drains(upstream, start):
    subgate = start(relay_section(upstream))
    with login(subgate, USER, subgate.create_app_password(USER)) as old:
        old.mail(USER)
        subgate.ctl("reload")
        with login(subgate, USER, subgate.create_app_password(USER, "second")) as new:
            new.sendmail(USER, ["bob@example.net"], message(USER))


def test_a_draining_relay_without_credentials_rests_no_relay_of_the_new_generation(upstream, start):
    """
    Its auth role is gone, so it can't log in upstream: that is no fault of the upstream's, and the new one goes on.
    """
    subgate = start(relay_section(upstream))
    password = subgate.create_app_password(USER)
    with login(subgate, USER, password) as old:
        assert old.mail(USER)[0] == 250
        former = subgate.pids("auth")
        subgate.ctl("reload")
        for pid in former:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not set(former) & set(subgate.pids("auth")), "its end")
        code, text = old.rcpt("bob@example.net")
        assert (code, b"4.4.1" in text) == (451, True), text
        wait_until(lambda: "no credentials: auth role not running" in subgate.log, "its log line")
        with login(subgate, USER, password) as new:
            assert hear(new, USER, "bob@example.net", message(USER)) == (250, "")
    assert len(upstream.messages) == 1


def test_whoever_has_the_answer_to_a_reload_meets_new_processes_alone(upstream, start):
    subgate = start(relay_section(upstream))
    for number in range(10):
        size = (number + 1) << 20
        subgate.write_config(relay_section(upstream) + f'limits {{ message_size = "{size}" }}\n')
        subgate.ctl("reload")
        subgate.create_app_password(USER, f"number {number}")
        with connect(subgate) as client:
            client.ehlo()
            assert client.esmtp_features["size"] == str(size)


def test_the_answer_to_a_reload_waits_for_a_former_gate_that_takes_clients_still(upstream, start):
    subgate = start(relay_section(upstream))
    slow = subgate.pids("gate")[0]
    os.kill(slow, signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        try:
            reload = pool.submit(subgate.ctl, "reload")
            wait_until(lambda: "reload: done" in subgate.log, "the new processes")
            with pytest.raises(concurrent.futures.TimeoutError):
                reload.result(0.5)
        finally:
            os.kill(slow, signal.SIGCONT)
        assert reload.result(PATIENCE).returncode == 0


def test_metrics_are_served_across_reloads(upstream, start):
    subgate = start(relay_section(upstream))
    for _ in range(3):
        subgate.ctl("reload")
        with urllib.request.urlopen(f"http://127.0.0.1:{subgate.http}/metrics", timeout=PATIENCE) as answer:
            assert b"subgate_redis_up 1" in answer.read()


def test_sigterm_finishes_what_was_begun(upstream, start):
    upstream.delay = 0.3
    subgate = start(relay_section(upstream))
    password = subgate.create_app_password(USER)
    client = login(subgate, USER, password)
    idle = login(subgate, USER, password)
    client.mail(USER)
    client.rcpt("bob@example.net")
    client.putcmd("DATA")
    assert client.getreply()[0] == 354
    subgate.signal(signal.SIGTERM)
    wait_until(lambda: not is_listening(subgate.implicit), "new connections to be refused")
    assert idle.getreply()[0] == 421
    client.send(message(USER) + b".\r\n")
    assert client.getreply()[0] == 250
    assert subgate.stop() == 0
    assert len(upstream.messages) == 1


def test_a_second_subgate_on_the_same_state_is_refused(subgate):
    done = subprocess.run([BUILD / "subgate", "-c", subgate.config], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and str(subgate.state) in done.stderr
