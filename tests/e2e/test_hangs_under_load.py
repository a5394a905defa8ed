"""
SIGSTOP of each process under load: seconds until it is shown and until mail flows again; nothing lost, doubled or left
unaudited.
"""

import collections
import os
import signal
import smtplib
import threading
import time

import pytest

from e2e.test_hangs import REPLACED, SHOWN, SLACK, ask
from e2e.test_roles_die import NUMBER, USER, Load, check_audit
from harness.client import login, message
from harness.process import wait_until
from harness.subgate import relay_section

COUNTED = "quota default { messages_per_day = 1000000  messages_per_minute = 0  recipients_per_day = 0 }\n"
ROW = "{:<12}{:>10}{:>14}{:>16}{:>14}{:>10}{:>8}{:>9}"


class Times(list):
    """When each message was acknowledged."""

    def append(self, number):
        super().append((time.monotonic(), number))

    def since(self, moment):
        return [when for when, _ in self if when > moment]


def is_shown(subgate, role):
    """
    As hung; or, of what answers /readyz itself, by silence, which a look must find before the next admin answers what
    the former one has left in the queue.
    """
    code, text = ask(subgate, seconds=3)
    return f"hung: {role}" in text or (role == "admin" and code is None)


def longest_pause(began, acknowledged):
    """(seconds, until when): between two acknowledgements after `began`."""
    pauses = [(b - a, b) for a, b in zip([began, *acknowledged], acknowledged)]
    return max(pauses)


def stop_under_load(subgate, load, role):
    """(seconds until it is shown, until mail flows again, longest pause) after SIGSTOP of one process of this role."""
    wait_until(lambda: len(load.acknowledged) > 50, "the load to flow", 30)
    victim = subgate.pid if role == "supervisor" else subgate.pids(role)[0]
    os.kill(victim, signal.SIGSTOP)
    began = time.monotonic()
    wait_until(lambda: is_shown(subgate, role), "/readyz to say so", SHOWN + SLACK)
    shown = time.monotonic() - began
    if role == "supervisor":  # systemd's to replace: here it goes on after a while
        time.sleep(10)
        os.kill(victim, signal.SIGCONT)
    else:
        wait_until(lambda: victim not in subgate.pids(role), f"the hung {role} to be gone", REPLACED + SLACK)
    wait_until(lambda: ask(subgate) == (200, "ready\n"), f"{role} to be well")
    well = time.monotonic()
    wait_until(lambda: len(load.acknowledged.since(well)) > 50, "mail to flow again", 30)
    pause, until = longest_pause(began, load.acknowledged.since(began))
    return shown, until - began if pause > 1 else 0, pause


@pytest.mark.seconds(14)
@pytest.mark.parametrize("role", ["gate", "auth", "relay", "admin", "redis", "supervisor"])
def test_a_process_hangs_under_load(upstream, role, start):
    upstream.delay = 0.005
    subgate = start(relay_section(upstream) + COUNTED)
    password = subgate.create_app_password(USER)
    load = Load(subgate, password)
    load.acknowledged = Times()
    with load:
        shown, flows, pause = stop_under_load(subgate, load, role)
    numbers = [int(NUMBER.search(m.content).group(1)) for m in upstream.messages]
    doubled = [n for n, count in collections.Counter(numbers).items() if count > 1]
    lost = {number for _, number in load.acknowledged} - set(numbers)
    print(ROW.format("stopped", "shown s", "flows again s", "longest pause s", "acknowledged",
                     "refused", "lost", "doubled"))
    print(ROW.format(role, f"{shown:.1f}", f"{flows:.1f}", f"{pause:.1f}", len(load.acknowledged),
                     sum(load.refused.values()), len(lost), len(doubled)))
    assert not doubled and not lost
    check_audit(subgate, numbers)
    used = wait_until(lambda: subgate.ctl_json("quota", "show", USER)["used"], "the quota")
    assert used >= len(set(numbers)), "more was accepted than charged"


def test_a_relay_that_hangs_between_dot_and_reply_leaves_message_unknown(subgate, upstream):
    """The upstream may have it: it is handed over once, and the client hears that it is not known."""
    password = subgate.create_app_password(USER)
    upstream.script["."] = ["hang"]
    client = login(subgate, USER, password, timeout=60)
    heard = []

    def send():
        with pytest.raises((smtplib.SMTPException, OSError)) as error:
            client.sendmail(USER, ["bob@example.net"], message(USER, number=78))
        heard.append(error.value)

    sender = threading.Thread(target=send)
    sender.start()
    wait_until(lambda: "." in upstream.commands, "the final dot upstream")
    os.kill(subgate.pids("relay")[0], signal.SIGSTOP)
    unknown = subgate.wait_for_audit("message.unknown", seconds=REPLACED + SLACK)
    assert [record["message_id"] for record in unknown] == ["<78.test@example.com>"]
    sender.join(30)
    assert heard and getattr(heard[0], "smtp_code", 421) in (421, 451), heard
    assert upstream.commands.count(".") == 1
