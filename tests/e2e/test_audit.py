"""The audit: every record of a session, and a chain that shows a change."""

import hashlib
import json

import pytest

from harness.client import login, message
from harness.subgate import relay_section

USER = "alice@example.com"


def verify(lines):
    """Recomputes every chain; gives the number of records. See conf/audit.md."""
    last = {}
    for line in lines:
        chain = json.loads(line)["chain"]
        before, seq = last.get(chain["id"], ("0" * 64, 0))
        assert chain["seq"] == seq + 1 and chain["prev"] == before, line
        last[chain["id"]] = (hashlib.sha256(line.encode()).hexdigest(), chain["seq"])
    return len(lines)


def test_a_session_leaves_its_records_in_order(subgate, upstream):
    password = subgate.create_app_password(USER)
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net", "carol@example.net"], message(USER, number=3))
    subgate.wait_for_audit("session.close")
    records = [r for r in subgate.audit() if r.get("session")]
    # The first two come from gate and auth, each by a door of its own: on a busy machine either may be first.
    records[:2] = sorted(records[:2], key=lambda record: record["type"] != "session.open")
    assert [r["type"] for r in records] == [
        "session.open", "auth.success", "message.leaving", "message.sent", "session.close"]
    assert len({r["session"] for r in records}) == 1
    sent = records[3]
    assert sent["node"] == "mail.example.com" and sent["client_address"] == "127.0.0.1"
    assert sent["listener"] == "submissions" and sent["tls_version"] == "TLSv1.3" and sent["tls_cipher"]
    assert sent["mail_from"] == USER and sent["header_from"] == USER and sent["attempt"] == 1
    recipients = [(r["address"], r["code"]) for r in sent["rcpt_to"]]
    assert recipients == [("bob@example.net", 250), ("carol@example.net", 250)]
    assert sent["message_id"] == "<3.test@example.com>" and sent["relay_host"].startswith("127.0.0.1")
    assert sent["response"]["code"] == 250 and "Accepted as 1" in sent["response"]["text"]
    assert sent["quota"]["used"] == 1 and sent["quota"]["limit"] == 500 and sent["duration_ms"] >= 0
    assert sent["size"] == records[2]["size"] > len(message(USER, number=3))
    assert records[2]["message"] == sent["message"]
    assert sent["message"].encode() in upstream.messages[0].content


def test_the_chain_holds_and_shows_a_change(subgate, upstream):
    password = subgate.create_app_password(USER)
    for number in range(5):
        with login(subgate, USER, password) as client:
            client.sendmail(USER, ["bob@example.net"], message(USER, number=number))
    subgate.wait_for_audit("session.close", 5)
    lines = (subgate.state / "audit.jsonl").read_text().splitlines()
    assert verify(lines) >= 25
    changed = [line.replace("bob@example.net", "eve@example.net", 1) for line in lines]
    for broken in (changed, lines[:3] + lines[4:], lines[1:2] + lines[:1] + lines[2:]):
        try:
            verify(broken)
        except AssertionError:
            continue
        raise AssertionError("a change was not seen")


def test_an_audit_that_cannot_be_written_refuses_mail(upstream, start):
    """/dev/full takes no byte: nothing may leave."""
    subgate = start(relay_section(upstream))
    password = subgate.create_app_password(USER)  # recorded, or it would not be made
    subgate.write_config(relay_section(upstream) + 'audit { file = "/dev/full" }\n')
    assert subgate.stop() == 0
    subgate.start()
    with login(subgate, USER, password) as client:
        code, _ = client.mail(USER)
        if code == 250:
            code, _ = client.rcpt("bob@example.net")
        if code == 250:
            code, _ = client.data(message(USER))
    assert code == 451
    assert upstream.messages == []


@pytest.mark.parametrize("extra", ["", 'rewrite_sender = "relay@example.com"'], ids=["as it came", "another author"])
def test_a_message_can_be_matched_to_its_record_by_its_digest(upstream, start, extra):
    subgate = start(relay_section(upstream, extra=extra) + "audit { digest = true }\n")
    password = subgate.create_app_password(USER)
    body = ".a dot\r\n..two\r\n.\r\n" + "long\r\n" * 20000 + ".\r\n"
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER, body=body))
        client.sendmail(USER, ["bob@example.net"], message(USER, body="short\r\n"))
    subgate.wait_for_audit("message.sent", 2)
    digests = [hashlib.sha256(m.content).hexdigest() for m in upstream.messages]
    assert [record["sha256"] for record in subgate.audit("message.sent")] == digests
    assert not any("sha256" in record for record in subgate.audit("message.leaving"))
