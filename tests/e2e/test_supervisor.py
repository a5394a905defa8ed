"""The supervisor: processes that die again and again, reloads of every kind, and ends asked for at bad moments."""

import concurrent.futures
import contextlib
import os
import pathlib
import re
import signal
import smtplib
import time

import pytest

from e2e.test_roles_die import Load, check_audit
from harness.client import connect, login, message
from harness.process import PATIENCE, free_port, is_listening, wait_until
from harness.subgate import relay_section
from harness.upstream import Upstream

USER = "alice@example.com"
UNLIMITED = "quota default { messages_per_day = 0  messages_per_minute = 0  recipients_per_day = 0 }\n"
ROLES = ("gate", "auth", "relay", "admin", "redis")


def send(subgate, password, number=0):
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER, number=number))


def works(subgate, password):
    try:
        send(subgate, password)
    except (smtplib.SMTPException, OSError):
        return False
    return True


ENDING, AT_ONCE = "ending: sessions may finish within", "asked to end once more: at once"
DONE, GIVEN_UP = "reload: done", "the old processes go on"


def children(subgate):
    return [pid for role in ROLES for pid in subgate.pids(role)]


def are_gone(pids):
    return not any(os.path.exists(f"/proc/{pid}/exe") for pid in pids)


def test_mail_flows_without_admin_and_a_new_one_comes(subgate):
    password = subgate.create_app_password(USER)
    for _ in range(3):
        before = subgate.pids("admin")[0]
        os.kill(before, signal.SIGKILL)
        send(subgate, password)
        wait_until(lambda: subgate.pids("admin") not in ([], [before]), "a new admin")
        wait_until(lambda: subgate.ctl("relay", "list", check=False).returncode == 0, "its answer")


@pytest.mark.seconds(10)
@pytest.mark.parametrize("role", ROLES)
def test_a_role_that_dies_at_once_each_time_is_started_ever_more_slowly(subgate, role):
    password = subgate.create_app_password(USER)
    processes = 2 if role == "gate" else 1
    killed, end = set(), time.monotonic() + 5

    def kill_new_ones():
        for pid in set(subgate.pids(role)) - killed:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        return time.monotonic() >= end

    wait_until(kill_new_ones, "five seconds to pass")
    assert len(killed) <= 7 * processes, killed
    wait_until(lambda: kill_new_ones() and len(killed) >= 4 * processes, lambda: f"more to be started: {killed}")
    wait_until(lambda: works(subgate, password), "mail to flow again")


def test_a_wrong_config_changes_nothing(subgate, upstream):
    password = subgate.create_app_password(USER)
    before = children(subgate)
    for wrong in ("nonsense", 'relay other { host = "x"  password_file = "secrets/missing" }\n',
                  'listener third { address = {"192.0.2.1:465"} }\n', 'redis { server = "unix:/nowhere" }\n'):
        subgate.write_config(relay_section(upstream) + wrong)
        done = subgate.ctl("reload", check=False)
        assert done.returncode == 1 and str(subgate.config) in done.stdout + done.stderr, done
        subgate.signal(signal.SIGHUP)
    send(subgate, password)
    assert children(subgate) == before
    subgate.config.unlink()
    assert subgate.ctl("reload", check=False).returncode == 1
    send(subgate, password)
    subgate.write_config(relay_section(upstream))
    subgate.ctl("reload")
    send(subgate, password)


def seize_newborn(subgate, before, number, nth=1):
    """Signals the nth new child of the supervisor as soon as it is there."""
    listing, end = pathlib.Path(f"/proc/{subgate.pid}/task/{subgate.pid}/children"), time.monotonic() + PATIENCE
    while time.monotonic() < end:
        new = set(map(int, listing.read_text().split())) - set(before)
        if len(new) >= nth:
            os.kill(max(new), number)
            return max(new)
    raise AssertionError(f"{nth} new processes did not come:\n{subgate.log}")


def spoil_reload(subgate, number, nth=1, meanwhile=None):
    """
    A reload that is given up, as its nth new process gets this signal before it is ready: those that were there before.
    `meanwhile` is called with that process stopped. None: it got ready first, as may be on a busy machine.
    """
    wait_until(lambda: len(subgate.pids("relay")) == 1, "processes of one config alone", 60)
    before = children(subgate)
    given_up, done = subgate.log.count(GIVEN_UP), subgate.log.count(DONE)
    subgate.signal(signal.SIGHUP)
    victim = seize_newborn(subgate, before, signal.SIGSTOP if meanwhile else number, nth)
    if meanwhile:
        meanwhile()
        os.kill(victim, number)
    wait_until(lambda: subgate.log.count(GIVEN_UP) > given_up or subgate.log.count(DONE) > done, "its outcome", 60)
    if subgate.log.count(GIVEN_UP) > given_up:
        return before
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim, signal.SIGCONT)
    return None


