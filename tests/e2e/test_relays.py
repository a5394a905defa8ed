"""subgatectl relay list, pause, resume and test: what an administrator sees of the relays and does about them."""

import base64
import json
import os
import signal

import pytest

from harness.certificates import Authority
from harness.client import hear, login, message
from harness.process import wait_until
from harness.raw_upstream import AUTH, DOT, MAIL, RCPT, RawUpstream
from harness.subgate import relay_section
from harness.upstream import Upstream

USER = "alice@example.com"
SECRETS = (Upstream.PASSWORD, base64.b64encode(Upstream.PASSWORD.encode()).decode(),
           base64.b64encode(f"\0{Upstream.USER}\0{Upstream.PASSWORD}".encode()).decode())


def begun(subgate):
    """The relay commands that were recorded before they were done."""
    return [f"{r['command']} {r['object']}" for r in subgate.audit("admin.command")
            if r["result"] == "begins" and r["command"].startswith("relay ")]


def send(subgate, password, number=0):
    with login(subgate, USER, password) as client:
        return hear(client, USER, "bob@example.net", message(USER, number=number))


def relay(subgate, name="upstream"):
    return next(r for r in subgate.ctl_json("relay", "list")["relays"] if r["name"] == name)


def try_relay(subgate, *arguments, name="upstream"):
    done = subgate.ctl("relay", "test", name, *arguments, check=False)
    for secret in SECRETS:
        assert secret not in done.stdout + done.stderr + subgate.log
    return done


@pytest.fixture
def raw():
    upstream = RawUpstream().start()
    yield upstream
    upstream.stop()


# ---- relay test

def test_a_test_shows_the_dialog_without_secrets(subgate, upstream):
    done = try_relay(subgate)
    assert done.returncode == 0, done
    lines = done.stdout.splitlines()
    assert lines[0] == f"* connecting to 127.0.0.1, port {upstream.port}"
    assert any(line.startswith("* TLSv1.") and line.endswith("certificate verified for upstream.example")
               for line in lines)
    assert any(line.startswith("S: 220 ") for line in lines) and "C: EHLO mail.example.com" in lines
    assert "C: AUTH PLAIN ***" in lines and lines[-1] == "the relay works"
    assert len(upstream.logins) == 1 and upstream.messages == []
    assert begun(subgate) == ["relay test upstream"]


def test_a_test_mail_arrives_once_and_is_recorded(subgate, upstream):
    done = try_relay(subgate, "--to", "admin@example.net")
    assert done.returncode == 0, done
    assert "S: 250 2.0.0 Accepted as 1" in done.stdout
    [mail] = upstream.messages
    assert mail.rcpt_to == ["admin@example.net"] and mail.mail_from == Upstream.USER
    assert b"Subject: Subgate test of relay upstream\r\n" in mail.content
    subgate.wait_for_audit("message.sent")
    records = subgate.audit("message.leaving", "message.sent")
    assert [r["type"] for r in records] == ["message.leaving", "message.sent"]
    assert {r["user"] for r in records} == {"subgatectl"} and records[0]["message"] == records[1]["message"]
    # The connection is of use to others.
    assert send(subgate, subgate.create_app_password(USER))[0] == 250
    assert len(upstream.logins) == 1


def test_a_sender_of_ones_own(subgate, upstream):
    assert try_relay(subgate, "--to", "admin@example.net", "--from", "ops@example.com").returncode == 0
    assert upstream.messages[0].mail_from == "ops@example.com"


def test_json_has_the_dialog_too(subgate):
    answer = json.loads(try_relay(subgate, "--json").stdout)
    assert answer["ok"] is True and "C: AUTH PLAIN ***" in answer["dialog"]


def test_a_relay_that_is_not_there(subgate, upstream):
    upstream.stop()
    done = try_relay(subgate)
    assert done.returncode == 1 and "refused" in done.stderr, done
    assert try_relay(subgate, name="nobody").stderr == (
        "subgatectl: there is no such relay; subgatectl relay list names them\n")


def test_a_certificate_of_somebody_else(start, upstream, tmp_path):
    other = Authority(tmp_path / "other")
    subgate = start(relay_section(upstream).replace(str(upstream.authority.ca), str(other.ca)))
    done = try_relay(subgate)
    assert done.returncode == 1 and "certificate" in done.stderr, done
    assert upstream.logins == []


@pytest.mark.parametrize("quote", [False, True])
def test_a_refused_login_and_its_mending(start, raw, quote):
    subgate = start(raw.section())
    password = subgate.create_app_password(USER)
    reply = f"535 5.7.8 No such {Upstream.PASSWORD} or {SECRETS[2]}" if quote else "535 5.7.8 Wrong"
    raw.script[AUTH] = [reply] * 2
    assert send(subgate, password) == (451, "4.3.5 The relay does not accept our login; try again later")
    assert relay(subgate)["state"] == "resting" and relay(subgate)["rest"] == "login"
    done = try_relay(subgate)
    assert done.returncode == 1 and "login refused: 535 5.7.8" in done.stderr, done
    # The administrator mends it: their test ends the back-off.
    assert try_relay(subgate).returncode == 0
    assert relay(subgate)["state"] == "ready"
    assert send(subgate, password)[0] == 250


