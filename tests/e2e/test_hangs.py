"""
A process that hangs (SIGSTOP) is shown within seconds, killed and replaced; commands are answered whatever a process
does.
"""

import contextlib
import os
import pathlib
import signal
import socket
import time
import urllib.error
import urllib.request

import pytest

from harness.client import login, message
from harness.debugger import Debugger
from harness.process import PATIENCE, wait_until

USER = "alice@example.com"
ROLES = ("gate", "auth", "relay", "admin", "redis")
SHOWN, REPLACED, ANSWERED = 5, 15, 15  # seconds that are promised
SLACK = 20  # seconds more, for a machine that is busy with other tests


def ask(subgate, path="readyz", seconds=10):
    """(code, text); (None, "") where nobody answers within so long."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{subgate.http}/{path}", timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return None, ""


def states(subgate, role):
    return [process["state"] for process in subgate.ctl_json("status")["processes"] if process["role"] == role]


def took(action):
    began = time.monotonic()
    result = action()
    return time.monotonic() - began, result


def reload(subgate):
    """Seconds until it was answered: done, or, on a machine that is busy with other tests, that it is not done yet."""
    seconds, done = took(lambda: subgate.ctl("reload", check=False))
    assert done.returncode == 0 or "not ready yet" in done.stderr, done.stderr
    assert seconds < ANSWERED + SLACK / 2
    return seconds


@pytest.mark.parametrize("role", ["gate", "auth", "relay"])
def test_a_role_that_hangs_is_shown_and_replaced(subgate, upstream, role):
    password = subgate.create_app_password(USER)
    victim = subgate.pids(role)[0]
    os.kill(victim, signal.SIGSTOP)
    shown, _ = took(lambda: wait_until(lambda: ask(subgate) == (503, f"hung: {role}\n"), "/readyz to say so",
                                       SHOWN + SLACK))
    assert "hung" in states(subgate, role)
    assert ask(subgate, "healthz")[0] == 200
    assert f'subgate_role_hung{{role="{role}"}} 1\n' in ask(subgate, "metrics")[1]
    replaced, _ = took(lambda: wait_until(lambda: victim not in subgate.pids(role) and ask(subgate)[0] == 200,
                                          f"a new {role}", REPLACED + SLACK))
    print(f"{role}: shown after {shown:.1f} s, replaced after {shown + replaced:.1f} s")
    wait_until(lambda: "hung" not in states(subgate, role), "status to be well")
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER))


def test_an_embedded_redis_that_hangs_is_shown_and_replaced(subgate, upstream):
    password = subgate.create_app_password(USER)
    victim, = subgate.pids("redis")
    os.kill(victim, signal.SIGSTOP)
    wait_until(lambda: "hung: redis\n" in ask(subgate)[1], "/readyz to say so", SHOWN + SLACK)
    assert states(subgate, "redis") == ["hung"]
    wait_until(lambda: subgate.pids("redis") not in ([], [victim]) and ask(subgate)[0] == 200, "a new Redis",
               REPLACED + SLACK)
    wait_until(lambda: subgate.ctl("quota", "show", USER, check=False).returncode == 0, "the relay to find it")
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER))
    assert states(subgate, "redis") == ["ready"]
    assert 'subgate_role_restarts_total{role="redis"} 1\n' in ask(subgate, "metrics")[1]


def test_one_that_goes_on_is_left_alone(subgate):
    victim = subgate.pids("relay")[0]
    os.kill(victim, signal.SIGSTOP)
    wait_until(lambda: "hung" in ask(subgate)[1], "/readyz to say so", SHOWN + SLACK)
    os.kill(victim, signal.SIGCONT)
    wait_until(lambda: ask(subgate) == (200, "ready\n"), "/readyz to be well")
    assert subgate.pids("relay") == [victim]


def test_a_stopped_admin_keeps_nobody_waiting(subgate):
    """Whoever asks while it is stopped is answered by its successor: subgatectl waits for 15 s."""
    victim = subgate.pids("admin")[0]
    os.kill(victim, signal.SIGSTOP)
    seconds = reload(subgate)
    assert victim not in subgate.pids("admin")
    print(f"reload past a stopped admin: {seconds:.1f} s")


@pytest.mark.parametrize("role", ["gate", "auth", "relay"])
def test_a_reload_is_answered_whatever_a_role_does(subgate, role):
    victim = subgate.pids(role)[0]
    os.kill(victim, signal.SIGSTOP)
    seconds = reload(subgate)
    wait_until(lambda: victim not in subgate.pids(role), "the one that hangs to be gone", REPLACED + SLACK)
    print(f"reload past a stopped {role}: {seconds:.1f} s")


def stop_next_child(subgate, former):
    """Stops the next process that the supervisor starts, as early as it can be seen; its process id."""
    children = pathlib.Path(f"/proc/{subgate.pid}/task/{subgate.pid}/children")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for pid in set(children.read_text().split()) - former:
            os.kill(int(pid), signal.SIGSTOP)
            return int(pid)
    raise AssertionError("no new process came")


def reload_with_a_new_process_stopped(subgate):
    """The answer, the stopped process, and seconds."""
    former = set(pathlib.Path(f"/proc/{subgate.pid}/task/{subgate.pid}/children").read_text().split())
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(subgate.run / "admin.sock"))
        control.settimeout(ANSWERED + SLACK)
        control.sendall(b'{"command":"reload"}\n')
        new = stop_next_child(subgate, former)
        seconds, answer = took(lambda: control.recv(4096))
    return answer, new, seconds


@pytest.mark.seconds(13)
def test_a_reload_whose_new_processes_hang_is_answered(subgate):
    """
    Where a new process hangs before it is ready, the answer says that it is not known yet; then the reload fails or
    succeeds.
    """
    gates = subgate.pids("gate")
    for _ in range(20):  # one that got ready first, on a busy machine, is no use here
        answer, new, seconds = reload_with_a_new_process_stopped(subgate)
        if b"not ready yet" in answer:
            break
        os.kill(new, signal.SIGCONT)
        wait_until(lambda: len(subgate.pids("gate")) == 2, "the former gates to end")
        gates = subgate.pids("gate")
    assert b"not ready yet" in answer and seconds < ANSWERED + SLACK, (answer, seconds)
    print(f"reload with a stopped new process: answered after {seconds:.1f} s")
    assert set(gates) <= set(subgate.pids("gate")) and ask(subgate)[0] == 200  # a new one may be there, and waits
    with contextlib.suppress(ProcessLookupError):  # it has been killed by then, where the machine is slow
        os.kill(new, signal.SIGCONT)
    wait_until(lambda: set(subgate.pids("gate")).isdisjoint(gates) or "the old processes go on" in subgate.log,
               "the reload to be done, or to fail")


@pytest.mark.seconds(32)
def test_a_successor_that_never_gets_ready_is_replaced_too(subgate, upstream):
    password = subgate.create_app_password(USER)
    children = pathlib.Path(f"/proc/{subgate.pid}/task/{subgate.pid}/children")
    for _ in range(10):  # until one is caught before it is ready
        former = set(children.read_text().split())
        os.kill(subgate.pids("relay")[0], signal.SIGKILL)
        victim = stop_next_child(subgate, former)
        if states(subgate, "relay") == ["starting"]:
            break
        os.kill(victim, signal.SIGCONT)
        wait_until(lambda: states(subgate, "relay") == ["ready"], "the relay to be ready")
    assert states(subgate, "relay") == ["starting"]
    wait_until(lambda: victim not in subgate.pids("relay") and states(subgate, "relay") == ["ready"],
               "one more relay", 60)
    wait_until(lambda: ask(subgate)[0] == 200, "/readyz to be well")
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER))


def test_a_drain_is_answered_and_done_past_a_stopped_gate(subgate):
    os.kill(subgate.pids("gate")[0], signal.SIGSTOP)
    seconds, _ = took(lambda: subgate.ctl("drain"))
    assert seconds < ANSWERED + SLACK / 2
    wait_until(lambda: not pathlib.Path(f"/proc/{subgate.pid}/exe").exists(), "subgate to end", 40)


@pytest.mark.seconds(20)
def test_a_supervisor_that_was_stopped_kills_nobody(subgate):
    roles = [pid for role in ROLES for pid in subgate.pids(role)]
    subgate.signal(signal.SIGSTOP)
    wait_until(lambda: ask(subgate) == (503, "hung: supervisor\n"), "/readyz to say so", SHOWN + SLACK)
    assert ask(subgate, "healthz") == (503, "hung: supervisor\n")
    time.sleep(12)  # longer than a role may be silent
    subgate.signal(signal.SIGCONT)
    wait_until(lambda: ask(subgate) == (200, "ready\n"), "/readyz to be well")
    time.sleep(2)
    assert [pid for role in ROLES for pid in subgate.pids(role)] == roles
    assert "hangs" not in subgate.log


@pytest.mark.seconds(18)
def test_a_node_that_was_frozen_kills_nobody(subgate):
    """All of it stopped at once, as by a suspended machine or a paused container, and woken supervisor first."""
    roles = [pid for role in ROLES for pid in subgate.pids(role)]
    for pid in [subgate.pid, *roles]:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(15)
    for pid in [subgate.pid, *roles]:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: ask(subgate) == (200, "ready\n"), "/readyz to be well")
    time.sleep(2)
    assert [pid for role in ROLES for pid in subgate.pids(role)] == roles
    assert "killed" not in subgate.log


def test_a_gate_has_no_hand_on_the_signs_of_others(subgate):
    """Its own slab is mapped, and nothing else of that memory; no descriptor leads to it."""
    for pid in subgate.pids("gate"):
        maps = [line for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines() if "/memfd:stats" in line]
        assert len(maps) == 1, maps
        assert not [fd for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir() if "memfd:stats" in os.readlink(fd)]
    offsets = [pathlib.Path(f"/proc/{pid}/maps").read_text().split("/memfd:stats")[0].splitlines()[-1].split()[2]
               for pid in subgate.pids("gate")]
    assert len(set(offsets)) == len(offsets) and "00000000" not in offsets  # the supervisor's is the first


def listen_for(path, word, seconds):
    """The state words that systemd would get within so long, up to and with this one."""
    heard = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        path.unlink(missing_ok=True)
        notify.bind(str(path))
        end = time.monotonic() + seconds
        while time.monotonic() < end and word not in heard:
            notify.settimeout(max(0.01, end - time.monotonic()))
            try:
                heard.append(notify.recv(4096).decode())
            except TimeoutError:
                break
    return heard


def test_systemd_hears_from_a_supervisor_that_is_well(subgate, tmp_path):
    subgate.stop()
    notify = tmp_path / "notify"
    subgate.start(env={"NOTIFY_SOCKET": str(notify), "WATCHDOG_USEC": "3000000"})
    assert "WATCHDOG=1" in listen_for(notify, "WATCHDOG=1", PATIENCE)
    subgate.signal(signal.SIGSTOP)
    assert "WATCHDOG=1" not in listen_for(notify, "WATCHDOG=1", 4)
    subgate.signal(signal.SIGCONT)
    assert "WATCHDOG=1" in listen_for(notify, "WATCHDOG=1", PATIENCE)


@pytest.mark.seconds(36)
def test_systemd_hears_nothing_where_killing_does_not_help(subgate, tmp_path):
    """A process that outlives its kill, as one does that waits for a disk in the kernel; here a debugger keeps it."""
    subgate.stop()
    notify = tmp_path / "notify"
    subgate.start(env={"NOTIFY_SOCKET": str(notify), "WATCHDOG_USEC": "3000000"})
    relay, = subgate.pids("relay")
    with Debugger(relay) as debugger:
        wait_until(lambda: "relay hangs, and is killed" in subgate.log, "the relay to be killed", REPLACED + SLACK)
        wait_until(lambda: "WATCHDOG=1" not in listen_for(notify, "WATCHDOG=1", 4), "silence towards systemd", 60)
        wait_until(debugger.reap, "the relay to be gone")
    assert "WATCHDOG=1" in listen_for(notify, "WATCHDOG=1", PATIENCE)
    wait_until(lambda: subgate.pids("relay") not in ([], [relay]) and ask(subgate)[0] == 200, "a new relay")