def test_a_process_that_dies_at_its_start_leaves_the_old_ones_in_place(subgate):
    password = subgate.create_app_password(USER)
    for _ in range(20):  # one that got ready first, on a busy machine, is no use here
        wait_until(lambda: len(children(subgate)) == 6, "the old processes to end", 60)
        before = children(subgate)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            reload = pool.submit(subgate.ctl, "reload", check=False)
            seize_newborn(subgate, before, signal.SIGKILL)
            done = reload.result(PATIENCE)
        if done.returncode:
            break
    assert done.returncode == 1 and "nothing has changed" in done.stderr + done.stdout
    wait_until(lambda: children(subgate) == before, "the new ones to be gone")
    send(subgate, password)
    subgate.ctl("reload")
    send(subgate, password)


@pytest.mark.seconds(31)
def test_a_process_that_hangs_at_its_start_is_given_up(subgate):
    password = subgate.create_app_password(USER)
    before = next(filter(None, (spoil_reload(subgate, signal.SIGSTOP) for _ in range(20))))
    wait_until(lambda: children(subgate) == before, "the new ones to be gone")
    send(subgate, password)
    subgate.ctl("reload")
    send(subgate, password)


def test_listeners_relays_and_secrets_change_with_a_reload(upstream, authority, start):
    subgate = start(relay_section(upstream))
    password = subgate.create_app_password(USER)
    send(subgate, password)
    other = Upstream(authority).start()
    other.PASSWORD = "another-Password-1"
    (subgate.folder / "secrets" / "upstream").write_text("another-Password-1\n")
    former, subgate.implicit = subgate.implicit, free_port()
    subgate.write_config(relay_section(other, "elsewhere"))
    subgate.ctl("reload")
    assert not is_listening(former)
    send(subgate, password)
    assert (len(upstream.messages), len(other.messages)) == (1, 1)
    wait_until(lambda: "QUIT" in upstream.commands, "QUIT to the former relay")
    other.stop()


def test_five_reloads_in_a_row_under_load(upstream, start):
    upstream.delay = 0.005
    subgate = start(relay_section(upstream) + UNLIMITED)
    password = subgate.create_app_password(USER)
    with Load(subgate, password) as load:
        wait_until(lambda: len(load.acknowledged) > 20, "the load to flow", 30)
        for _ in range(5):
            subgate.ctl("reload")
        before = len(load.acknowledged)
        wait_until(lambda: len(load.acknowledged) > before + 20, "the load to flow on", 30)
    numbers = [int(m.content.split(b"Message-ID: <")[1].split(b".")[0]) for m in upstream.messages]
    assert len(set(numbers)) == len(numbers) and set(load.acknowledged) <= set(numbers)
    assert not {code for code in load.refused if code not in (421, "SMTPServerDisconnected")}, load.refused
    check_audit(subgate, numbers)
    wait_until(lambda: len(children(subgate)) == 6, "the old processes to end", 30)


def test_reloads_at_once_are_done_or_refused(subgate):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: subgate.ctl("reload", check=False), range(4)))
    assert any(d.returncode == 0 for d in done)
    for d in done:
        assert d.returncode == 0 or "a reload is under way" in d.stderr + d.stdout or d.returncode == 3, d
    subgate.ctl("reload")
    wait_until(lambda: len(children(subgate)) == 6, "the old processes to end", 30)


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
def test_sigterm_during_a_reload_ends_all(subgate, delay):
    subgate.signal(signal.SIGHUP)
    time.sleep(delay)
    pids = children(subgate)
    assert subgate.stop() == 0
    assert are_gone(pids) and "took too long" not in subgate.log


def held_message(subgate, upstream, password):
    """A client whose message hangs at the upstream's reply to the final dot."""
    upstream.script["."] = ["hang"]
    client = login(subgate, USER, password, timeout=60)
    client.mail(USER)
    client.rcpt("bob@example.net")
    client.putcmd("DATA")
    assert client.getreply()[0] == 354
    client.send(message(USER, number=7) + b".\r\n")
    wait_until(lambda: "." in upstream.commands, "the final dot upstream")
    return client


