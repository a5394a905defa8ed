"""Processes that a test starts: watched, logged to a file, and ended by process id."""

import os
import pathlib
import random
import socket
import subprocess
import tempfile
import time
from signal import SIGCONT, SIGTERM


PORTS = range(10000, 32000)  # below those that the kernel gives to clients
_claims = []


def free_port():
    """
    A TCP port of loopback that nobody listens on, and that no other test will take: Subgate binds with SO_REUSEPORT,
    so two that were given the same port would share it. An abstract socket of that name is the claim, kept while we
    live.
    """
    for port in random.sample(PORTS, len(PORTS)):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0subgate-test-port-{port}")
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return port
    raise AssertionError("no port is free")


def free_address(*ports):
    """An address of loopback on which these ports, which servers are known by, are free; claimed in the same way."""
    for _ in range(100):
        address = f"127.{random.randrange(64, 128)}.{random.randrange(256)}.{random.randrange(1, 255)}"
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0subgate-test-address-{address}")
            for port in ports:
                with socket.socket() as probe:
                    probe.bind((address, port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return address
    raise AssertionError(f"no address has {ports} free")


PATIENCE = 30.0  # seconds: what takes longer hangs, however busy the machine is


def wait_until(condition, what, seconds=PATIENCE):
    """
    Waits until condition() is true (its value is returned); fails with `what`, a text or a function that gives one.
    Between two looks it rests for as long as one took: dear ones (a command, a file read whole) leave the machine to
    what is waited for.
    """
    deadline = time.monotonic() + seconds
    while (began := time.monotonic()) < deadline:
        value = condition()
        if value:
            return value
        time.sleep(min(max(0.02, time.monotonic() - began), 1))
    raise AssertionError(f"waited {seconds} s for: {what() if callable(what) else what}")


def root_is_a_mount_point():
    """It is none in a bare chroot, where a mount namespace can't be kept from the machine's own mounts."""
    return any(line.split()[4] == "/" for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines())


def let_others_through(folder):
    """
    Servers that run as users of their own must reach it: opens the way to it, below the machine's folder for such.
    """
    top = pathlib.Path(tempfile.gettempdir()).resolve()
    folder = folder.resolve()
    for step in [folder, *folder.parents]:
        if step == top or top not in step.parents:
            return
        step.chmod(step.stat().st_mode | 0o011)


def is_listening(port, host="127.0.0.1"):
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


class Process:
    """One child process in a session of its own; its output goes to `log`."""

    def __init__(self, arguments, log, env=None, cwd=None, stdin=None):
        self.log_path = log
        self._log = open(log, "ab")
        self.arguments = [str(a) for a in arguments]
        self.popen = subprocess.Popen(
            self.arguments, stdout=self._log, stderr=subprocess.STDOUT, stdin=stdin or subprocess.DEVNULL,
            env={**os.environ, **(env or {})}, cwd=cwd, start_new_session=True)

    @property
    def pid(self):
        return self.popen.pid

    @property
    def output(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def is_running(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.is_running():
            self.popen.send_signal(number)

    def stop(self, number=SIGTERM, seconds=60):
        """Ends it and gives its exit code; one that doesn't end in time is killed, and that is an error."""
        self.signal(SIGCONT)
        self.signal(number)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"{self.arguments[0]} did not end within {seconds} s:\n{self.output}") from None
        finally:
            self._log.close()
