"""Promise 4: never over quota, and what failed for certain is given back."""

import concurrent.futures
import smtplib
import urllib.request

import pytest

from harness.client import login, message
from harness.process import wait_until
from harness.redis_server import RedisServer
from harness.stepped_clock import SteppedClock
from harness.subgate import NOON, relay_section

USER = "alice@example.com"


def send_one(subgate, password, number):
    try:
        with login(subgate, USER, password) as client:
            client.sendmail(USER, ["bob@example.net"], message(USER, number=number))
            return 250
    except smtplib.SMTPRecipientsRefused as refused:
        return next(iter(refused.recipients.values()))[0]
    except smtplib.SMTPResponseException as refused:
        return refused.smtp_code


def test_forty_sessions_against_a_limit_of_twenty_give_exactly_twenty(upstream, redis, start):
    limits = ("quota default { messages_per_day = 20  messages_per_minute = 0 }\n"
              "limits { transactions_per_user = 100 }\n")
    subgate = start(relay_section(upstream) + redis.section() + limits)
    password = subgate.create_app_password(USER)
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        codes = list(pool.map(lambda n: send_one(subgate, password, n), range(40)))
    assert sorted(codes) == [250] * 20 + [550] * 20
    assert len(upstream.messages) == 20
    assert subgate.ctl_json("quota", "show", USER)["used"] == 20


def test_two_nodes_count_as_one(upstream, redis, start):
    limits = ("quota default { messages_per_day = 20  messages_per_minute = 0 }\n"
              "limits { transactions_per_user = 100 }\n")
    nodes = [start(relay_section(upstream) + redis.section() + limits, name=f"node{n}") for n in (1, 2)]
    passwords = [node.create_app_password(USER) for node in nodes]
    with concurrent.futures.ThreadPoolExecutor(40) as pool:
        codes = list(pool.map(lambda n: send_one(nodes[n % 2], passwords[n % 2], n), range(40)))
    assert sorted(codes) == [250] * 20 + [550] * 20
    assert len(upstream.messages) == 20


def test_a_refused_message_is_given_back(subgate, upstream):
    password = subgate.create_app_password(USER)
    upstream.script["."] = ["554 5.6.0 No", "452 4.3.1 Not now"]
    assert send_one(subgate, password, 1) == 554
    assert 400 <= send_one(subgate, password, 2) < 500
    assert send_one(subgate, password, 3) == 250
    wait_until(lambda: subgate.ctl_json("quota", "show", USER)["used"] == 1, "the refunds")


def test_an_unknown_outcome_stays_counted(subgate, upstream):
    password = subgate.create_app_password(USER)
    upstream.script["."] = ["close"]
    assert send_one(subgate, password, 1) == 451
    subgate.wait_for_audit("message.unknown")
    assert subgate.ctl_json("quota", "show", USER)["used"] == 1
    assert upstream.messages == []


def test_a_burst_is_451(upstream, start):
    subgate = start(relay_section(upstream) + "quota default { messages_per_minute = 3 }\n")
    password = subgate.create_app_password(USER)
    # A minute may end in between: of eight at once, three of each of two minutes may pass.
    codes = [send_one(subgate, password, n) for n in range(8)]
    assert set(codes) == {250, 451} and 3 <= codes.count(250) <= 6


# ---- history

def messages_of(node, *arguments):
    return [day["messages"] for day in node.ctl_json("quota", "history", *arguments)["days"]]