def test_a_second_sigterm_ends_gates_at_once_and_the_message_is_recorded(subgate, upstream):
    password = subgate.create_app_password(USER)
    client = held_message(subgate, upstream, password)
    pids = children(subgate)
    subgate.signal(signal.SIGTERM)
    subgate.wait_for_log(ENDING)
    assert subgate.pids("gate")
    assert subgate.stop() == 0
    assert are_gone(pids) and subgate.log.count(AT_ONCE) == 1
    assert re.search(r"gate \d .* has ended: killed by signal 9", subgate.log)
    assert [r["message_id"] for r in subgate.audit("message.unknown")] == ["<7.test@example.com>"]
    client.close()


def test_a_third_sigterm_ends_all_and_the_next_start_records_the_message(subgate, upstream):
    password = subgate.create_app_password(USER)
    client = held_message(subgate, upstream, password)
    pids = children(subgate)
    for said in (ENDING, AT_ONCE):  # two that come before one was taken are one
        subgate.signal(signal.SIGTERM)
        subgate.wait_for_log(said)
    assert subgate.stop() == 0
    assert are_gone(pids) and subgate.log.count(AT_ONCE) == 2 and "took too long" not in subgate.log
    client.close()
    subgate.start()
    assert [r["message_id"] for r in subgate.wait_for_audit("message.unknown")] == ["<7.test@example.com>"]
    send(subgate, password)


def test_drain_time_is_kept_and_what_is_left_hears_421_or_451(upstream, start):
    subgate = start(relay_section(upstream), drain="5s")
    password = subgate.create_app_password(USER)
    slow = login(subgate, USER, password)
    slow.putcmd(f"MAIL FROM:<{USER}>")
    assert slow.getreply()[0] == 250
    assert slow.rcpt("bob@example.net")[0] == 250
    slow.putcmd("DATA")
    assert slow.getreply()[0] == 354
    began = time.monotonic()
    subgate.signal(signal.SIGTERM)
    code, _ = slow.getreply()
    assert code in (421, 451) and 4 < time.monotonic() - began < PATIENCE
    assert subgate.stop() == 0
    assert upstream.messages == []


def test_the_new_relay_leaves_the_messages_of_the_old_one_alone(subgate, upstream):
    """Both live; the new one dies and comes back: it must not take what the old one is at for an orphan."""
    password = subgate.create_app_password(USER)
    client = held_message(subgate, upstream, password)
    old = subgate.pids("relay")
    subgate.ctl("reload")
    for _ in range(2):
        new = [pid for pid in subgate.pids("relay") if pid not in old]
        os.kill(new[0], signal.SIGKILL)
        wait_until(lambda: set(subgate.pids("relay")) - set(old) - set(new), "a new relay")
    wait_until(lambda: works(subgate, password), "mail to flow")
    subgate.wait_for_audit("message.sent")  # milliseconds after its reply; killed before, the relay would not know it
    assert subgate.audit("message.unknown") == []
    os.kill(old[0], signal.SIGKILL)
    assert client.getreply()[0] in (421, 451)
    new = [pid for pid in subgate.pids("relay") if pid not in old]
    os.kill(new[0], signal.SIGKILL)
    unknown = subgate.wait_for_audit("message.unknown")
    assert [r["message_id"] for r in unknown] == ["<7.test@example.com>"]
    client.close()


def test_two_crashes_leave_one_outcome(subgate, upstream):
    password = subgate.create_app_password(USER)
    client = held_message(subgate, upstream, password)
    for _ in range(3):
        before = subgate.pids("relay")
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: subgate.pids("relay") not in ([], before), "a new relay")
    wait_until(lambda: works(subgate, password), "mail to flow")
    assert [r["message_id"] for r in subgate.wait_for_audit("message.unknown")] == ["<7.test@example.com>"]
    client.close()


def test_all_at_once_killed_and_started_again(upstream, start):
    subgate = start(relay_section(upstream))
    password = subgate.create_app_password(USER)
    client = held_message(subgate, upstream, password)
    pids = children(subgate)
    subgate.kill()
    wait_until(lambda: are_gone(pids), "all to end")
    client.close()
    subgate.start()
    assert [r["message_id"] for r in subgate.wait_for_audit("message.unknown")] == ["<7.test@example.com>"]
    assert subgate.ctl_json("quota", "show", USER)["used"] == 1
    send(subgate, password)