@pytest.mark.parametrize("stage, reply, types", [
    (MAIL, "550 5.7.1 Not you", []), (RCPT, "550 5.1.1 Nobody", []),
    (DOT, "554 5.7.1 Spam", ["message.leaving", "message.failed"]),
    (DOT, lambda c: c.close(), ["message.leaving", "message.unknown"])])
def test_a_test_mail_that_is_refused(start, raw, stage, reply, types):
    subgate = start(raw.section())
    raw.script[stage] = [reply]
    done = try_relay(subgate, "--to", "admin@example.net")
    assert done.returncode == 1, done
    if isinstance(reply, str):
        assert f"S: {reply}" in done.stdout
    awaited = ("message.leaving", "message.failed", "message.unknown")
    wait_until(lambda: [r["type"] for r in subgate.audit(*awaited)] == types, "the records")


def test_a_test_takes_no_connection_too_many(start, raw):
    subgate = start(raw.section(extra="connections = 1"))
    password = subgate.create_app_password(USER)
    assert send(subgate, password)[0] == 250
    assert try_relay(subgate).returncode == 0  # the idle one makes room
    with login(subgate, USER, password) as client:
        client.mail(USER)
        client.rcpt("bob@example.net")
        done = try_relay(subgate)
        assert done.returncode == 1 and "all connections of this account are in use" in done.stderr


def test_an_address_that_can_not_be_reached_is_tried_last_from_then_on(start, upstream):
    """Where localhost has an IPv6 address too, nobody listens there."""
    subgate = start(relay_section(upstream).replace('host = "127.0.0.1"', 'host = "localhost"'))
    for _ in range(2):
        done = try_relay(subgate)
        assert done.returncode == 0, done
    tried = [line for line in done.stdout.splitlines() if line.startswith("* connecting")]
    assert tried == [f"* connecting to 127.0.0.1, port {upstream.port}"]


def test_what_a_relay_says_can_not_steer_a_terminal(start, raw):
    subgate = start(raw.section())
    raw.script[MAIL] = ["550 5.7.1 \x1b[2J\x9b no"]
    done = try_relay(subgate, "--to", "admin@example.net")
    assert done.returncode == 1 and "\x1b" not in done.stdout + done.stderr


# ---- relay pause and resume

def test_a_paused_relay_gets_nothing_until_it_is_resumed(start, raw):
    second = RawUpstream().start()
    subgate = start(raw.section("first") + second.section("second") +
                    'route default { relays = {"first", "second"} }\n')
    password = subgate.create_app_password(USER)
    subgate.ctl("relay", "pause", "first")
    assert relay(subgate, "first")["state"] == "paused" and relay(subgate, "second")["state"] == "ready"
    assert send(subgate, password, 1)[0] == 250
    subgate.ctl("relay", "pause", "second")
    assert send(subgate, password, 2) == (451, "4.3.2 The relay takes no more mail from us for now; try again later")
    # Through a reload, the death of the relay, and a restart.
    subgate.ctl("reload")
    assert send(subgate, password, 3)[0] == 451
    wait_until(lambda: len(subgate.pids("relay")) == 1, "the old relay's end")
    [pid] = subgate.pids("relay")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: subgate.pids("relay") not in ([], [pid]), "a new relay")
    wait_until(lambda: subgate.ctl("relay", "list", check=False).returncode == 0, "the new relay to answer")
    assert send(subgate, password, 4)[0] == 451
    subgate.stop()
    subgate.start()
    assert send(subgate, password, 5)[0] == 451
    assert (len(raw.messages), len(second.messages)) == (0, 1)
    subgate.ctl("relay", "resume", "first")
    assert send(subgate, password, 6)[0] == 250 and len(raw.messages) == 1
    assert begun(subgate) == ["relay pause first", "relay pause second", "relay resume first"]
    second.stop()


def test_a_message_under_way_goes_to_its_end(start, raw):
    subgate = start(raw.section())
    with login(subgate, USER, subgate.create_app_password(USER)) as client:
        client.mail(USER)
        client.rcpt("bob@example.net")
        subgate.ctl("relay", "pause", "upstream")
        assert client.data(message(USER))[0] == 250


# ---- what outlives a relay

def test_an_account_that_has_sent_enough_rests_through_reload_and_restart(start, raw):
    subgate = start(raw.section())
    password = subgate.create_app_password(USER)
    raw.script[MAIL] = ["550 5.4.5 Daily user sending limit exceeded"]
    assert send(subgate, password)[0] == 451
    subgate.wait_for_log("no new message for 300 s, or until subgatectl relay resume upstream")
    for again in (lambda: subgate.ctl("reload"), lambda: (subgate.stop(), subgate.start())):
        again()
        found = relay(subgate)
        assert (found["state"], found["rest"]) == ("resting", "account")
        assert "Daily user sending limit exceeded" in found["reason"]
        assert send(subgate, password)[0] == 451
    assert sum(command.startswith("MAIL") for command in raw.commands) == 1
    text = subgate.ctl("relay", "list").stdout
    assert "resting" in text and "Daily user sending limit exceeded" in text
    subgate.ctl("relay", "resume", "upstream")
    assert relay(subgate)["state"] == "ready" and send(subgate, password)[0] == 250
