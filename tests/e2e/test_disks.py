"""Disks that are full or shared with large messages: refusals with a cause, nothing torn, and nobody else delayed."""

import concurrent.futures
import contextlib
import json
import smtplib
import subprocess
import time

import pytest

from e2e.test_audit import verify
from harness.client import login, message
from harness.process import wait_until
from harness.subgate import relay_section

USER = "alice@example.com"
UNLIMITED = ("quota default { messages_per_day = 0  messages_per_minute = 0  recipients_per_day = 0 }\n"
             "limits { message_size = \"64M\" }\n")


def send(subgate, password, body="Hello\r\n", number=0, user=USER):
    """(code, text, seconds)"""
    began = time.monotonic()
    with login(subgate, user, password, timeout=120) as client:
        try:
            client.sendmail(user, ["bob@example.net"], message(user, body=body, number=number))
            code, text = 250, b""
        except smtplib.SMTPRecipientsRefused as refused:
            code, text = next(iter(refused.recipients.values()))
        except smtplib.SMTPResponseException as refused:
            code, text = refused.smtp_code, refused.smtp_error
    return code, text.decode(), time.monotonic() - began


def flows(subgate, password):
    with contextlib.suppress(smtplib.SMTPException, OSError):  # an old gate may say that it ends
        return send(subgate, password, number=4)[0] == 250
    return False


def audit_state(subgate):
    """What status says is wrong with the audit, or None."""
    return next(p for p in subgate.ctl_json("status")["processes"] if p["role"] == "relay").get("audit")


