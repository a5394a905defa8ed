"""
A relay that takes mail of its own account's address alone: what it gets, what the next relay gets, what is recorded.
"""

import email
import email.policy

import pytest

from harness.client import login, message
from harness.raw_upstream import DATA, RawUpstream
from harness.subgate import relay_section
from harness.upstream import Upstream

USER, ACCOUNT = "alice@example.com", "relay@example.com"
REWRITE = f'rewrite_sender = "{ACCOUNT}"'
NO_RECEIVED = b"\r\nFrom: "


def send(subgate, content, sender=USER):
    with login(subgate, USER, subgate.create_app_password(USER)) as client:
        client.sendmail(sender, ["bob@example.net"], content)


def parse(content):
    return email.message_from_bytes(content, policy=email.policy.default)


def test_the_relay_sees_its_own_sender_and_recipients_answer_the_user(start, upstream):
    subgate = start(relay_section(upstream, extra=REWRITE))
    body = b"..dots\r\n.\xc3\xa4\r\n" * 3000  # in the file of the spool, too
    head = (b"From: =?utf-8?Q?Al=C3=AFce?=\r\n <alice@example.com>\r\nTo: bob@example.net\r\n"
            b"Subject: =?utf-8?Q?=C3=A4?=\r\n"
            b"Message-ID: <1@example.com>\r\nDate: Mon, 23 Nov 2026 08:00:00 +0000\r\nX-Odd:  two  blanks \r\n\r\n")
    send(subgate, head + body * 5)
    [mail] = upstream.messages
    assert mail.mail_from == ACCOUNT and mail.rcpt_to == ["bob@example.net"]
    received, rest = mail.content.split(NO_RECEIVED, 1)
    assert received.startswith(b"Received: ")
    assert NO_RECEIVED[2:] + rest == head.replace(
        b"From: =?utf-8?Q?Al=C3=AFce?=\r\n <alice@example.com>\r\n",
        b"From: =?utf-8?Q?Al=C3=AFce?= <relay@example.com>\r\n"
        b"Reply-To: =?utf-8?Q?Al=C3=AFce?=\r\n <alice@example.com>\r\n"
    ) + body * 5
    parsed = parse(mail.content)
    assert parsed["From"] == "Alïce <relay@example.com>" and parsed["Reply-To"] == "Alïce <alice@example.com>"
    subgate.wait_for_audit("message.sent")
    for record in subgate.audit("message.leaving", "message.sent"):
        assert (record["mail_from"], record["header_from"], record["sent_as"]) == (USER, USER, ACCOUNT)


def test_a_reply_to_stays(start, upstream):
    subgate = start(relay_section(upstream, extra=REWRITE))
    send(subgate, b"Reply-To: team@example.com\r\n" + message(USER))
    parsed = parse(upstream.messages[0].content)
    assert (parsed["From"], parsed["Reply-To"]) == (ACCOUNT, "team@example.com")


def test_the_next_relay_gets_the_message_as_it_was(start):
    first, second = RawUpstream().start(), RawUpstream().start()
    subgate = start(first.section("first", REWRITE) + second.section("second") +
                    'route default { relays = {"first", "second"} }\n')
    first.script[DATA] = [lambda c: c.close()]
    send(subgate, message(USER))
    assert f"MAIL FROM:<{ACCOUNT}>" in [c.split(" SIZE")[0] for c in first.commands]
    assert f"MAIL FROM:<{USER}>" in [c.split(" SIZE")[0] for c in second.commands]
    assert message(USER) in second.messages[0] and b"Reply-To" not in second.messages[0]
    assert [r.get("sent_as") for r in subgate.wait_for_audit("message.leaving", 2)] == [ACCOUNT, None]
    for relay in (first, second):
        relay.stop()


def test_a_bounce_stays_one(start, upstream):
    subgate = start(relay_section(upstream, extra=REWRITE))
    send(subgate, message(USER), sender="")
    assert upstream.messages[0].mail_from in ("", "<>")
    assert parse(upstream.messages[0].content)["From"] == ACCOUNT


def test_by_bdat_too(start):
    upstream = RawUpstream(chunking=True).start()
    subgate = start(upstream.section(extra=REWRITE))
    send(subgate, message(USER, body=".dot\r\n"))
    assert upstream.messages[0].endswith(b"\r\n\r\n.dot\r\n")
    assert f"From: <{ACCOUNT}>\r\n".encode() in upstream.messages[0]
    upstream.stop()


@pytest.mark.parametrize("address", ["relay", "@example.com", "relay@", "a b@example.com", "*"])
def test_what_is_no_address_is_a_fault(tmp_path, authority, upstream, address):
    from harness.subgate import Subgate
    subgate = Subgate(tmp_path / "s", authority, relay_section(upstream, extra=f'rewrite_sender = "{address}"'),
                      {"upstream": Upstream.PASSWORD})
    done = subgate.check()
    assert done.returncode == 1 and "relay upstream.rewrite_sender" in done.stdout + done.stderr


@pytest.mark.parametrize("extra", ["", REWRITE])
def test_redirected_mail_says_whom_it_was_for(start, upstream, extra):
    subgate = start(relay_section(upstream, extra=extra) + 'recipients default { redirect = "test@example.org" }\n')
    body = b"..dots\r\n.\xc3\xa4\r\n" * 30000  # in the file of the spool
    to = [f"r{i}@example.net" for i in range(50)]
    with login(subgate, USER, subgate.create_app_password(USER)) as client:
        client.sendmail(USER, to, b"From: alice@example.com\r\nTo: bob@example.net\r\n\r\n" + body)
    [mail] = upstream.messages
    assert mail.rcpt_to == ["test@example.org"] and mail.content.endswith(b"\r\n\r\n" + body)
    parsed = parse(mail.content)
    assert parsed.keys()[:2] == ["X-Original-Recipients", "Received"] and parsed["To"] == "bob@example.net"
    assert parsed["From"] == (ACCOUNT if extra else USER)
    assert parsed["X-Original-Recipients"].replace(",", "").split() == [f"<{address}>" for address in to]
    sent = subgate.wait_for_audit("message.sent")[0]
    assert sent["redirected_to"] == "test@example.org" and [r["address"] for r in sent["rcpt_to"]] == to
