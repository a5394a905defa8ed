"""Heads of the audit's chain reach the administrator's program, which keeps them elsewhere."""

import json
import os

import pytest

from e2e.test_users import InOwnUsers
from harness.client import login, message
from harness.process import let_others_through, root_is_a_mount_point, wait_until
from harness.subgate import relay_section
from harness.upstream import Upstream

USER = "alice@example.com"
UID_OF_RELAY = 63004  # as InOwnUsers numbers them


def write_program(path, text):
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return f'audit {{ anchor = "command"  anchor_command = "{path}" }}\n'


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change users")
@pytest.mark.skipif(not root_is_a_mount_point(), reason="within a chroot the machine's user files can't be covered")
def test_the_first_head_and_the_last_reach_a_program_of_the_relays_user(tmp_path, authority, upstream):
    let_others_through(tmp_path)
    heads, users = tmp_path / "heads", tmp_path / "users"
    for file in (heads, users):
        file.write_text("")
        file.chmod(0o666)
    section = write_program(tmp_path / "program", f"cat >> {heads}\nid -u >> {users}\n")
    subgate = InOwnUsers(tmp_path / "subgate", authority, relay_section(upstream) + section,
                         secrets={"upstream": Upstream.PASSWORD}, user="subgatetest")
    subgate.start()
    try:
        wait_until(lambda: heads.read_text().endswith("\n"), "the first head")
        with login(subgate, USER, subgate.create_app_password(USER)) as client:
            client.sendmail(USER, ["bob@example.net"], message(USER))
        subgate.wait_for_audit("session.close")
    finally:
        code = subgate.stop()
        print(subgate.log)
    assert code == 0
    kept = [json.loads(line) for line in heads.read_text().splitlines()]
    written = [record["checkpoint"] for record in subgate.audit() if "checkpoint" in record]
    assert all(head["node"] == "mail.example.com" and head["checkpoint"] in written for head in kept)
    [end] = subgate.audit("audit.end")
    assert kept[-1]["checkpoint"] == end["checkpoint"]
    assert len(kept) >= 2
    assert set(users.read_text().split()) == {str(UID_OF_RELAY)}


def test_a_program_that_fails_is_told_of_and_mail_flows(tmp_path, upstream, start):
    subgate = start(relay_section(upstream) + write_program(tmp_path / "program", "echo the safe is shut\nexit 3\n"))
    subgate.wait_for_log("did not take the chain's head: exit 3")
    subgate.wait_for_log("the safe is shut")
    with login(subgate, USER, subgate.create_app_password(USER)) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER))
    assert len(upstream.wait_for(1)) == 1
    assert subgate.stop() == 0
    assert subgate.log.count("did not take the chain's head") == 1


def test_after_a_reload_heads_go_to_the_program_of_the_new_config(tmp_path, upstream, start):
    first, second = tmp_path / "first", tmp_path / "second"
    subgate = start(relay_section(upstream) + write_program(tmp_path / "program", f"cat >> {first}\n"))
    wait_until(lambda: first.exists() and first.read_text().endswith("\n"), "the first head")
    subgate.write_config(relay_section(upstream) + write_program(tmp_path / "other", f"cat >> {second}\n"))
    subgate.ctl("reload")
    subgate.wait_for_audit("audit.end")
    assert subgate.stop() == 0
    last = json.loads(second.read_text().splitlines()[-1])["checkpoint"]
    assert last == subgate.audit("audit.end")[-1]["checkpoint"]
    assert all(json.loads(line)["checkpoint"] != last for line in first.read_text().splitlines())
