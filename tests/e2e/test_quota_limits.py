"""What is limited besides messages a day, set by hand, shown for everybody; and nodes that count by other rules."""

import smtplib
import urllib.request

from harness.client import login, message
from harness.process import wait_until
from harness.subgate import relay_section

USER = "alice@example.com"


def send_one(node, password, recipients=("bob@example.net",), user=USER):
    try:
        with login(node, user, password) as client:
            return client.sendmail(user, list(recipients), message(user)) or (250, b"")
    except smtplib.SMTPRecipientsRefused as refused:
        return next(iter(refused.recipients.values()))
    except smtplib.SMTPResponseException as refused:
        return refused.smtp_code, refused.smtp_error


def codes_of(node, password, count, **options):
    return [send_one(node, password, **options)[0] for _ in range(count)]


def test_what_is_changed_by_hand_holds_on_all_nodes_at_once(upstream, redis, start):
    limits = "quota default { messages_per_day = 2 }\n"
    nodes = [start(relay_section(upstream) + redis.section() + limits, name=f"node{n}") for n in (1, 2)]
    passwords = [node.create_app_password(USER) for node in nodes]
    assert codes_of(nodes[1], passwords[1], 3) == [250, 250, 550]
    shown = nodes[0].ctl_json("quota", "reset", "  ALICE@Example.COM ")
    assert (shown["user"], shown["used"], shown["counted_before"]) == (USER, 0, 2)
    wait_until(lambda: send_one(nodes[1], passwords[1])[0] == 250, "the reset at the other node")
    nodes[0].ctl("quota", "set", USER, "messages_per_day=3", "--until", "1d")
    wait_until(lambda: send_one(nodes[1], passwords[1])[0] == 250, "the limit at the other node")
    assert nodes[1].ctl_json("quota", "show", USER)["limit"] == 3
    assert codes_of(nodes[1], passwords[1], 2) == [250, 550]
    nodes[0].ctl("quota", "unset", USER)
    assert nodes[1].ctl_json("quota", "show", USER)["limit"] == 2
    records = [(r["command"], r["result"]) for r in nodes[0].audit("admin.command") if r["command"] == "quota set"]
    assert records == [("quota set", "begins"), ("quota set", "done")]


def test_everybody_is_shown_by_use(upstream, start):
    limits = ('quota team { domains = {"example.com"}  shared = true  messages_per_day = 10 }\n'
              'quota few { users = {"bob@example.com"}  messages_per_day = 2 }\n')
    subgate = start(relay_section(upstream) + limits)
    for user, count in ((USER, 3), ("bob@example.com", 2)):
        assert codes_of(subgate, subgate.create_app_password(user), count, user=user) == [250] * count
    rows = subgate.ctl_json("quota", "show")["users"]
    assert [(row["user"], row["used"], row["limit"], row.get("shared")) for row in rows] == [
        ("bob@example.com", 2, 2, None), ("team", 5, 10, True), (USER, 3, 500, None)]
    text = subgate.ctl("quota", "show").stdout.splitlines()
    assert [line.split()[0] for line in text] == ["USER", "bob@example.com", "team", USER]
    assert "[####################] 100 %" in text[1]


def test_members_share_a_quota_and_who_is_refused_is_told_whose(upstream, start):
    limits = 'quota team { domains = {"example.com"}  shared = true  messages_per_day = 3 }\n'
    subgate = start(relay_section(upstream) + limits)
    users = [USER, "bob@example.com", "carol@example.com"]
    passwords = [subgate.create_app_password(user) for user in users]
    heard = [send_one(subgate, passwords[n % 3], user=users[n % 3]) for n in range(5)]
    assert [code for code, _ in heard] == [250, 250, 250, 550, 550]
    assert heard[3][1].startswith(b"5.4.5 Daily sending quota of team exceeded: 3 of 3 messages, resets at 20")
    assert len(upstream.messages) == 3
    assert subgate.ctl_json("quota", "show", "team", "--shared")["used"] == 3
    shared = subgate.ctl_json("quota", "show", "bob@example.com")["shared_quota"]
    assert (shared["user"], shared["used"], shared["limit"], shared["left"]) == ("team", 3, 3, 0)
    assert shared["resets_at"] in heard[3][1].decode()
    assert "shared by       team\n" in subgate.ctl("quota", "show", "bob@example.com").stdout
    assert [row["user"] for row in subgate.ctl_json("quota", "show", "--shared")["users"]] == ["team"]
    assert subgate.ctl_json("user", "show", "bob@example.com")["shared_quota"] == "team"


def test_surplus_recipients_and_strangers(upstream, start):
    limits = "quota default { recipients_per_message = 3  new_recipients_per_day = 4 }\n"
    subgate = start(relay_section(upstream) + limits)
    password = subgate.create_app_password(USER)
    names = [f"r{n}@example.net" for n in range(5)]
    surplus = send_one(subgate, password, names)
    assert surplus == {name: (452, b"4.5.3 Too many recipients") for name in names[3:]}
    assert send_one(subgate, password, ["r0@example.net", "colleague@example.com"]) == (250, b"")
    assert send_one(subgate, password, names[3:])[1].startswith(
        b"5.4.5 Daily sending quota exceeded: 3 of 4 new recipients, resets at 20")
    assert send_one(subgate, password, names[2:4]) == (250, b"")
    shown = subgate.ctl_json("quota", "show", USER)
    assert (shown["new_recipients_used"], shown["new_recipients_limit"]) == (4, 4)


def test_a_node_with_another_zone_is_told_of(upstream, redis, start):
    first = start(relay_section(upstream) + redis.section(), name="node1")
    wait_until(lambda: first.ctl("quota", "show", USER, check=False).returncode == 0, "Redis at the first node")
    wait_until(lambda: redis.command("HLEN", "subgate:quota-nodes") == "1", "the first node's rules")
    other = start(relay_section(upstream) + redis.section() + 'quota_day { timezone = "Europe/Berlin" }\n',
                  name="node2", hostname="mx2.example.com")
    wait_until(lambda: "this one by Europe/Berlin" in other.log, "the warning")
    relay = next(row for row in other.ctl_json("status")["processes"] if row["role"] == "relay")
    assert relay["quota"] == "1 other node counts by other rules"
    with urllib.request.urlopen(f"http://127.0.0.1:{other.http}/metrics", timeout=30) as answer:
        assert "subgate_quota_nodes_differ 1" in answer.read().decode()
