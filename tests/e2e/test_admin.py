"""What administrators see and do: subgatectl, metrics, health."""

import base64
import contextlib
import datetime
import itertools
import json
import os
import re
import signal
import smtplib
import socket
import subprocess
import time
import urllib.error
import urllib.request
import zoneinfo

import pytest

from harness.client import at_once, connect, login, message
from harness.process import wait_until
from harness.subgate import BUILD, NOON, relay_section

USER = "alice@example.com"


def fetch(subgate, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{subgate.http}{path}", timeout=30) as answer:
        return answer.status, answer.read().decode()


def send(subgate, password):
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER))


def test_status_shows_every_process(subgate):
    status = subgate.ctl_json("status")
    roles = sorted(p["role"] for p in status["processes"])
    assert roles == ["admin", "auth", "gate", "gate", "redis", "relay", "supervisor"]
    assert {p["pid"] for p in status["processes"] if p["role"] == "gate"} == set(subgate.pids("gate"))
    text = subgate.ctl("status").stdout
    assert "relay" in text and "mail.example.com" in text


def test_status_tells_of_what_it_needs_and_of_the_last_minutes_mail(subgate, upstream):
    def services():
        return {row["service"]: row for row in subgate.ctl_json("status")["services"]}
    wait_until(lambda: {row["state"] for row in services().values()} == {"up"}, lambda: str(services()))
    assert services().keys() == {"redis", "audit_disk"} and services()["audit_disk"]["free_bytes"] > 0
    password = subgate.create_app_password(USER)
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER))
        wait_until(lambda: subgate.ctl_json("status")["traffic"]["ok"] == 1, "the message to count")
        traffic = subgate.ctl_json("status")["traffic"]
        assert traffic["seconds"] <= 60 and traffic["failed"] == traffic["unknown"] == 0
        wait_until(lambda: subgate.ctl_json("status")["traffic"]["sessions_authenticated"] == 1, "the session to count")
    redis = next(row["pid"] for row in subgate.ctl_json("status")["processes"] if row["role"] == "redis")
    os.kill(redis, signal.SIGSTOP)
    try:
        wait_until(lambda: services()["redis"]["state"] == "down", lambda: str(services()))
    finally:
        with contextlib.suppress(ProcessLookupError):  # it was replaced, as it hung
            os.kill(redis, signal.SIGCONT)
    text = subgate.ctl("status").stdout
    assert "audit_disk" in text and "handed over" in text and "logged in" in text


def test_an_app_password_lives_from_create_to_revoke(subgate, upstream):
    made = subgate.ctl_json("app-password", "create", USER, "--label", "printer on floor 2")
    listed = subgate.ctl_json("app-password", "list", USER)["app_passwords"]
    assert [(p["id"], p["label"]) for p in listed] == [(made["id"], "printer on floor 2")]
    assert made["password"] not in json.dumps(listed)
    # Typed as people type: lower case, with spaces.
    send(subgate, made["password"].lower().replace("-", " "))
    sent = subgate.wait_for_audit("message.sent")[0]
    assert sent["app_password_id"] == made["id"] and sent["auth_method"] == "app_password"
    assert sent["user_id"] == f"name:{sent['user']}"
    subgate.ctl("app-password", "revoke", USER, made["id"])
    assert subgate.ctl_json("app-password", "list", USER)["app_passwords"] == []
    with connect(subgate) as client, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        client.login(USER, made["password"])
    assert refused.value.smtp_code == 535
    again = subgate.ctl("app-password", "revoke", USER, made["id"], check=False)
    assert again.returncode == 1 and "no such app password" in again.stderr


def test_an_app_password_outlives_a_restart(subgate):
    password = subgate.create_app_password(USER)
    subgate.stop()
    subgate.start()
    with login(subgate, USER, password):
        pass


def test_an_app_password_is_bound_to_its_network(subgate):
    elsewhere = subgate.create_app_password(USER, "elsewhere", "--from", "192.0.2.0/24")
    here = subgate.create_app_password(USER, "here", "--from", "127.0.0.0/8")
    with login(subgate, USER, here):
        pass
    with connect(subgate) as client, pytest.raises(smtplib.SMTPAuthenticationError):
        client.login(USER, elsewhere)


def test_throttle_clear_and_usage_errors(subgate):
    assert subgate.ctl("throttle", "clear").returncode == 0
    assert subgate.ctl("no-such-command", check=False).returncode == 2
    assert subgate.ctl("app-password", "create", check=False).returncode == 2
    nobody = subprocess.run([BUILD / "subgatectl", "-s", "/nowhere/admin.sock", "status"],
                            capture_output=True, text=True)
    assert nobody.returncode == 3 and "/nowhere/admin.sock" in nobody.stderr


def guess(subgate, password):
    """The code of one AUTH command."""
    with connect(subgate) as client:
        client.ehlo()
        plain = base64.b64encode(f"\0{USER}\0{password}".encode()).decode()
        return client.docmd("AUTH", f"PLAIN {plain}")[0]


def test_wrong_guesses_slow_an_address_but_lock_no_device_out(upstream, start):
    subgate = start(relay_section(upstream) + "auth { failures_per_address = 3 }\n")
    password = subgate.create_app_password(USER)
    assert [guess(subgate, f"wrong {n}") for n in (1, 1, 2, 3)] == [535, 535, 535, 535]
    # What came to one gate weighs half at the other: a few more, whichever gate they come to.
    more = itertools.count(4)

    def hear_four():
        return at_once(lambda n=n: guess(subgate, f"wrong {n}") for n in itertools.islice(more, 4))

    wait_until(lambda: hear_four() == [454] * 4, "454 at both gates", 60)
    # A right app password can't be a guess.
    assert guess(subgate, password) == 235
    assert "127.0.0.1" in subgate.ctl("throttle", "list").stdout
    subgate.ctl("throttle", "clear", "127.0.0.1")
    assert guess(subgate, "wrong again") == 535


