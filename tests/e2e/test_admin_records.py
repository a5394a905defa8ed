"""Who did it: what administrators do is recorded before it takes effect; operators may look, and do nothing."""

import grp
import json
import os
import pwd
import subprocess

import pytest

from e2e.test_disks import fill, small_disk
from harness.client import login
from harness.process import PATIENCE, let_others_through, wait_until
from harness.subgate import BUILD, Subgate, relay_section
from harness.upstream import Upstream

USER = "alice@example.com"
ME = pwd.getpwuid(os.geteuid()).pw_name


def commands(subgate):
    """The records admin.command, shortened; the last are on their way when subgatectl has its answer."""
    records = subgate.audit("admin.command")
    return [(r["command"], r.get("object", ""), r.get("options", ""), r["result"]) for r in records]


def wait_for_commands(subgate, wanted):
    wait_until(lambda: commands(subgate) == wanted, lambda: f"{wanted}\nnot {commands(subgate)}")


def test_every_change_names_who_asked_for_it(subgate):
    made = subgate.ctl_json("app-password", "create", USER, "--label", "printer on floor 2")
    subgate.ctl("app-password", "list")
    subgate.ctl("app-password", "revoke", USER, made["id"])
    subgate.ctl("app-password", "revoke", USER, made["id"], check=False)
    subgate.ctl("throttle", "clear", "192.0.2.1")
    subgate.ctl("quota", "reset", USER)
    subgate.ctl("relay", "pause", "upstream")
    subgate.ctl("relay", "test", "nowhere", check=False)
    revoked = f"{USER} {made['id']}"
    wait_for_commands(subgate, [
        ("app-password create", USER, "--label printer on floor 2", "begins"),
        ("app-password create", USER, "--label printer on floor 2", "done"),
        ("app-password revoke", revoked, "", "begins"), ("app-password revoke", revoked, "", "done"),
        ("app-password revoke", revoked, "", "begins"), ("app-password revoke", revoked, "", "refused"),
        ("throttle clear", "192.0.2.1", "", "begins"), ("throttle clear", "192.0.2.1", "", "done"),
        ("quota reset", USER, "", "begins"), ("quota reset", USER, "", "done"),
        ("relay pause", "upstream", "", "begins"), ("relay pause", "upstream", "", "done"),
        ("relay test", "nowhere", "", "begins"), ("relay test", "nowhere", "", "refused")])
    for record in subgate.audit("admin.command"):
        assert (record["uid"], record["admin"]) == (os.geteuid(), ME)
        assert record.get("user") == (USER if USER in record["object"] else None)
        assert ("reason" in record) == (record["result"] == "refused")
    assert made["password"] not in json.dumps(subgate.audit())


def test_reloads_and_the_end_are_recorded(subgate):
    subgate.ctl("reload")
    subgate.config.write_text("nonsense")
    assert subgate.ctl("reload", check=False).returncode == 1
    # What came of a reload is recorded by the relay process that it ends, while the next one writes already.
    wait_until(lambda: sorted(c[3] for c in commands(subgate)) == ["begins", "begins", "done", "refused"],
               lambda: f"{commands(subgate)}")
    subgate.ctl("drain")
    wait_until(lambda: ("drain", "", "", "begins") in commands(subgate), lambda: f"{commands(subgate)}")
    assert [c[0] for c in commands(subgate)].count("reload") == 4


def test_while_the_audit_has_no_room_nothing_is_changed(tmp_path, upstream, start):
    with small_disk(tmp_path / "disk", "256k") as disk:
        subgate = start(relay_section(upstream) + f'audit {{ file = "{disk}/audit.jsonl" }}\n')
        made = subgate.ctl_json("app-password", "create", USER, "--label", "phone")
        filler = fill(disk)
        wait_until(lambda: subgate.ctl("throttle", "clear", check=False).returncode == 1, "the disk to be full")
        refused = subgate.ctl("app-password", "revoke", USER, made["id"], check=False)
        assert refused.returncode == 1 and "nothing was done, as the audit can't be written" in refused.stderr
        with login(subgate, USER, made["password"]):
            pass
        subgate.ctl("reload")  # which may mend it
        subgate.wait_for_log("begins, although the audit can't be written")
        filler.unlink()
        wait_until(lambda: subgate.ctl("app-password", "revoke", USER, made["id"], check=False).returncode == 0,
                   "the app password to be revoked")


# ---- operators


class Watched(Subgate):
    """With groups for its control socket, which is started by root."""

    def write_config(self, sections):
        super().write_config(sections)
        text = self.config.read_text()
        assert text.count("admin { http") == 1
        self.config.write_text(text.replace("admin { http", 'admin { group = "tape"  operator_group = "games"  http'))

    def ctl_as(self, *arguments, uid=64999, gid=64999, groups=(), others=()):
        groups = [grp.getgrnam(name).gr_gid for name in groups]
        return subprocess.run([BUILD / "subgatectl", "-s", self.run / "admin.sock", *arguments], capture_output=True,
                              text=True, timeout=PATIENCE, user=uid, group=gid, extra_groups=[*others, *groups])


@pytest.fixture
def watched(tmp_path, authority, upstream):
    let_others_through(tmp_path)
    let_others_through(BUILD)
    subgate = Watched(tmp_path / "subgate", authority, relay_section(upstream), {"upstream": Upstream.PASSWORD})
    try:
        yield subgate.start()
    finally:
        print(subgate.log)
        assert subgate.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be other users")
def test_operators_may_look_and_test_and_change_nothing(watched):
    looks = watched.ctl_as("status", groups=["games"])
    assert looks.returncode == 0 and "relay" in looks.stdout
    assert watched.ctl_as("status", groups=["games"], others=range(100000, 103000)).returncode == 0
    assert watched.ctl_as("app-password", "list", gid=grp.getgrnam("games").gr_gid).returncode == 0
    assert watched.ctl_as("relay", "test", "upstream", groups=["games"]).returncode == 0
    for change in (["app-password", "create", USER, "--label", "x"], ["reload"], ["drain"], ["throttle", "clear"],
                   ["quota", "reset", USER], ["relay", "pause", "upstream"]):
        refused = watched.ctl_as(*change, groups=["games"])
        assert refused.returncode == 1 and "admin.group" in refused.stderr, change
    watched.wait_for_log("reload by user 64999 refused")
    wait_for_commands(watched, [("relay test", "upstream", "", "begins"), ("relay test", "upstream", "", "done")])
    assert watched.audit("admin.command")[0]["uid"] == 64999 and "admin" not in watched.audit("admin.command")[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be other users")
def test_administrators_may_do_all_and_strangers_nothing(watched):
    assert watched.ctl_as("app-password", "create", USER, "--label", "x", groups=["tape"]).returncode == 0
    assert watched.ctl_as("throttle", "clear", gid=grp.getgrnam("tape").gr_gid, groups=["games"]).returncode == 0
    for groups in ([], ["audio"]):
        refused = watched.ctl_as("status", groups=groups)
        assert refused.returncode != 0 and "no permission" in refused.stderr
    assert watched.ctl("throttle", "clear").returncode == 0
    assert {r["uid"] for r in watched.audit("admin.command")} == {64999, 0}
