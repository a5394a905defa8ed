"""The audit's file changes: renamed or deleted by somebody, rotated by Subgate. No record is lost, none is torn."""

import gzip
import itertools
import json
import os
import re
import signal
import smtplib
import threading

import pytest

from e2e.test_audit import verify
from e2e.test_disks import send
from e2e.test_users import InOwnUsers
from harness.client import login, message
from harness.process import let_others_through, root_is_a_mount_point, wait_until
from harness.subgate import relay_section
from harness.upstream import Upstream

USER = "alice@example.com"
ROTATION = ('audit { rotate_size = "4K"  compress = "gzip" }\n'
            "quota default { messages_per_day = 0  messages_per_minute = 0  recipients_per_day = 0 }\n")
ROTATED = re.compile(r"(audit\.jsonl-(\d{8}-\d{6})(?:\.(\d+))?)(?:\.gz|\.zst)?")


def subjects_in(text):
    """The numbers of the messages whose outcome is in it, in order."""
    records = [json.loads(line) for line in text.splitlines()]
    return [int(r["message_id"][1:].split(".")[0]) for r in records if r["type"] == "message.sent"]


def texts_of_files(subgate):
    """[(name without what packing appends, text)] of the rotated files, the oldest first, and of the present one."""
    rotated = ((ROTATED.fullmatch(path.name), path) for path in subgate.state.iterdir())
    paths = [path for _, _, path in sorted((name[2], int(name[3] or 1), path) for name, path in rotated if name)]
    texts = [(ROTATED.fullmatch(path.name)[1],
              gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text())
             for path in paths]
    return [*texts, ("audit.jsonl", (subgate.state / "audit.jsonl").read_text())]


def assert_seams(subgate):
    """
    Each file begins with the name of the one before, and all but the present one end with the next one's, or with the
    last record of a relay that ended just then. One may be empty that nobody came to write to.
    """
    files = [(name, [json.loads(line) for line in text.splitlines()]) for name, text in texts_of_files(subgate) if text]
    for (former, before), (_, after) in itertools.pairwise(files):
        last = before[-1]
        assert last["type"] == "audit.end" or (last["type"], last["next_file"]) == ("audit.file_end", "audit.jsonl")
        assert after[0]["type"] == "audit.begin" or (
            after[0]["type"] == "audit.file_begin" and after[0]["previous_file"] == former)


def test_a_renamed_file_is_noticed_and_no_record_is_lost(subgate, upstream):
    password = subgate.create_app_password(USER)
    old, new = subgate.state / "audit.1", subgate.state / "audit.jsonl"
    assert send(subgate, password, number=1)[0] == 250
    new.rename(old)
    assert send(subgate, password, number=2)[0] == 250
    wait_until(new.exists, "another file in its place")
    subgate.wait_for_log("audit: goes on in a new file; the one before is audit.1")
    wait_until(lambda: send(subgate, password, number=3)[0] == 250 and 3 in subjects_in(new.read_text()),
               "records in the new file")
    assert subgate.stop() == 0
    assert subjects_in(old.read_text() + new.read_text())[:3] == [1, 2, 3]
    assert new.stat().st_mode & 0o777 == old.stat().st_mode & 0o777 == 0o600
    verify((old.read_text() + new.read_text()).splitlines())


def test_no_mail_leaves_unaudited_when_the_file_is_deleted(subgate, upstream):
    password = subgate.create_app_password(USER)
    audit = subgate.state / "audit.jsonl"
    for number in range(1, 4):
        audit.unlink()
        assert send(subgate, password, number=number)[0] == 250
        wait_until(lambda: number in subjects_in(audit.read_text()), "its record in the next file")
    subgate.wait_for_log("audit: its file was deleted; it goes on in a new one")