def large(size):
    return ("x" * 998 + "\r\n") * (size // 1000)


@contextlib.contextmanager
def small_disk(folder, size):
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder]).returncode == 0
    if not mounted:
        pytest.skip("no right to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder):
    filler = folder / "filler"
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as out:
        while out.write(b"x" * 512):
            pass
    return filler


def test_a_full_disk_of_the_audit_refuses_mail_until_there_is_room(tmp_path, upstream, start):
    with small_disk(tmp_path / "disk", "256k") as disk:
        subgate = start(relay_section(upstream) + f'audit {{ file = "{disk}/audit.jsonl"  low_space = "100K" }}\n')
        password = subgate.create_app_password(USER)
        assert send(subgate, password, number=1)[0] == 250
        assert audit_state(subgate) is None
        filler = fill(disk)
        wait_until(lambda: send(subgate, password, number=2)[0] == 451, "the disk to be full")
        wait_until(lambda: audit_state(subgate) == "can't be written", "status to show it")
        code, text, _ = send(subgate, password, number=3)
        assert (code, text) == (451, "4.3.0 Audit unavailable; try again later")
        subgate.wait_for_log("audit: No space left on device")
        sent = len(upstream.messages)
        filler.unlink()
        wait_until(lambda: send(subgate, password, number=4)[0] == 250, "mail to flow again")
        wait_until(lambda: audit_state(subgate) is None, "status to show it")
        assert len(upstream.messages) == sent + 1
        wait_until(lambda: b"4.test" in (disk / "audit.jsonl").read_bytes(), "its record")
        wait_until(lambda: subgate.ctl_json("quota", "show", USER)["used"] == sent + 1, "the refunds")
        assert subgate.stop() == 0
        verify((disk / "audit.jsonl").read_text().splitlines())


def test_reloads_while_the_disk_of_the_audit_is_full_split_no_record(tmp_path, upstream, start):
    with small_disk(tmp_path / "disk", "256k") as disk:
        audit = disk / "audit.jsonl"
        subgate = start(relay_section(upstream) + f'audit {{ file = "{disk}/audit.jsonl" }}\n')
        password = subgate.create_app_password(USER)
        assert send(subgate, password, number=1)[0] == 250
        with contextlib.closing(login(subgate, USER, password)) as session:
            session.mail(USER)  # under way, it keeps the old relay
            filler = fill(disk)
            wait_until(lambda: send(subgate, password, number=2)[0] == 451 and not audit.read_bytes().endswith(b"\n"),
                       "a record that is on the disk in part")
            subgate.ctl("reload")
            wait_until(lambda: len(subgate.pids("relay")) == 2, "two relays")
            filler.unlink()
            wait_until(lambda: flows(subgate, password), "mail to flow again")
        wait_until(lambda: len(subgate.pids("relay")) == 1, "the old relay to end")
        assert subgate.stop() == 0
        lines = audit.read_text().splitlines()
        assert len({json.loads(line)["chain"]["id"] for line in lines}) == 2
        verify(lines)


def hold(subgate, user, password, size):
    """A client that has sent so much of a message, and no end of it."""
    slow = login(subgate, user, password)
    slow.mail(user)
    assert slow.rcpt("bob@example.net")[0] == 250
    slow.putcmd("DATA")
    assert slow.getreply()[0] == 354
    slow.send(f"From: {user}\r\nSubject: slow\r\n\r\n".encode() + large(size).encode())
    return slow


def test_two_users_do_not_fill_the_spool_for_all(upstream, start):
    """Whatever they hold and however slowly it goes on, the next one's messages find room."""
    subgate = start(relay_section(upstream) + 'limits { message_size = "1M"  spool = "8M" }\n')
    users = [f"{name}@example.com" for name in ("alice", "bob", "carol")]
    passwords = {user: subgate.create_app_password(user) for user in users}
    held = [hold(subgate, user, passwords[user], 900_000) for user in users[:2] for _ in range(12)]

    def all_are_told_or_held():
        refused = [record for record in subgate.audit("message.refused")
                   if record["reason"] == "the user's share of the spool is full"]
        return len(refused) >= 24 - 8 and {record["user"] for record in refused} == set(users[:2])

    wait_until(all_are_told_or_held, "more messages of theirs than the spool holds to be refused")
    for _ in range(3):
        assert send(subgate, passwords[users[2]], body=large(900_000), user=users[2])[0] == 250
    for client in held:
        client.close()


def test_a_message_that_finds_no_room_in_the_spool_is_452(upstream, start):
    limits = 'limits { message_size = "1M"  spool = "1M" }\n'
    subgate = start(relay_section(upstream) + limits)
    other = "bob@example.com"
    password, others = subgate.create_app_password(USER), subgate.create_app_password(other)
    with hold(subgate, USER, password, 800_000) as slow:
        wait_until(lambda: send(subgate, others, body=large(500_000), user=other)[:2] ==
                   (452, "4.3.1 No room for this message now; try again later"), "the spool to be full")
        assert send(subgate, others, user=other)[0] == 250
        slow.send(b".\r\n")
        assert slow.getreply()[0] == 250
    assert send(subgate, password, body=large(500_000))[0] == 250


@pytest.mark.parametrize("disk, size", [("1M", 35_500_000), ("4k", 33_817_000)],
                         ids=["while_it_comes", "once_it_is_here"])
def test_a_full_disk_of_the_spool_is_451_and_small_messages_pass(tmp_path, upstream, start, disk, size):
    """32 MiB stay in memory; of what little goes to a disk the reader hears that it failed, and not the writer."""
    with small_disk(tmp_path / "subgate" / "state" / "spool", disk):
        subgate = start(relay_section(upstream) + UNLIMITED)
        password = subgate.create_app_password(USER)
        code, text, _ = send(subgate, password, body=large(size))
        assert (code, text) == (451, "4.3.0 Storage failed; try again later")
        assert send(subgate, password)[0] == 250
        assert len(upstream.messages) == 1
        wait_until(lambda: subgate.ctl_json("quota", "show", USER)["used"] == 1, "the refund")
        assert subgate.stop() == 0


def test_large_messages_do_not_delay_small_ones(upstream, start):
    subgate = start(relay_section(upstream) + UNLIMITED)
    password = subgate.create_app_password(USER)
    alone = max(send(subgate, password)[2] for _ in range(3))
    body = large(30 << 20)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        many = [pool.submit(send, subgate, password, body) for _ in range(4)]
        times = []
        while not all(m.done() for m in many):
            code, text, seconds = send(subgate, password)
            assert code == 250, text
            times.append(seconds)
        assert [m.result()[0] for m in many] == [250] * 4
    times.sort()
    print(f"alone {alone:.3f} s; beside: median {times[len(times) // 2]:.3f} s, "
          f"worst {times[-1]:.3f} s of {len(times)}")
    assert times[len(times) // 2] < alone + 8  # waiting for those takes longer
