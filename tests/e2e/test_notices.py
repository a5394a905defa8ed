"""What administrators and users are told by mail: by the route, audited, and counted by no quota."""

import contextlib
import email
import email.policy
import smtplib

import pytest

from harness.client import login, message
from harness.directory import Directory
from harness.process import wait_until
from harness.subgate import relay_section

USER = "alice@example.com"
NOTIFY = 'notify { from = "postmaster@example.com"  administrators = {"root@example.com", "ops@example.net"} }\n'


def notices_to(upstream, address):
    return [email.message_from_bytes(sent.content, policy=email.policy.default) for sent in list(upstream.messages)
            if sent.rcpt_to == [address]]


def send(subgate, password, number=0):
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER, number=number))


def test_administrators_hear_of_lost_counts(upstream, redis, start):
    subgate = start(relay_section(upstream) + redis.section() + NOTIFY)
    password = subgate.create_app_password(USER)
    send(subgate, password)
    redis.command("FLUSHALL")
    redis.command("CLIENT", "KILL", "TYPE", "normal")
    for address in ("root@example.com", "ops@example.net"):
        notice, = wait_until(lambda: [notice for notice in notices_to(upstream, address)
                                      if notice["Subject"].startswith("[Subgate alarm] Redis has lost counts")],
                             f"a notice to {address}")
        assert notice["From"] == "postmaster@example.com" and notice["Auto-Submitted"] == "auto-generated"
        assert "Its marker is gone" in notice.get_content()
    wait_until(lambda: len(records_of_ours(subgate, "message.sent")) >= 2, "their records")
    assert len(records_of_ours(subgate, "message.leaving")) >= 2
    assert all("quota" not in record for record in records_of_ours(subgate, "message.sent"))


def test_administrators_hear_that_app_passwords_may_be_gone_with_the_counts(upstream, redis, start):
    subgate = start(relay_section(upstream) + redis.section() + NOTIFY + 'app_password { store = "redis" }\n')
    send(subgate, subgate.create_app_password(USER))
    redis.command("FLUSHALL")
    notice, = wait_until(lambda: [notice for notice in notices_to(upstream, "root@example.com")
                                  if notice["Subject"].startswith("[Subgate alarm] Redis has lost counts")], "a notice")
    assert "app passwords are kept in Redis alone" in notice.get_content().replace("\n", " ")
    assert "app passwords are kept in Redis alone" in subgate.log



def records_of_ours(subgate, kind):
    return [record for record in subgate.audit(kind) if record.get("user") == "subgate notices"]


# ---- warnings of quotas

TEXTS = {"quota.txt": "Subject: {percent} % used\n\n{used} of {limit} {unit}\n",
         "quota.de.txt": "Subject: Schon {percent} % verbraucht – für heute\nMessages: Nachrichten\n\n"
                         "Grüß Gott, {user}: {used} von {limit} {unit}.\n"}


@pytest.fixture
def speakers(tmp_path, authority):
    directory = Directory(tmp_path / "directory", authority, {"alice": "Alice-Password-1", "bob": "Bob-Password-2"},
                          {"alice": "de-AT, en;q=0.5"}).start()
    yield directory
    directory.stop()


def send_as(subgate, name, password, count=1):
    for number in range(count):
        with login(subgate, f"{name}@example.com", password) as client:
            client.sendmail(f"{name}@example.com", ["far@example.net"], message(f"{name}@example.com", number=number))