def test_metrics_and_health(subgate, upstream):
    assert fetch(subgate, "/healthz")[0] == 200
    assert fetch(subgate, "/readyz")[0] == 200
    send(subgate, subgate.create_app_password(USER))
    _, text = fetch(subgate, "/metrics")
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines['subgate_messages_total{relay="upstream",result="ok"}'] == "1"
    assert lines['subgate_auth_total{method="app_password",result="ok"}'] == "1"
    assert lines["subgate_redis_up"] == "1"
    assert lines['subgate_relay_logins_total{relay="upstream",result="ok"}'] == "1"
    assert lines['subgate_connections_total{listener="submissions"}'] != "0"
    for role in ("supervisor", "gate", "auth", "relay", "admin"):
        assert int(lines[f'subgate_loop_turn_seconds_count{{role="{role}"}}']) > 0
        assert 0 < float(lines[f'subgate_loop_turn_longest_seconds{{role="{role}"}}']) < 10
    with pytest.raises(urllib.error.HTTPError) as refused:
        fetch(subgate, "/secrets")
    assert refused.value.code == 404


def test_lines_that_the_log_could_not_take_are_counted(start, upstream):
    subgate = start(relay_section(upstream) + 'log { target = "/dev/full" }\n')

    def lost():
        return int(re.search(r"subgate_log_dropped_total (\d+)", fetch(subgate, "/metrics")[1])[1])

    before = wait_until(lost, "the lines of the start")
    guess(subgate, "wrong")
    subgate.ctl("reload")
    wait_until(lambda: lost() > before, "more lines lost")


def test_quota_show_and_reset(subgate, upstream):
    password = subgate.create_app_password(USER)
    send(subgate, password)
    send(subgate, password)
    shown = subgate.ctl_json("quota", "show", USER)
    assert (shown["used"], shown["limit"], shown["recipients_used"]) == (2, 500, 2)
    resets_at = datetime.datetime.fromisoformat(shown["resets_at"]).astimezone(zoneinfo.ZoneInfo(NOON))
    assert resets_at.time() == datetime.time()  # midnight there
    assert "2 of 500" in subgate.ctl("quota", "show", USER).stdout
    subgate.ctl("quota", "reset", USER)
    assert subgate.ctl_json("quota", "show", USER)["used"] == 0
    assert any(r["command"] == "quota reset" for r in subgate.audit("admin.command"))


def test_faults_of_the_configuration_name_file_and_line(subgate):
    subgate.write_config("nonsense = 1\n")
    done = subgate.check()
    assert done.returncode == 1
    line = subgate.config.read_text().splitlines().index("nonsense = 1") + 1
    assert f"subgate.conf:{line}: " in done.stdout + done.stderr
    refused = subgate.ctl("reload", check=False)
    assert refused.returncode == 1 and f"subgate.conf:{line}: " in refused.stderr
    assert len(subgate.pids("gate")) == 2


def test_relay_list(subgate, upstream):
    send(subgate, subgate.create_app_password(USER))
    relay, = subgate.ctl_json("relay", "list")["relays"]
    assert (relay["name"], relay["logins"], relay["messages"]) == ("upstream", 1, 1)
    assert (relay["state"], relay["connections"]) == ("ready", "1 of 10")
    wait_until(lambda: subgate.ctl_json("relay", "list")["relays"][0]["busy"] == 0, "the connection to be idle")


@contextlib.contextmanager
def silent_connections(make, count):
    """
    So many connections that say nothing, or drip a byte now and then; those that are closed on us are not renewed.
    """
    held = []
    try:
        for number in range(count):
            held.append(make())
            if number % 3 == 0:
                with contextlib.suppress(OSError):
                    held[-1].send(b"G")
        yield held
    finally:
        for connection in held:
            connection.close()


def connect_to_control(subgate):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(subgate.run / "admin.sock"))
    return connection


def test_silent_connections_do_not_use_up_the_control_socket(subgate):
    with silent_connections(lambda: connect_to_control(subgate), 300):
        for _ in range(5):
            assert subgate.ctl_json("status")["ok"]


def test_silent_connections_do_not_use_up_the_metrics_port(subgate):
    def connect_to_metrics():
        return socket.create_connection(("127.0.0.1", subgate.http), timeout=30)

    with silent_connections(connect_to_metrics, 300):
        for path in ("/metrics", "/readyz", "/healthz", "/metrics"):
            assert fetch(subgate, path)[0] == 200


def test_more_than_sixteen_may_ask_at_once(subgate):
    with silent_connections(lambda: connect_to_control(subgate), 30) as held:
        for connection in held:
            connection.sendall(b'\n{"command":"status"}\n')  # what was dripped is a line of its own
        for connection in held:
            connection.settimeout(30)
            answer = b""
            while b'"processes"' not in answer:
                piece = connection.recv(65536)
                assert piece, answer
                answer += piece


@pytest.mark.seconds(10)
def test_a_request_that_trickles_in_has_a_deadline(subgate):
    with connect_to_control(subgate) as connection:
        connection.settimeout(0.5)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                connection.send(b" ")
                if connection.recv(1) == b"":
                    return
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                return
    raise AssertionError("half a line was waited for too long")
