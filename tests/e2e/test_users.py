"""Started as root, each role runs as a user of its own."""

import os
import pathlib
import pwd
import subprocess

import pytest

from harness.client import login, message
from harness.console import Console
from harness.process import Process, let_others_through, root_is_a_mount_point, wait_until
from harness.subgate import BUILD, Subgate, relay_section
from harness.upstream import Upstream

USER = "alice@example.com"
NAMES = ["subgatetest", *(f"subgatetest-{role}" for role in ("gate", "auth", "relay", "admin", "console")),
         "subgate-admin"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change users")


class InOwnUsers(Subgate):
    """Runs in a mount namespace whose /etc/passwd and /etc/group know the users; the machine's own don't change."""

    def start(self, env=None):
        for name in ("passwd", "group"):
            lines = pathlib.Path(f"/etc/{name}").read_text()
            for number, user in enumerate(NAMES, 63001):
                lines += f"{user}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n" if name == "passwd" else \
                    f"{user}:x:{number}:\n"
            (self.folder / name).write_text(lines)
            (self.folder / name).chmod(0o644)
        script = (f"mount --bind {self.folder}/passwd /etc/passwd && mount --bind {self.folder}/group /etc/group && "
                  f"exec {BUILD}/subgate -c {self.config}")
        self._process = Process(["unshare", "--mount", "sh", "-c", script], self.folder / "subgate.log")
        wait_until(self._is_ready, lambda: f"subgate to be ready:\n{self.log}", seconds=30)
        return self


def uid_of(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    uids = [line.split()[1:] for line in status.splitlines() if line.startswith(("Uid:", "Gid:"))]
    assert len({u for line in uids for u in line}) == 1, status
    return int(uids[0][0])


@pytest.mark.skipif(not root_is_a_mount_point(), reason="within a chroot the machine's user files can't be covered")
def test_each_role_has_its_user(tmp_path, authority, upstream):
    let_others_through(tmp_path)
    subgate = InOwnUsers(tmp_path / "subgate", authority, relay_section(upstream) + Console(authority).section,
                         secrets={"upstream": Upstream.PASSWORD}, user="subgatetest")
    subgate.start()
    try:
        for number, role in enumerate(("gate", "auth", "relay", "admin", "console"), 63002):
            for pid in subgate.pids(role):
                assert uid_of(pid) == number, role
                assert "Groups:\t \n" in pathlib.Path(f"/proc/{pid}/status").read_text()
        with login(subgate, USER, subgate.create_app_password(USER)) as client:
            client.sendmail(USER, ["bob@example.net"], message(USER))
        assert len(upstream.wait_for(1)) == 1
        gates = set(subgate.pids("gate"))
        subgate.ctl("reload")
        with login(subgate, USER, subgate.create_app_password(USER, "after a reload")) as client:
            client.sendmail(USER, ["bob@example.net"], message(USER))
        assert not gates & set(subgate.pids("gate"))
    finally:
        print(subgate.log)
        assert subgate.stop() == 0


def test_missing_users_are_named(tmp_path, authority, upstream):
    with pytest.raises(KeyError):
        pwd.getpwnam("subgate-none-gate")
    subgate = Subgate(tmp_path / "subgate", authority, relay_section(upstream),
                      secrets={"upstream": Upstream.PASSWORD}, user="subgate-none")
    done = subprocess.run([BUILD / "subgate", "-c", subgate.config, "--check"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "subgate-none-gate" in done.stdout + done.stderr and "useradd" in done.stdout + done.stderr
