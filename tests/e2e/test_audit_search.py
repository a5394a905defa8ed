"""What happened is found again: subgatectl audit search, show, report, over files that were rotated and packed."""

import gzip
import json
import os
import pathlib
import pwd
import shutil
import smtplib
import subprocess

import pytest

from harness.client import login, message
from harness.subgate import BUILD, relay_section

USER, OTHER = "alice@example.com", "bob@example.com"


def found(subgate, *arguments):
    """The records, each as its type and, of a message, its recipients."""
    lines = subgate.ctl("--json", "audit", "search", *arguments).stdout.splitlines()
    return [json.loads(line) for line in lines]


def types(subgate, *arguments):
    return [record["type"] for record in found(subgate, *arguments)]


@pytest.fixture
def used(start, upstream):
    """Two users' messages; the audit of the first is packed."""
    subgate = start(relay_section(upstream))
    with login(subgate, USER, subgate.create_app_password(USER)) as client:
        client.sendmail(USER, ["carol@example.net", "dave@example.org"], message(USER))
    subgate.wait_for_audit("session.close")
    audit = subgate.state / "audit.jsonl"
    os.rename(audit, f"{audit}.1")
    subgate.ctl("reload")
    with open(f"{audit}.1", "rb") as plain, gzip.open(f"{audit}.1.gz", "wb") as packed:
        shutil.copyfileobj(plain, packed)
    os.remove(f"{audit}.1")
    with login(subgate, OTHER, subgate.create_app_password(OTHER)) as client:
        client.sendmail(OTHER, ["carol@example.net"], message(OTHER))
        with pytest.raises(smtplib.SMTPException):
            client.sendmail(USER, ["carol@example.net"], message(USER))
    subgate.wait_for_audit("session.close")
    return subgate


def test_records_are_found_by_what_they_say(used):
    sent = found(used, "--result", "sent")
    assert [record["user"] for record in sent] == [USER, OTHER]
    assert found(used, "--result", "sent", "--newest-first") == sent[::-1]
    assert found(used, "--result", "sent", "--newest-first", "--limit", "1") == sent[1:]
    assert found(used, "--to", "dave@example.org") == found(used, "--to", "@example.org") == sent[:1]
    assert found(used, "--from", OTHER, "--result", "sent") == sent[1:]
    assert found(used, "--id", sent[0]["message"]) == sent[:1]
    assert found(used, "--message-id", sent[1]["message_id"], "--result", "sent")[-1:] == sent[1:]
    assert found(used, "--upstream-id", sent[0]["response"]["text"], "--to", "@example.org") == sent[:1]
    assert found(used, "--client", "127.0.0.0/8", "--result", "sent") == sent
    assert found(used, "--relay", "elsewhere") == found(used, "--until", "2020-01-01") == []
    assert {"auth.success", "message.sent"} < set(types(used, "--user", USER.upper()))
    assert "message.refused" in types(used, "--user", OTHER, "--since", "1h")


def test_people_see_a_table_and_counts(used):
    table = used.ctl("audit", "search", "--result", "sent").stdout.splitlines()
    assert table[0].split() == ["TIME", "RESULT", "ID", "USER", "FROM", "TO", "RELAY", "WHY"]
    assert "carol@example.net +1" in table[1] and OTHER in table[2] and len(table) == 3
    assert used.ctl("audit", "search", "--text", "no such text").stdout == "none\n"
    counts = used.ctl_json("audit", "search", "--count-by", "result")["counts"]
    assert {row["result"]: row["count"] for row in counts} == {"sent": 2, "refused": 1}
    users = used.ctl_json("audit", "search", "--count-by", "user", "--result", "sent")["counts"]
    assert users == [{"user": USER, "count": 1}, {"user": OTHER, "count": 1}]
    refused = used.ctl("audit", "search", "--count-by", "weather", check=False)
    assert refused.returncode == 1 and "--count-by" in refused.stderr