def test_users_are_warned_in_their_language_once_over_all_nodes(upstream, redis, speakers, tmp_path, start):
    folder = tmp_path / "texts"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    sections = (relay_section(upstream) + redis.section() + speakers.section() +
                f'quota default {{ messages_per_day = 5 }}\nnotify {{ from = "postmaster@example.com" '
                f' administrators = {{"root@example.com"}}  text = "{folder}" }}\n')
    nodes = [start(sections, name=f"node{n}") for n in (1, 2)]
    send_as(nodes[0], "alice", "Alice-Password-1", 4)
    send_as(nodes[1], "alice", "Alice-Password-1")
    send_as(nodes[1], "bob", "Bob-Password-2", 4)
    wait_until(lambda: len(notices_to(upstream, "alice@example.com")) == 2, "two warnings for alice")
    first, last = sorted(notices_to(upstream, "alice@example.com"), key=lambda notice: notice["Subject"])[::-1]
    assert first["Subject"] == "Schon 80 % verbraucht – für heute" and first["Content-Language"] == "de"
    assert first.get_content().splitlines() == ["Grüß Gott, alice@example.com: 4 von 5 Nachrichten."]
    assert last["Subject"] == "Schon 100 % verbraucht – für heute"
    wait_until(lambda: notices_to(upstream, "bob@example.com"), "a warning for bob")
    assert notices_to(upstream, "bob@example.com")[0].get_content().splitlines() == ["4 of 5 messages"]
    wait_until(lambda: len(notices_to(upstream, "root@example.com")) == 3, "notices of all three")
    reasons = sorted((record["user"], record["reason"]) for node in nodes for record in node.audit("quota.warning"))
    assert reasons == [("alice@example.com", "100 % of the messages of a day"),
                       ("alice@example.com", "80 % of the messages of a day"),
                       ("bob@example.com", "80 % of the messages of a day")]
    assert nodes[0].ctl_json("quota", "show", "alice@example.com")["used"] == 5


@pytest.mark.parametrize("name, text, fault", [
    ("quota.de.txt", "Subject: {usd}\n\nx", "variable that is not known"),
    ("quota.de.txt", "no header", "no colon"),
    ("other.txt", "Subject: x\n\nx", "no text in it"),
])
def test_a_text_that_is_none_is_a_fault_of_the_configuration(subgate, upstream, tmp_path, name, text, fault):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / name).write_text(text)
    subgate.write_config(relay_section(upstream) + f'notify {{ text = "{folder}" }}\n')
    checked = subgate.check()
    assert checked.returncode == 1 and fault in checked.stderr


# ---- who sends as they never did

ALERT = 'alert {{ score = 100  action = "{action}"  learning = "0" }}\nquota default {{ messages_per_minute = 0 }}\n'


def spend(subgate, password, count, first=0):
    """Their replies to the final dot, of so many messages to as many strangers; the session may end in between."""
    replies = []
    with contextlib.suppress(smtplib.SMTPServerDisconnected, smtplib.SMTPSenderRefused):
        with login(subgate, USER, password) as client:
            for number in range(first, first + count):
                try:
                    client.sendmail(USER, [f"stranger{number}@example.net"], message(USER, number=number))
                    replies.append(250)
                except (smtplib.SMTPDataError, smtplib.SMTPRecipientsRefused) as refused:
                    replies.append(getattr(refused, "smtp_code", 0) or next(iter(refused.recipients.values()))[0])
    return replies


def is_refused(subgate, password):
    try:
        login(subgate, USER, password).close()
    except smtplib.SMTPAuthenticationError:
        return True
    return False


def test_a_thief_is_locked_out_before_the_21st_message_on_all_nodes(upstream, redis, start):
    sections = relay_section(upstream) + redis.section() + NOTIFY + ALERT.format(action="lock")
    nodes = [start(sections, name=f"node{n}") for n in (1, 2)]
    password = nodes[0].create_app_password(USER)
    replies = spend(nodes[0], password, 30)
    left = [sent for sent in upstream.messages if sent.mail_from == USER]
    assert replies.count(250) == len(left) < 21 and 550 in replies
    alert, = nodes[0].wait_for_audit("user.alert")
    assert alert["user"] == USER and "messages within an hour" in alert["reason"]
    assert nodes[0].wait_for_audit("user.locked")[0]["reason"] == alert["reason"]
    wait_until(lambda: notices_to(upstream, "root@example.com"), "a notice")
    notice = notices_to(upstream, "root@example.com")[0]
    assert "is locked: maybe their password was stolen" in notice["Subject"]
    assert f"subgatectl user unlock {USER}" in notice.get_content()
    other = nodes[1].create_app_password(USER)
    wait_until(lambda: is_refused(nodes[1], other), "the other node to know it")
    assert nodes[1].ctl_json("user", "unlock", USER)["state"] == "unlocked"
    wait_until(lambda: spend(nodes[1], other, 1, first=100) == [250], "mail to flow again")


def test_whoever_is_throttled_hears_451(upstream, start):
    subgate = start(relay_section(upstream) + ALERT.format(action="throttle"))
    replies = spend(subgate, subgate.create_app_password(USER), 25)
    assert 451 in replies[:21] and set(replies[replies.index(451):]) == {451}
    assert len(subgate.wait_for_audit("user.alert")) == 1
    assert subgate.audit("user.locked") == []