@pytest.mark.seconds(20)
def test_what_was_sent_is_known_day_by_day_at_every_node(tmp_path, authority, upstream, start):
    clocks = [SteppedClock(tmp_path / f"clock-{name}") for name in ("redis", "1", "2")]
    redis = RedisServer(tmp_path / "redis", under=clocks[0].command()).start()
    try:
        nodes = [start(relay_section(upstream) + redis.section() + f'quota_day {{ timezone = "{NOON}" }}\n',
                       name=f"node{n}", under=clocks[n].command()) for n in (1, 2)]
        passwords = [node.create_app_password(USER) for node in nodes]
        assert [send_one(nodes[n % 2], passwords[n % 2], n) for n in range(3)] == [250] * 3
        assert messages_of(nodes[0], USER) == [0] * 13 + [3]
        for clock in clocks:
            clock.step_to(2 * 86400)
        for node in nodes:
            assert messages_of(node, USER) == [0] * 11 + [3, 0, 0]
        upstream.script["."] = ["554 5.6.0 No"]
        assert [send_one(nodes[1], passwords[1], n) for n in (3, 4)] == [554, 250]
        wait_until(lambda: messages_of(nodes[0], USER) == [0] * 11 + [3, 0, 1], "the refund")
        other = "bob@example.com"
        with login(nodes[0], other, nodes[0].create_app_password(other)) as client:
            client.sendmail(other, ["carl@example.net", "dora@example.net"], message(other))
        assert nodes[1].ctl_json("quota", "reset", USER)["counted_before"] == 1
        for node in nodes:
            assert messages_of(node, USER, "--days", "3") == [3, 0, 1]
            rows = node.ctl_json("quota", "history", "--days", "31")["users"]
            assert [(row["user"], row["messages"], row["recipients"]) for row in rows] == [(USER, 4, 4), (other, 1, 2)]
        assert [row["user"] for row in nodes[0].ctl_json("quota", "history", "--days", "1")["users"]] == [USER, other]
        assert "from 1 to 31" in nodes[0].ctl("quota", "history", "--days", "32", check=False).stderr
        top = nodes[1].ctl_json("quota", "top")
        assert (top["whole"], top["looked_at"], top["senders"], top["sent"]) == (True, 2, 1, 1)
        assert [(row["user"], row["used"], row["limit"], row["left"]) for row in top["today"]] == [(other, 1, 500, 499)]
        assert [(row["user"], row["messages"]) for row in top["month"]] == [(USER, 4), (other, 1)]
        shown = nodes[1].ctl("quota", "top", "--limit", "1").stdout
        assert "Today: 1 messages by 1 senders of 2 users" in shown and shown.count(other) == 1
    finally:
        redis.stop()


# ---- refused recipients

HIDDEN = (450, b"4.7.1 Too many of your recipients were refused lately; try again later")


def probe(subgate, password, names, together):
    """What is said about each of them, asked for in groups of so many."""
    heard = []
    with login(subgate, USER, password) as client:
        client.mail(USER)
        for at in range(0, len(names), together):
            group = names[at:at + together]
            client.send("".join(f"RCPT TO:<{name}@example.net>\r\n" for name in group).encode())
            heard += [client.getreply() for _ in group]
    return heard


def count_of(upstream, name):
    return sum(line.startswith(f"RCPT TO:<{name}") for line in upstream.commands)


def test_refused_recipients_have_a_limit_an_hour_on_all_nodes_together(upstream, redis, start):
    upstream.script["RCPT TO:<bad*"] = ["550 5.1.1 No such user"] * 5000
    limits = ("quota default { refused_recipients_per_hour = 30 }\n"
              "limits { transactions_per_user = 100  recipients_per_message = 1000 }\n")
    nodes = [start(relay_section(upstream) + redis.section() + limits, name=f"node{n}") for n in (1, 2)]
    passwords = [node.create_app_password(USER) for node in nodes]
    names = [f"bad{n}" for n in range(50)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        groups = list(pool.map(lambda n: probe(nodes[n % 2], passwords[n % 2], names, (1, 15, 50)[n % 3]), range(8)))
    heard = [reply for group in groups for reply in group]
    assert len([code for code, _ in heard if code == 550]) == 30
    assert [reply for reply in heard if reply[0] != 550] == [HIDDEN] * (8 * 50 - 30)
    assert count_of(upstream, "bad") <= 2 * 30  # no node asks for more than may still be refused
    records = wait_until(lambda: [record for node in nodes for record in node.audit("quota.exceeded")], "the record")
    assert [(r["user"], r["reason"], r["quota"]["used"], r["quota"]["limit"]) for r in records] == [
        (USER, "refused recipients", 30, 30)]
    before = len(upstream.commands)
    assert probe(nodes[0], passwords[0], ["good"], 1) == [HIDDEN]
    assert "RCPT TO:<good@example.net>" not in upstream.commands[before:]
    other = "bob@example.com"
    with login(nodes[0], other, nodes[0].create_app_password(other)) as client:
        assert client.sendmail(other, ["good@example.net"], message(other)) == {}


def test_good_mail_of_many_recipients_passes_beside_a_low_limit(upstream, start):
    upstream.script["RCPT TO:<bad*"] = ["550 5.1.1 No such user"] * 10
    subgate = start(relay_section(upstream) + "quota default { refused_recipients_per_hour = 5 }\n")
    password = subgate.create_app_password(USER)
    names = [f"good{n}" for n in range(40)] + ["bad1"] + [f"good{n}" for n in range(40, 80)]
    heard = [code for code, _ in probe(subgate, password, names, len(names))]
    assert heard == [250] * 40 + [550] + [250] * 40
    with urllib.request.urlopen(f"http://127.0.0.1:{subgate.http}/metrics", timeout=30) as answer:
        metrics = answer.read().decode()
    assert 'subgate_recipients_total{result="ok"} 80' in metrics
    assert 'subgate_recipients_total{result="refused"} 1' in metrics
