"""Promise 2: the processes that talk to clients hold no secret of anybody else, and can open nothing."""

import base64
import json
import os
import pathlib
import re
import subprocess
import threading

import pytest

from harness.client import login, message
from harness.directory import Directory
from harness.redis_server import RedisServer
from harness.subgate import BUILD, relay_section
from harness.upstream import Upstream

SANITIZED = "san" in BUILD.parts
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


def test_gates_hold_no_secret_while_mail_flows(start, upstream, directory, redis):
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


def test_no_secret_is_in_a_log_an_audit_record_or_an_answer(start, upstream, directory, redis):
    subgate = start(relay_section(upstream) + directory.section() + redis.section() + 'log { level = "debug" }\n')
    device = subgate.create_app_password(USER)
    for password in (PASSWORD, device):
        with login(subgate, USER, password) as client:
            client.sendmail(USER, ["bob@example.net"], message(USER))
    subgate.wait_for_audit("message.sent", 2)
    dump = subprocess.run([BUILD / "subgate", "-c", subgate.config, "--dump"], capture_output=True, text=True).stdout
    command_lines = "".join(pathlib.Path(f"/proc/{p}/cmdline").read_text() + pathlib.Path(f"/proc/{p}/environ").read_text()
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
def test_a_gate_made_to_open_a_file_or_a_socket_is_refused(subgate):
    gate = subgate.pids("gate")[0]
    calls = {
        "open": '(int)open("/etc/passwd", 0)',
        "openat": '(long)syscall(257, -100, "/etc/passwd", 0)',
        "socket": "(int)socket(2, 1, 0)",
        "connect": '(int)connect(0, "", 16)',
        "execve": '(int)execve("/bin/sh", 0, 0)',
    }
    commands = [part for name, call in calls.items() for part in ("-ex", f'printf "{name} %d\\n", {call}')]
    done = subprocess.run(["gdb", "-q", "-batch", "-p", str(gate), *commands], capture_output=True, text=True, timeout=120)
    answers = dict(re.findall(r"^(\w+) (-?\d+)$", done.stdout, re.M))
    assert set(answers) == set(calls), done.stdout + done.stderr
    assert set(answers.values()) == {"-1"}, answers
    assert subgate.pids("gate").count(gate) == 1, "the gate survived it"


def test_what_every_role_gave_up(subgate):
    for role in ("gate", "auth", "relay", "admin"):
        for pid in subgate.pids(role):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            assert "NoNewPrivs:\t1" in status, role
            if not SANITIZED:
                assert "Seccomp:\t2" in status, role
            limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
            assert re.search(r"Max core file size\s+0\s+0", limits), role


def test_secret_files_that_others_can_read_are_refused(start, upstream, tmp_path):
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
