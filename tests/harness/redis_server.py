"""A real redis-server of the test's own, on a TCP port with a password."""

import os
import pathlib
import signal
import subprocess

from .process import PATIENCE, Process, free_port, is_listening, wait_until


class RedisServer:
    PASSWORD = "redis-Password-2342"

    def __init__(self, folder, port=None, under=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self._under = list(under)  # a command that starts it
        self._process = None

    def start(self):
        self._process = Process(
            [*self._under, "redis-server", "--port", self.port, "--bind", "127.0.0.1", "--requirepass", self.PASSWORD,
             "--dir", self.folder, "--appendonly", "yes", "--appendfsync", "always", "--save", ""],
            self.folder / "redis.log")
        wait_until(lambda: is_listening(self.port), lambda: f"redis-server: {self._process.output}")
        return self

    def stop(self):
        if self._process:
            self._process.stop()
        self._process = None

    def kill(self):
        self._process.signal(signal.SIGKILL)
        self._process.popen.wait()
        self._process = None

    def command(self, *arguments):
        """What redis-cli prints."""
        done = subprocess.run(["redis-cli", "-p", str(self.port), *map(str, arguments)], capture_output=True, text=True,
                              env={**os.environ, "REDISCLI_AUTH": self.PASSWORD}, timeout=PATIENCE)
        return done.stdout.strip()

    def freeze(self):
        self._process.signal(signal.SIGSTOP)

    def thaw(self):
        self._process.signal(signal.SIGCONT)

    def section(self):
        """The redis section for it; its password is in secrets/redis."""
        return f'redis {{ server = "redis://127.0.0.1:{self.port}"  password_file = "secrets/redis" }}\n'