def test_a_message_under_way_in_a_deleted_file_has_its_outcome_after_a_crash(subgate, upstream):
    password = subgate.create_app_password(USER)
    upstream.script["."] = ["hang"]
    client = login(subgate, USER, password)
    sender = threading.Thread(target=lambda: pytest.raises(
        (smtplib.SMTPException, OSError), client.sendmail, USER, ["bob@example.net"], message(USER, number=77)))
    sender.start()
    wait_until(lambda: "." in upstream.commands, "the final dot upstream")
    [relay] = subgate.pids("relay")
    os.kill(relay, signal.SIGSTOP)  # so it carries nothing over
    (subgate.state / "audit.jsonl").unlink()
    subgate.wait_for_log("audit: its file was deleted; it goes on in a new one")
    os.kill(relay, signal.SIGKILL)
    sender.join(20)
    [unknown] = wait_until(lambda: found(subgate, "unknown"), "its outcome")
    assert unknown["message_id"] == "<77.test@example.com>"
    assert subgate.stop() == 0


def rotate_and_find_again(subgate, upstream):
    """Sends until there are two packed files, and through a reload; then all messages are found in one whole chain."""
    password = subgate.create_app_password(USER)
    sent = 0

    def has_packed_files():
        nonlocal sent
        sent += 1
        assert send(subgate, password, number=sent)[0] == 250
        return len(list(subgate.state.glob("audit.jsonl-*.gz"))) >= 2

    wait_until(has_packed_files, "two packed files")
    subgate.ctl("reload")
    for _ in range(3):
        has_packed_files()
    wait_until(lambda: len(subgate.ctl("--json", "audit", "search", "--result", "sent").stdout.splitlines()) == sent,
               "all records to be found")
    assert sent == len(upstream.messages)
    assert subgate.stop() == 0
    assert_seams(subgate)
    lines = "".join(text for _, text in texts_of_files(subgate))
    assert sorted(subjects_in(lines)) == list(range(1, sent + 1))
    verify(lines.splitlines())
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in subgate.state.glob("audit.jsonl*"))


def test_files_are_rotated_by_size_and_packed_and_found_again(upstream, start):
    rotate_and_find_again(start(relay_section(upstream) + ROTATION), upstream)


@pytest.mark.skipif(not root_is_a_mount_point(), reason="within a chroot the machine's user files can't be covered")
def test_they_are_with_a_user_for_each_role(tmp_path, authority, upstream):
    let_others_through(tmp_path)
    subgate = InOwnUsers(tmp_path / "subgate", authority, relay_section(upstream) + ROTATION,
                         secrets={"upstream": Upstream.PASSWORD}, user="subgatetest")
    subgate.start()
    try:
        rotate_and_find_again(subgate, upstream)
    finally:
        print(subgate.log)
        subgate.stop()


def found(subgate, result):
    lines = subgate.ctl("--json", "audit", "search", "--result", result).stdout.splitlines()
    return [json.loads(line) for line in lines]


def test_a_message_under_way_is_found_in_a_packed_file_after_a_crash(upstream, start):
    subgate = start(relay_section(upstream) + ROTATION)
    password = subgate.create_app_password(USER)
    upstream.script["."] = ["hang"]
    client = login(subgate, USER, password)
    sender = threading.Thread(target=lambda: pytest.raises(
        (smtplib.SMTPException, OSError), client.sendmail, USER, ["bob@example.net"], message(USER, number=77)))
    sender.start()
    wait_until(lambda: "." in upstream.commands, "the final dot upstream")
    numbers = itertools.count(100)
    wait_until(lambda: send(subgate, password, number=next(numbers))[0] == 250
               and any(b"<77.test@" in gzip.decompress(path.read_bytes())
                       for path in subgate.state.glob("audit.jsonl-*.gz")), "the file with its record to be packed")
    wait_until(lambda: len(found(subgate, "sent")) == len(upstream.messages), "the others' outcomes")
    os.kill(subgate.pids("relay")[0], signal.SIGKILL)
    sender.join(20)
    [unknown] = wait_until(lambda: found(subgate, "unknown"), "its outcome")
    assert unknown["message_id"] == "<77.test@example.com>"
    assert subgate.stop() == 0
