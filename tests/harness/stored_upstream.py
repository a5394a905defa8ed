"""
An upstream in a process of its own, to be killed: what came up to its final dot is in a file, by Message-ID, before it
is answered.
"""

import pathlib
import re
import sys
import time

from harness.process import Process, free_port, is_listening, wait_until
from harness.raw_upstream import DOT, RawUpstream


class StoredUpstream:
    """`delay`: seconds from the final dot to its reply."""

    USER = "relay@example.com"

    def __init__(self, folder, user=USER, delay=0.0):
        self.folder, self.user, self.delay, self.port = pathlib.Path(folder), user, delay, free_port()
        self.folder.mkdir(parents=True)
        self._process = None

    def start(self):
        root = pathlib.Path(__file__).parents[1]
        self._process = Process(["/usr/bin/python3", "-m", "harness.stored_upstream",
                                 self.port, self.folder, self.delay], self.folder / "log", cwd=root)
        wait_until(lambda: is_listening(self.port), lambda: f"the upstream to listen: {self._process.output}")
        return self

    def stop(self):
        self._process.stop()

    def signal(self, number):
        self._process.signal(number)

    def section(self, name, extra=""):
        return f"""
relay {name} {{
  host = "127.0.0.1"  port = {self.port}  tls = "none"
  user = "{self.user}"  password_file = "secrets/upstream"
  {extra}
}}
"""

    def stored(self):
        """Message-IDs, in the order they came."""
        path = self.folder / "stored"
        return path.read_text().split() if path.exists() else []


class _Server(RawUpstream):
    def __init__(self, port, folder, delay):
        super().__init__(port, backlog=512)
        self._delay = delay
        self._stored = open(folder / "stored", "a", buffering=1)

    def _next(self, stage):
        return self._store if stage == DOT else super()._next(stage)

    def _store(self, connection):
        found = re.search(rb"Message-ID: <(\S+)>", connection.content[:4096])
        self.messages.clear()  # they are large
        self._stored.write(found[1].decode() + "\n")
        time.sleep(self._delay)
        connection.reply("250 2.0.0 Stored")


if __name__ == "__main__":
    _Server(int(sys.argv[1]), pathlib.Path(sys.argv[2]), float(sys.argv[3])).start()
    time.sleep(3600)
