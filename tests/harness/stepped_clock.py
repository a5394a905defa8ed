"""
A time of day that a test steps under a running server: one for each node, or for Redis. The processes see it through a
preloaded library (e2e/stepped_clock.c), which is in an ld.so.preload of their own mount namespace only.
"""

import os
import pathlib
import shutil
import struct
import subprocess

import pytest

from .subgate import BUILD, SANITIZED

# An /etc of its own, with one file more, for whatever is started here.
INSIDE = ('mount -t tmpfs -o mode=0755 tmpfs "$0" && mkdir "$0/upper" "$0/work" && '
          'mount -t overlay -o "lowerdir=/etc,upperdir=$0/upper,workdir=$0/work" overlay /etc && '
          'echo "$1" >/etc/ld.so.preload && shift && exec "$@"')


class SteppedClock:
    def __init__(self, folder):
        if SANITIZED:
            pytest.skip("a sanitizer's library wants to be the first that is loaded")
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        self._etc = self.folder / "etc"
        self._etc.mkdir()
        self._library = self.folder / "stepped_clock.so"
        shutil.copy(BUILD / "e2e" / "stepped_clock.so", self._library)
        self._clock = self.folder / "clock"
        self.step_to(0)
        if subprocess.run([*self.command(), "true"], capture_output=True).returncode != 0:
            pytest.skip("no right to mount an /etc for one process")

    def command(self):
        """What starts a program under this clock: put it in front of the program's own arguments."""
        return ["unshare", "--mount", "sh", "-c", INSIDE, str(self._etc), str(self._library)]

    def step_to(self, shift_s):
        """Its time is so many seconds ahead of the machine's from now on."""
        fd = os.open(self._clock, os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(fd, struct.pack("=q", int(shift_s)), 0)
        os.close(fd)