def test_a_damaged_file_is_told_of_and_the_rest_found(used):
    (used.state / "audit.jsonl-bad.gz").write_bytes(b"\x1f\x8b\x08nonsense")
    answer = used.ctl("audit", "search", "--result", "sent", check=False)
    assert answer.returncode == 1 and "audit.jsonl-bad.gz: it is damaged" in answer.stderr
    assert len(answer.stdout.splitlines()) == 3
    assert used.ctl_json("audit", "search", "--count-by", "user")["incomplete"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
def test_root_reads_as_the_owner_of_the_audit(used):
    """What the relay may have put there in place of an audit is not read with root's rights."""
    nobody = pwd.getpwnam("nobody")
    audit = used.state / "audit.jsonl"
    os.chown(audit, nobody.pw_uid, nobody.pw_gid)
    os.chmod(audit, 0o600)
    assert [record["user"] for record in found(used, "--result", "sent")] == [USER, OTHER]
    # More than a pipe holds: the reader waits for us, and shows who it is.
    line = json.dumps({"ts": "2026-11-23T08:15:30.123456Z", "type": "auth.success", "user": "x" * 1000}) + "\n"
    (used.state / "audit.jsonl.9").write_text(line * 1000)
    command = [BUILD / "subgatectl", "-s", used.run / "admin.sock", "--json", "audit", "search"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as reader:
        assert reader.stdout.read(1) == b"{"
        status = pathlib.Path(f"/proc/{reader.pid}/status").read_text()
        ids = {line.split()[0]: line.split()[1:] for line in status.splitlines() if line[:4] in ("Uid:", "Gid:")}
        assert ids == {"Uid:": [str(nobody.pw_uid)] * 4, "Gid:": [str(nobody.pw_gid)] * 4}
        reader.stdout.read()
    assert reader.returncode == 0
    # A link to what only root may read is no file of the audit.
    os.symlink("/etc/shadow", f"{audit}.2")
    answer = used.ctl("audit", "search", check=False)
    assert answer.returncode == 1 and "audit.jsonl.2 can't be read" in answer.stderr


def test_one_message_s_life_is_shown_in_one_block(used):
    sent = found(used, "--to", "dave@example.org")[0]
    life = used.ctl_json("audit", "show", sent["message"])
    happened = [record["type"] for record in life["records"]]
    # Two processes tell of a login, in either order.
    assert sorted(happened[:2]) == ["auth.success", "session.open"]
    assert happened[2:] == ["message.leaving", "message.sent", "session.close"]
    assert life["records"][3] == sent and {record["session"] for record in life["records"]} == {sent["session"]}
    block = used.ctl("audit", "show", sent["message"]).stdout
    assert block.startswith(f"message       {sent['message']}\n") and f"user          {USER}\n" in block
    assert "to dave@example.org  250 2.1.5" in block
    assert f"relay upstream  250 2.0.0 {sent['response']['text']}" in block
    assert used.ctl_json("audit", "show", sent["message"], used.state / "audit.jsonl.1.gz") == life
    unknown = used.ctl("audit", "show", "1M8M8QBMK", check=False)
    assert unknown.returncode == 1 and "no message of this id" in unknown.stderr


def test_a_report_has_the_figures_of_a_time(used):
    report = used.ctl_json("audit", "report", "--since", "1d")
    sent = [(row["user"], row["messages"], row["recipients"]) for row in report["users"]]
    assert sent == [(USER, 1, 2), (OTHER, 1, 1)]
    assert [(row["relay"], row["sent"], row["failed"]) for row in report["relays"]] == [("upstream", 2, 0)]
    assert [(row["what"], row["count"]) for row in report["refusals"]] == [("message.refused", 1)]
    assert [(row["user"], row["address"]) for row in report["new_addresses"]] == [
        (USER, "127.0.0.1"), (OTHER, "127.0.0.1")]
    text = used.ctl("audit", "report", "--since", "1d").stdout
    assert "Who sent most" in text and "What was refused, and why" in text and OTHER in text
    # What was before the time in question is not counted, but an address that it knows is not new.
    later = found(used, "--user", OTHER, "--result", "auth.success")[0]["ts"][:19] + "Z"
    assert used.ctl_json("audit", "report", "--since", later, "--until", "2020-01-01")["users"] == []


def test_an_address_known_for_days_is_not_new(subgate, tmp_path):
    lines = [{"ts": f"2026-11-{day}T08:00:00.000000Z", "type": "auth.success", "user": USER, "client_address": address}
             for day, address in ((10, "192.0.2.1"), (20, "192.0.2.1"), (20, "192.0.2.2"), (21, "192.0.2.2"))]
    audit = tmp_path / "audit.jsonl"
    audit.write_text("".join(json.dumps(line) + "\n" for line in lines))
    new = subgate.ctl_json("audit", "report", audit, "--since", "2026-11-15")["new_addresses"]
    assert [(row["address"], row["logins"]) for row in new] == [("192.0.2.2", 2)]
    # After more than four weeks it is.
    lines[0]["ts"] = "2026-10-10T08:00:00.000000Z"
    audit.write_text("".join(json.dumps(line) + "\n" for line in lines))
    new = subgate.ctl_json("audit", "report", audit, "--since", "2026-11-15")["new_addresses"]
    assert [row["address"] for row in new] == ["192.0.2.1", "192.0.2.2"]


def test_another_session_of_the_same_number_is_no_part_of_a_message_s_life(subgate, tmp_path):
    """Numbers begin anew when Subgate does: one died without an end, one ended, and one came later."""
    happened = [("08:00:00", "session.open", "dead"), ("09:00:00", "session.open", "ended"),
                ("09:00:01", "session.close", "ended"), ("10:00:00", "auth.success", "right"),
                ("10:00:01", "session.open", "right"), ("10:00:02", "message.sent", "right"),
                ("10:00:03", "session.close", "right"), ("11:00:00", "session.open", "later")]
    audit = tmp_path / "audit.jsonl"
    with open(audit, "w", encoding="ascii") as out:
        for at, kind, helo in happened:
            record = {"ts": f"2026-11-23T{at}.000000Z", "type": kind, "node": "a", "session": "1-1", "helo": helo}
            print(json.dumps(record | ({"message": "1M"} if kind == "message.sent" else {})), file=out)
    life = subgate.ctl_json("audit", "show", "1M", audit)["records"]
    assert [(record["type"], record["helo"]) for record in life] == [row[1:] for row in happened[3:7]]
