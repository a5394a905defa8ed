"""kill -9 of each role under load: nothing acknowledged is missing, nothing is handed over twice, service goes on."""

import collections
import os
import re
import signal
import smtplib
import threading
import time

import pytest

from harness.client import login, message
from harness.process import PATIENCE, wait_until
from harness.subgate import relay_section

USER = "alice@example.com"
NUMBER = re.compile(rb"Message-ID: <(\d+)\.test@example\.com>")


class Load:
    """Clients that send one message after the other, each number once, and note what was acknowledged."""

    def __init__(self, subgate, password, clients=8):
        self.subgate, self.password = subgate, password
        self.acknowledged, self.refused = [], collections.Counter()
        self.number, self.stopped = 0, False
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped = True
        for thread in self._threads:
            thread.join()

    def _next(self):
        with self._lock:
            self.number += 1
            return self.number

    def _run(self):
        while not self.stopped:
            try:
                self._session()
            except smtplib.SMTPResponseException as refused:
                self.refused[refused.smtp_code] += 1
            except (smtplib.SMTPException, OSError) as error:
                self.refused[type(error).__name__] += 1
                time.sleep(0.05)

    def _session(self):
        with login(self.subgate, USER, self.password, timeout=30) as client:
            for _ in range(20):
                if self.stopped:
                    return
                number = self._next()
                client.sendmail(USER, ["bob@example.net"], message(USER, number=number))
                self.acknowledged.append(number)


@pytest.mark.parametrize("role", ["gate", "auth", "relay"])
def test_a_role_dies_under_load(upstream, role, start):
    upstream.delay = 0.005
    limits = "quota default { messages_per_day = 0  messages_per_minute = 0  recipients_per_day = 0 }\n"
    subgate = start(relay_section(upstream) + limits)
    password = subgate.create_app_password(USER)
    with Load(subgate, password) as load:
        for _ in range(3):
            before = len(load.acknowledged)
            wait_until(lambda: len(load.acknowledged) > before + 20, "the load to flow", 30)
            victim = subgate.pids(role)[0]
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: victim not in subgate.pids(role) and subgate.pids(role), f"a new {role}")
        before = len(load.acknowledged)
        wait_until(lambda: len(load.acknowledged) > before + 20, "service to go on", 30)
    numbers = [int(NUMBER.search(m.content).group(1)) for m in upstream.messages]
    twice = [n for n, count in collections.Counter(numbers).items() if count > 1]
    missing = set(load.acknowledged) - set(numbers)
    print(f"{role}: {len(load.acknowledged)} acknowledged, {len(numbers)} at the upstream, "
          f"refused {dict(load.refused)}")
    assert not twice and not missing
    check_audit(subgate, numbers)


def check_audit(subgate, numbers):
    """Every message.leaving has exactly one outcome, and what the upstream has is recorded as sent or unknown."""
    wait_until(lambda: not open_attempts(subgate), lambda: f"outcomes of {open_attempts(subgate)}")
    outcomes = collections.Counter()
    may_be_there = set()
    for record in subgate.audit("message.sent", "message.failed", "message.unknown"):
        outcomes[record["message"], record["attempt"]] += 1
        if record["type"] != "message.failed":
            may_be_there.add(record["message_id"])
    assert set(outcomes.values()) <= {1}, "two outcomes of one attempt"
    assert {f"<{n}.test@example.com>" for n in numbers} <= may_be_there


def open_attempts(subgate):
    left = {(r["message"], r["attempt"]) for r in subgate.audit("message.leaving")}
    done = {(r["message"], r["attempt"]) for r in subgate.audit("message.sent", "message.failed", "message.unknown")}
    return left - done


def test_a_relay_that_dies_between_dot_and_reply_leaves_message_unknown(subgate, upstream):
    password = subgate.create_app_password(USER)
    upstream.script["."] = ["hang"]
    client = login(subgate, USER, password)
    sender = threading.Thread(target=lambda: pytest.raises(
        (smtplib.SMTPException, OSError), client.sendmail, USER, ["bob@example.net"], message(USER, number=77)))
    sender.start()
    leaving = subgate.wait_for_audit("message.leaving")[0]
    wait_until(lambda: "." in upstream.commands, "the final dot upstream")
    os.kill(subgate.pids("relay")[0], signal.SIGKILL)
    sender.join(PATIENCE)
    assert not sender.is_alive()
    unknown = subgate.wait_for_audit("message.unknown")[0]
    assert (unknown["message"], unknown["attempt"]) == (leaving["message"], leaving["attempt"])
    assert unknown["message_id"] == "<77.test@example.com>" and unknown["chain"]["id"] != leaving["chain"]["id"]


def test_it_is_found_although_others_were_sent_since(subgate, upstream):
    password = subgate.create_app_password(USER)
    upstream.script["."] = ["hang"]
    client = login(subgate, USER, password)
    sender = threading.Thread(target=lambda: pytest.raises(
        (smtplib.SMTPException, OSError), client.sendmail, USER, ["bob@example.net"], message(USER, number=78)))
    sender.start()
    leaving = subgate.wait_for_audit("message.leaving")[0]
    wait_until(lambda: "." in upstream.commands, "the final dot upstream")
    with login(subgate, USER, password) as other:
        other.sendmail(USER, ["bob@example.net"], message(USER, number=79))
    subgate.wait_for_audit("message.sent")
    audit, journal = subgate.state / "audit.jsonl", subgate.state / "audit-state"
    wait_until(lambda: journal.stat().st_mtime_ns >= audit.stat().st_mtime_ns,
               "the place to search from to be written after the last record")
    os.kill(subgate.pids("relay")[0], signal.SIGKILL)
    sender.join(PATIENCE)
    [unknown] = subgate.wait_for_audit("message.unknown")
    assert unknown["message"] == leaving["message"] and unknown["message_id"] == "<78.test@example.com>"


def test_roles_die_with_their_supervisor(subgate):
    roles = [pid for role in ("gate", "auth", "relay", "admin") for pid in subgate.pids(role)]
    assert len(roles) == 5
    subgate.kill()
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in roles), "the roles to end")
