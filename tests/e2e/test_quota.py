"""Promise 4: never over quota, and what failed for certain is given back."""

import concurrent.futures
import smtplib

from harness.client import login, message
from harness.process import wait_until
from harness.subgate import relay_section

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
