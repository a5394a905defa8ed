"""The audit: every record of a session, and a chain that shows a change."""

import hashlib
import hmac
import json

from harness.client import login, message
from harness.subgate import relay_section

USER = "alice@example.com"


def verify(lines, key):
    """Recomputes every chain; gives the number of records. See proxy/audit/audit_chain.c."""
    last = {}
    for line in lines:
        record = json.loads(line)
        chain = record["chain"]
        head = line[: line.rindex(',"mac":"')]
        before, seq = last.get(chain["id"], (bytes(32), 0))
        mac = hmac.new(key, before + head.encode(), hashlib.sha256).digest()
        assert chain["seq"] == seq + 1 and chain["mac"] == mac.hex(), line
        last[chain["id"]] = (mac, chain["seq"])
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
    assert [(r["address"], r["code"]) for r in sent["rcpt_to"]] == [("bob@example.net", 250), ("carol@example.net", 250)]
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
    key = (subgate.state / "audit-key").read_bytes()
    lines = (subgate.state / "audit.jsonl").read_text().splitlines()
    assert verify(lines, key) >= 25
    changed = [line.replace("bob@example.net", "eve@example.net", 1) for line in lines]
    for broken in (changed, lines[:3] + lines[4:], lines[1:2] + lines[:1] + lines[2:]):
        try:
            verify(broken, key)
        except AssertionError:
            continue
        raise AssertionError("a change was not seen")


def test_an_audit_that_cannot_be_written_refuses_mail(upstream, start):
    """/dev/full takes no byte: nothing may leave."""
    subgate = start(relay_section(upstream) + 'audit { file = "/dev/full" }\n')
    password = subgate.create_app_password(USER)
    with login(subgate, USER, password) as client:
        code, _ = client.mail(USER)
        if code == 250:
            code, _ = client.rcpt("bob@example.net")
        if code == 250:
            code, _ = client.data(message(USER))
    assert code == 451
    assert upstream.messages == []
