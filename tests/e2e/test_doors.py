"""A door that breaks while both processes live: they get a new one, and nobody is restarted."""

import os
import pathlib
import re
import subprocess

import pytest

from harness.client import login, message
from harness.debugger import Debugger
from harness.process import wait_until

USER = "alice@example.com"
SHUTDOWN, BOTH_WAYS = 48, 2  # of x86-64


def sockets_of(pid):
    """{inode: descriptor}"""
    found = {}
    for entry in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(entry))
        if match:
            found[int(match[1])] = int(entry.name)
    return found


def doors_between(one, other):
    """The descriptors of `one` whose other end is a descriptor of `other`."""
    lines = subprocess.run(["ss", "-xHa"], capture_output=True, text=True, check=True).stdout.splitlines()
    peers = {int(fields[5]): int(fields[7]) for fields in map(str.split, lines) if len(fields) > 7}
    theirs = sockets_of(other)
    return [fd for inode, fd in sockets_of(one).items() if peers.get(inode) in theirs]


def break_doors(one, other):
    broken = doors_between(one, other)
    assert broken, f"no door between {one} and {other}"
    with Debugger(one) as process:
        for fd in broken:
            assert process.system_call(SHUTDOWN, fd, BOTH_WAYS) == 0


def everybody(subgate):
    return {role: subgate.pids(role) for role in ("gate", "auth", "relay", "admin")}


@pytest.mark.parametrize("one, other", [("relay", "gate"), ("auth", "gate"), ("auth", "relay"), ("relay", "admin"),
                                        ("auth", "admin")])
def test_a_broken_door_is_renewed(subgate, upstream, one, other):
    password = subgate.create_app_password(USER)
    before = everybody(subgate)
    for pid in before[other]:
        break_doors(before[one][0], pid)

    def flows():
        try:
            with login(subgate, USER, password) as client:
                client.sendmail(USER, ["bob@example.net"], message(USER))
        except OSError:
            return False
        return subgate.ctl("quota", "show", USER, check=False).returncode == 0

    for _ in range(4):  # whichever gate it comes to
        wait_until(flows, lambda: f"mail to flow and commands to be answered:\n{subgate.log}")
    assert everybody(subgate) == before
    assert len(upstream.wait_for(4)) >= 4
