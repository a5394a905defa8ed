"""
Budgets of upstream accounts: mail spills over to the next account before the provider refuses, over all nodes together.
"""

import concurrent.futures
import smtplib

from harness.client import login, message
from harness.process import wait_until
from harness.subgate import relay_section
from harness.upstream import Upstream

USER = "alice@example.com"
UNLIMITED = ('quota default { messages_per_day = 0  messages_per_minute = 0  recipients_per_day = 0 }\n'
             'limits { transactions_per_user = 100 }\n')


def two_accounts(first, second, budget):
    return (relay_section(first, "first", extra=budget) + relay_section(second, "second") +
            'route default { relays = {"first", "second"} }\n' + UNLIMITED)


def send(subgate, password, number, recipients=1):
    with login(subgate, USER, password) as client:
        client.sendmail(USER, [f"r{i}@example.net" for i in range(recipients)], message(USER, number=number))


def send_all(nodes, count):
    passwords = [node.create_app_password(USER) for node in nodes]
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda n: send(nodes[n % len(nodes)], passwords[n % len(nodes)], n), range(count)))


def second_upstream(authority):
    return Upstream(authority, name="second.example").start()


def test_message_51_of_a_budget_of_50_goes_to_the_next_account(upstream, authority, start):
    second = second_upstream(authority)
    subgate = start(two_accounts(upstream, second, "messages_per_day = 50"))
    password = subgate.create_app_password(USER)
    for number in range(52):
        send(subgate, password, number)
    assert len(upstream.messages) == 50
    assert [b"<50." in m.content for m in second.wait_for(2)] == [True, False]
    sent = subgate.wait_for_audit("message.sent", 52)
    assert [record["relay"] for record in sent[49:]] == ["first", "second", "second"]
    second.stop()


def test_three_nodes_keep_one_budget(upstream, authority, redis, start):
    second = second_upstream(authority)
    sections = two_accounts(upstream, second, "messages_per_day = 50") + redis.section()
    nodes = [start(sections, name=f"node{n}") for n in range(3)]
    send_all(nodes, 90)
    assert len(upstream.messages) + len(second.messages) == 90
    assert 40 <= len(upstream.messages) <= 50
    print(f"{len(upstream.messages)} by the first account, {len(second.messages)} by the second")
    second.stop()


def test_without_another_account_the_client_is_told_to_come_again(upstream, start):
    subgate = start(relay_section(upstream, extra="recipients_per_day = 5") + UNLIMITED)
    password = subgate.create_app_password(USER)
    send(subgate, password, 1, recipients=4)
    try:
        send(subgate, password, 2, recipients=2)
    except smtplib.SMTPDataError as error:
        assert error.smtp_code == 451, error
    else:
        raise AssertionError("the message was accepted beyond the budget")
    send(subgate, password, 3, recipients=1)
    assert len(upstream.messages) == 2
    wait_until(lambda: subgate.ctl_json("quota", "show", USER)["used"] == 2,
               "the refund: the user does not pay for what was not sent")


def test_what_the_upstream_refused_is_not_counted(upstream, authority, start):
    second = second_upstream(authority)
    subgate = start(two_accounts(upstream, second, "messages_per_day = 2"))
    password = subgate.create_app_password(USER)
    upstream.script["."] = ["550 5.7.1 not this one"]
    try:
        send(subgate, password, 1)
    except smtplib.SMTPDataError as error:
        assert error.smtp_code == 550
    for number in (2, 3, 4):
        send(subgate, password, number)
    assert (len(upstream.messages), len(second.messages)) == (2, 1)
    second.stop()
