"""A first week in audit mode: nobody is refused, and subgatectl audit senders tells who would have been, and why."""

import datetime
import json
import os
import time

import pytest

from harness.client import login, message
from harness.subgate import relay_section

USER, BOSS = "alice@example.com", "boss@example.com"
AUDITED = ('sender { envelope = "audit"  header = "audit" }\n'
           'recipients default { allow = {"@example.net"}  mode = "audit" }\n')


def shown(subgate, *arguments):
    return [(row["user"], row["why"], row["messages"])
            for row in subgate.ctl_json("audit", "senders", *arguments)["would_be_refused"]]


def test_what_enforcing_would_refuse_is_listed(start, upstream):
    subgate = start(relay_section(upstream) + AUDITED)
    assert shown(subgate) == [] and "none" in subgate.ctl("audit", "senders").stdout
    with login(subgate, USER, subgate.create_app_password(USER)) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER))
        client.sendmail(BOSS, ["bob@example.net"], message(BOSS))
        client.sendmail(BOSS, ["bob@example.net", "eve@example.org", "eve@example.com"], message(USER))
    assert len(upstream.messages) == 3
    subgate.wait_for_audit("message.sent", 3)
    wanted = [(USER, f"sender <{BOSS}> not owned by the user", 2),
              (USER, f"From: <{BOSS}> not owned by the user", 1),
              (USER, 'recipient <eve@example.org> not allowed by the rule "default"', 1)]
    assert shown(subgate, "--since", "1h") == wanted
    table = subgate.ctl("audit", "senders", "--since", "7d").stdout.splitlines()
    assert table[0].split() == ["USER", "WHY", "MESSAGES", "FIRST", "LAST"] and len(table) == 4
    # A rotated file counts as well; one that ended before that does not, and no record that is older.
    audit = subgate.state / "audit.jsonl"
    os.rename(audit, f"{audit}.1")
    subgate.ctl("reload")
    subgate.wait_for_log("the processes of the former config are gone")  # they still write to the file
    assert shown(subgate, "--since", "1h") == wanted == shown(subgate)
    assert shown(subgate, f"{audit}.1") == wanted and shown(subgate, audit) == []
    os.utime(f"{audit}.1", (time.time() - 7200, time.time() - 7200))
    assert shown(subgate, "--since", "1h") == [] and shown(subgate, "--since", "3h") == wanted


def test_only_the_time_in_question_counts_and_what_is_no_record_is_skipped(subgate, tmp_path):
    now = datetime.datetime.now(datetime.timezone.utc)
    lines = ["nonsense", "{\"type\":\"message.leaving\",\"reason\":", '"message.leaving" "reason" []']
    for hours, user in ((1, "new@x"), (30, "old@x")):
        ts = (now - datetime.timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        lines.append(json.dumps({"ts": ts, "type": "message.leaving", "user": user, "reason": "why\x1b[2J"}))
        lines.append(json.dumps({"ts": ts, "type": "message.refused", "user": user, "reason": "message.leaving"}))
    other = tmp_path / "other.jsonl"
    other.write_text("\n".join(lines))
    assert shown(subgate, other, "--since", "1d") == [("new@x", "why\x1b[2J", 1)]
    assert [row[0] for row in shown(subgate, other)] == ["new@x", "old@x"]
    assert "\x1b" not in subgate.ctl("audit", "senders", other).stdout
    missing = subgate.ctl("audit", "senders", tmp_path / "nowhere", check=False)
    assert missing.returncode == 1 and "nowhere can't be read: No such file" in missing.stderr
    assert subgate.ctl("audit", "senders", "--since", "yesterday", check=False).returncode == 2


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_damaged_file_is_told_of(subgate, ending):
    magic = {".gz": b"\x1f\x8b\x08", ".zst": b"\x28\xb5\x2f\xfd"}[ending]
    (subgate.state / f"audit.jsonl.1{ending}").write_bytes(magic + b"nonsense")
    answer = subgate.ctl("audit", "senders")
    assert f"audit.jsonl.1{ending}: it is damaged" in answer.stderr and "incomplete: yes" in answer.stdout
