"""Promise 2: the processes that talk to clients hold no secret of anybody else, and can open nothing."""

import base64
import errno
import json
import os
import pathlib
import re
import subprocess
import threading

import pytest

from harness.client import Line, connect, login, message
from harness.debugger import Debugger
from harness.directory import Directory
from harness.process import wait_until
from harness.redis_server import RedisServer
from harness.subgate import BUILD, SANITIZED, relay_section
from harness.upstream import Upstream

USER, PASSWORD = "alice@example.com", "Alice-Password-1"


def memory_of(pid):
    """All readable memory of a process, piece by piece."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            bounds, rights = line.split()[:2]
            start, end = (int(x, 16) for x in bounds.split("-"))
            if "r" not in rights or "[v" in line or end - start > 1 << 32:
                continue
            memory.seek(start)
            try:
                yield memory.read(end - start)
            except OSError:
                continue


def find(pid, needles):
    return {name for piece in memory_of(pid) for name, needle in needles.items() if needle in piece}


def forms_of(name, secret):
    raw = secret.encode()
    return {name: raw, f"{name} (base64)": base64.b64encode(raw).rstrip(b"=")}


def test_gates_hold_no_secret_while_mail_flows(upstream, directory, redis, start):
    subgate = start(relay_section(upstream) + directory.section() + redis.section())
    device = subgate.create_app_password(USER)
    stored = [json.loads(line) for line in (subgate.state / "app-passwords").read_text().splitlines()]
    secrets = {
        **forms_of("upstream password", Upstream.PASSWORD),
        **forms_of("LDAP bind password", Directory.BIND_PASSWORD),
        **forms_of("Redis password", RedisServer.PASSWORD),
    }
    for record in stored:
        secrets["app-password hash"] = record["hash"].encode()
        if re.fullmatch("[0-9a-f]{64}", record["hash"]):
            secrets["app-password hash (raw)"] = bytes.fromhex(record["hash"])
    stop = threading.Event()

    def flow():
        while not stop.is_set():
            for password in (PASSWORD, device):
                with login(subgate, USER, password) as client:
                    client.sendmail(USER, ["bob@example.net"], message(USER))

    client = threading.Thread(target=flow)
    client.start()
    try:
        upstream.wait_for(4)
        gates = subgate.pids("gate")
        assert len(gates) == 2
        for gate in gates:
            assert find(gate, secrets) == set()
            # The search works: what a gate must know is found.
            assert find(gate, {"greeting name": b"mail.example.com"})
        # And the secrets are where they belong.
        assert "upstream password" in find(subgate.pids("auth")[0], secrets)
        assert "Redis password" in find(subgate.pids("relay")[0], secrets)
    finally:
        stop.set()
        client.join()


def test_gates_can_write_to_nothing_that_others_read_but_their_counts_and_the_ring_of_their_door(subgate):
    """The counts are a place of their own, and of what is in the ring the relay takes copies before it looks."""
    for gate in map(pathlib.Path, (f"/proc/{pid}" for pid in subgate.pids("gate"))):
        wait_until(lambda: "memfd:ring" in (gate / "maps").read_text(), "the relay to give a ring")
        for entry in (gate / "fd").iterdir():
            kind = os.readlink(entry)
            if kind == "/dev/null" or kind.startswith(("socket:", "pipe:", "anon_inode:")):
                continue
            flags = re.search(r"flags:\s*([0-7]+)", (gate / "fdinfo" / entry.name).read_text())
            assert int(flags[1], 8) & os.O_ACCMODE == os.O_RDONLY, kind
        shared = re.findall(r" .w.s .*?/(\S+)", (gate / "maps").read_text())
        assert set(shared) == {"memfd:ring", "memfd:census", "memfd:stats"}


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_gates_forget_a_password_once_it_was_judged(subgate, mechanism):
    """In no form, and in no buffer that was given back: the session is still open."""
    password = subgate.create_app_password(USER)
    response = f"\0{USER}\0{password}" if mechanism == "PLAIN" else password
    encoded = base64.b64encode(response.encode()).decode()
    line = Line(subgate)
    line.read_reply()
    line.command("EHLO client.example")
    if mechanism == "LOGIN":
        line.command("AUTH LOGIN " + base64.b64encode(USER.encode()).decode())
        reply = line.command(encoded)
    else:
        reply = line.command("AUTH PLAIN " + encoded)
    assert reply[0].startswith("235")
    # The front of memory given back is written over by the allocator.
    needles = {"password": password.encode(), "end of the response": encoded.rstrip("=")[-16:].encode()}
    for gate in subgate.pids("gate"):
        assert find(gate, needles) == set()


def test_no_secret_is_in_a_log_an_audit_record_or_an_answer(upstream, directory, redis, start):
    subgate = start(relay_section(upstream) + directory.section() + redis.section() + 'log { level = "debug" }\n')
    device = subgate.create_app_password(USER)
    for password in (PASSWORD, device):
        with login(subgate, USER, password) as client:
            client.sendmail(USER, ["bob@example.net"], message(USER))
    subgate.wait_for_audit("message.sent", 2)
    dump = subprocess.run([BUILD / "subgate", "-c", subgate.config, "--dump"], capture_output=True, text=True).stdout
    command_lines = "".join(pathlib.Path(f"/proc/{p}/cmdline").read_text() +
                            pathlib.Path(f"/proc/{p}/environ").read_text()
                            for r in ("gate", "auth", "relay", "admin") for p in subgate.pids(r))
    texts = {
        "log": subgate.log, "audit": (subgate.state / "audit.jsonl").read_text(), "dump": dump, "ps": command_lines,
        "status": subgate.ctl("status").stdout, "app passwords": subgate.ctl("app-password", "list").stdout,
        "store": (subgate.state / "app-passwords").read_text(),
    }
    bare = device.replace("-", "")
    for where, text in texts.items():
        for secret in (Upstream.PASSWORD, Directory.BIND_PASSWORD, RedisServer.PASSWORD, PASSWORD, device, bare):
            assert secret not in text, f"a secret is in the {where}"


@pytest.mark.skipif(SANITIZED, reason="seccomp is off in the sanitized build, as documented")
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the debugger knows x86-64 registers")
def test_a_gate_made_to_open_a_file_or_a_socket_is_refused(subgate):
    gate = subgate.pids("gate")[0]
    passwd = b"/etc/passwd"
    calls = {  # numbers of arch/x86/entry/syscalls/syscall_64.tbl
        "open": (2, passwd, 0), "openat": (257, -100, passwd, 0), "openat2": (437, -100, passwd, bytes(24), 24),
        "socket": (41, 2, 1, 0), "connect": (42, 0, bytes(16), 16), "bind": (49, 0, bytes(16), 16),
        "execve": (59, b"/bin/sh", 0, 0), "fork": (57,), "ptrace": (101, 0, 0, 0), "kill": (62, os.getpid(), 0),
        "sendto with an address": (44, 3, bytes(1), 1, 0, bytes(16), 16), "sendmsg": (46, 3, bytes(56), 0),
        "setsockopt": (54, 3, 1, 2, bytes(4), 4),
        "unlink": (87, passwd), "io_uring_setup": (425, 1, bytes(120)), "process_vm_readv": (310, os.getpid(), 0, 0),
    }
    with Debugger(gate) as debugger:
        assert debugger.system_call(39) == gate, "getpid works: the debugger does"
        answers = {name: debugger.system_call(*call) for name, call in calls.items()}
    allowed = {name: answer for name, answer in answers.items() if answer not in (-errno.EPERM, -errno.EACCES)}
    assert allowed == {}
    # It goes on as before.
    with connect(subgate) as client:
        assert client.noop()[0] == 250
    assert gate in subgate.pids("gate")


def test_what_every_role_gave_up(subgate):
    for role in ("gate", "auth", "relay", "admin"):
        for pid in subgate.pids(role):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            assert "NoNewPrivs:\t1" in status, role
            if not SANITIZED:
                assert "Seccomp:\t2" in status, role
            limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
            assert re.search(r"Max core file size\s+0\s+0", limits), role


def test_secret_files_that_others_can_read_are_refused(upstream, tmp_path, start):
    subgate = start(relay_section(upstream))
    secret = subgate.folder / "secrets" / "upstream"
    secret.chmod(0o644)
    done = subgate.check()
    secret.chmod(0o600)
    assert done.returncode == 1
    assert re.search(r"subgate\.conf:\d+: .*upstream.*0600|chmod", done.stdout + done.stderr)


def test_files_of_the_state_folder_are_private(subgate):
    subgate.create_app_password(USER)
    for path in subgate.state.rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, f"{path} is {oct(path.stat().st_mode)}"
    assert os.stat(subgate.run / "admin.sock").st_mode & 0o007 == 0
