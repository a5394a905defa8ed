"""The audit proves itself: two verifiers, written apart, take what was written, and name the place of every change."""

import contextlib
import copy
import gzip
import hashlib
import json
import os
import pathlib
import re
import signal
import smtplib
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.client import login, message
from harness.subgate import BUILD, relay_section
from harness.process import wait_until

USER = "alice@example.com"
PYTHON_VERIFIER = pathlib.Path(__file__).parents[2] / "deploy/verify/subgate-audit-verify"
VERIFIERS = {
    "C": [BUILD / "subgatectl", "audit", "verify"],
    "Python": [sys.executable, PYTHON_VERIFIER],
}


def verify(verifier, *arguments):
    """Exit code and output."""
    done = subprocess.run([*VERIFIERS[verifier], *map(str, arguments)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def place(output):
    """Line and words of the first fault, notes left out."""
    for line in output.splitlines():
        found = re.match(r"\S+?:(\d+): (?!note: )(.*)", line)
        if found:
            return int(found[1]), found[2]
    return None, output


def type_of(line):
    return json.loads(line)["type"]


def chain_of(line):
    return json.loads(line)["chain"]["id"]


def index_of(lines, type_, number=0):
    return [i for i, line in enumerate(lines) if type_of(line) == type_][number]


def send(subgate, password, number):
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER, number=number))


def flows_again(subgate, password, number):
    """Not before the last charges of the relay that was killed are repeated."""
    try:
        send(subgate, password, number)
    except smtplib.SMTPException:
        return False
    return True


def of_three_processes(start, upstream):
    """The lines of an audit: its first process was killed, the others ended in order."""
    subgate = start(relay_section(upstream))
    password = subgate.create_app_password(USER)
    send(subgate, password, 1)
    subgate.wait_for_audit("session.close")
    subgate.wait_for_audit("audit.checkpoint", 2)
    relay = subgate.pids("relay")[0]
    os.kill(relay, signal.SIGKILL)
    subgate.wait_for_audit("audit.begin", 2)
    wait_until(lambda: flows_again(subgate, password, 2), "mail to flow again")
    subgate.wait_for_audit("session.close", 2)
    assert subgate.stop() == 0
    subgate.start()
    send(subgate, password, 3)
    subgate.wait_for_audit("session.close", 3)
    key = subgate.ctl_json("audit", "key")["first_key"]
    assert subgate.stop() == 0
    return (subgate.state / "audit.jsonl").read_text().splitlines(), key


# ---- what somebody may do to it: each gives the changed lines, and the number of the first bad one


def change_a_record(lines):
    at = index_of(lines, "message.sent")
    return [*lines[:at], lines[at].replace("bob@example.net", "eve@example.net"), *lines[at + 1:]], at + 1


def take_a_record_out(lines):
    at = index_of(lines, "message.leaving", 1)
    return lines[:at] + lines[at + 1:], at + 1


def put_a_record_in(lines):
    at = index_of(lines, "session.close", 1)
    return [*lines[:at], lines[index_of(lines, "message.sent")], *lines[at:]], at + 1


def put_another_line_in(lines):
    return [*lines[:5], '{"type":"message.sent"}', *lines[5:]], 6


def swap_two_records(lines):
    at = index_of(lines, "message.leaving")
    return [*lines[:at], lines[at + 1], lines[at], *lines[at + 2:]], at + 1


def leave_a_chain_out(lines):
    """The second process was never there."""
    second = chain_of(lines[index_of(lines, "audit.begin", 1)])
    kept = [line for line in lines if chain_of(line) != second]
    return kept, index_of(kept, "audit.begin", 1) + 1


def cut_the_beginning(lines):
    return lines[2:], 1


def cut_the_end_of_a_dead_process(lines):
    """The last record before the second process began, which no checkpoint signs."""
    begin = index_of(lines, "audit.begin", 1)
    return lines[:begin - 1] + lines[begin:], begin


def move_a_checkpoint(lines):
    """As another record of its chain, with links that fit."""
    at = index_of(lines, "audit.checkpoint", 1)
    record = json.loads(lines[at])
    record["checkpoint"] = json.loads(lines[index_of(lines, "audit.checkpoint")])["checkpoint"]
    return relink([*lines[:at], json.dumps(record, separators=(",", ":"))], at) + lines[at + 1:], at + 1


def relink(lines, start):
    """Every hash anew from this line on: what anybody can do."""
    heads, done = {}, []
    for number, line in enumerate(lines):
        if number >= start:
            record = json.loads(line)
            chain = record["chain"]
            if chain["seq"] > 1:
                chain["prev"] = heads[chain["id"]]
            line = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
        heads[chain_of(line)] = hashlib.sha256(line.encode()).hexdigest()
        done.append(line)
    return done


def record_after(line, sequence):
    """A record that follows this one in its chain, as anybody can make it."""
    record = {"ts": json.loads(line)["ts"], "type": "message.sent", "node": json.loads(line)["node"]}
    record["chain"] = {"id": chain_of(line), "seq": sequence, "prev": hashlib.sha256(line.encode()).hexdigest()}
    return json.dumps(record, separators=(",", ":"))


def go_on_after_the_end_of_a_process(lines):
    at = index_of(lines, "audit.end")
    added = record_after(lines[at], json.loads(lines[at])["chain"]["seq"] + 1)
    return [*lines[:at + 1], added, *lines[at + 1:]], at + 2


def put_a_whole_chain_in(lines):
    at = index_of(lines, "audit.begin", 1)
    begin = json.loads(lines[0])
    begin["chain"]["id"] = "0123456789abcdef"
    begin = json.dumps(begin, separators=(",", ":"))
    return [*lines[:at], begin, record_after(begin, 2), *lines[at:]], at + 2


def public(key):
    return key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw).hex()


def sign(statement, key, next_key):
    statement.update(key=public(key), next=public(next_key))
    text = "subgate audit checkpoint 1\n{number}\n{chain}\n{count}\n{head}\n{next}\n".format(**statement)
    statement["signature"] = key.sign(text.encode()).hex()


def forge_it_all_with_keys_of_ones_own(lines):
    """A record is changed, and everything after it made anew: links, checkpoints, keys."""
    at = index_of(lines, "message.sent")
    lines = [*lines[:at], lines[at].replace("bob@example.net", "eve@example.net"), *lines[at + 1:]]
    key = Ed25519PrivateKey.generate()
    heads, done, last, first_bad = {}, [], None, None
    for number, line in enumerate(lines):
        record = json.loads(line)
        chain = record["chain"]
        if number > at:
            if chain["seq"] > 1:
                chain["prev"] = heads[chain["id"]]
            for head in record.get("former", []):
                head["head"] = heads[head["chain"]]
            if "before" in record and last:
                record["before"] = copy.deepcopy(last)
            if "checkpoint" in record:
                first_bad = first_bad or number + 1
                next_key = Ed25519PrivateKey.generate()
                record["checkpoint"]["head"] = chain["prev"]
                sign(record["checkpoint"], key, next_key)
                key, last = next_key, record["checkpoint"]
            line = json.dumps(record, separators=(",", ":"), ensure_ascii=False)
        heads[chain["id"]] = hashlib.sha256(line.encode()).hexdigest()
        done.append(line)
    return done, first_bad


TAMPERINGS = [change_a_record, take_a_record_out, put_a_record_in, put_another_line_in, swap_two_records,
              leave_a_chain_out, cut_the_beginning, cut_the_end_of_a_dead_process, move_a_checkpoint,
              go_on_after_the_end_of_a_process, put_a_whole_chain_in,
              forge_it_all_with_keys_of_ones_own]


def test_both_verifiers_take_what_was_written_and_name_the_place_of_every_change(start, upstream, tmp_path):
    lines, key = of_three_processes(start, upstream)
    path = tmp_path / "audit.jsonl"
    path.write_text("\n".join(lines) + "\n")
    for verifier in VERIFIERS:
        code, output = verify(verifier, path, "--key", key)
        assert code == 0 and f"{len(lines)} linked records" in output, (verifier, output)
        code, output = verify(verifier, path, "--key", "0" * 64)
        assert code == 1 and "key that was given" in output, (verifier, output)
    code, output = verify("C", path, "--key", key[:-1])
    assert code == 1 and "64 hexadecimal digits" in output, output
    for tampering in TAMPERINGS:
        changed, bad = tampering(lines)
        path.write_text("\n".join(changed) + "\n")
        for verifier in VERIFIERS:
            code, output = verify(verifier, path)
            assert code == 1 and place(output)[0] == bad, (tampering.__name__, verifier, bad, output)


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_a_packed_file_that_ends_early_or_goes_on_is_damaged(tmp_path, ending):
    former = [json.dumps({"ts": "2026-11-29T08:00:00.000000Z", "type": "auth.failure", "node": "one", "chain": {
        "id": "89abcdef01234567", "seq": number, "mac": "0" * 64}}, separators=(",", ":")) for number in range(1, 100)]
    text = "".join(line + "\n" for line in former).encode()
    packed = gzip.compress(text) if ending == "gz" else subprocess.run(
        ["zstd", "-cq"], input=text, capture_output=True, check=True, timeout=60).stdout
    path = tmp_path / f"audit.jsonl-20261129-080000.{ending}"
    for content, is_damaged in ((packed, False), (packed + packed, False), (packed[:-5], True),
                                (packed + b"more", True)):
        path.write_bytes(content)
        for verifier in VERIFIERS:
            code, output = verify(verifier, path)
            assert code == 1 and ("damaged" in output) == is_damaged, (verifier, is_damaged, output)


def test_a_cut_off_end_is_found_by_the_daemon_and_in_the_file_of_another_node(start, upstream, redis, tmp_path):
    sections = relay_section(upstream) + redis.section()
    one = start(sections, name="one", hostname="one.example.com")
    password = one.create_app_password(USER)
    send(one, password, 1)
    seen = one.wait_for_audit("audit.checkpoint", 2)[-1]["checkpoint"]
    other = start(sections, name="other", hostname="other.example.com")
    peer = other.wait_for_audit("audit.peer")[0]
    assert peer["peer"] == "one.example.com" and peer["checkpoint"]["number"] >= seen["number"]
    assert one.ctl_json("audit", "verify")["ok"]
    assert other.stop() == 0
    assert one.stop() == 0
    whole = (one.state / "audit.jsonl").read_text().splitlines()
    cut = index_of(whole, "audit.checkpoint") + 1
    (tmp_path / "one.jsonl").write_text("\n".join(whole[:cut]) + "\n")
    for verifier in VERIFIERS:
        assert verify(verifier, one.state / "audit.jsonl", other.state / "audit.jsonl")[0] == 0, verifier
        assert verify(verifier, tmp_path / "one.jsonl")[0] == 0, verifier  # alone it shows nothing
        code, output = verify(verifier, tmp_path / "one.jsonl", other.state / "audit.jsonl")
        assert code == 1 and "other.example.com saw checkpoint" in output, (verifier, output)
        assert place(output)[0] == 1 + next(i for i, line in enumerate(
            (other.state / "audit.jsonl").read_text().splitlines()) if type_of(line) == "audit.peer"), output
    # The daemon knows what it signed last.
    one.start()
    first = one.wait_for_audit("audit.checkpoint", 1)
    assert first and one.ctl_json("audit", "verify")["ok"]
    audit = one.state / "audit.jsonl"
    lines = audit.read_text().splitlines()
    with audit.open("r+") as file:
        file.truncate(len("\n".join(lines[:cut]) + "\n"))
    done = one.ctl("audit", "verify", check=False)
    assert done.returncode == 1 and "the running daemon saw checkpoint" in done.stdout, done.stdout + done.stderr


def rotated(start, upstream):
    """A daemon whose audit is in three files at least, two of them packed; and those, the oldest first."""
    subgate = start(relay_section(upstream) + 'audit { rotate_size = "4K"  compress = "gzip" }\n')
    password = subgate.create_app_password(USER)
    numbers = iter(range(1, 1000))

    def packed():
        found = sorted(subgate.state.glob("audit.jsonl-*"))
        with contextlib.suppress(FileNotFoundError):  # it is just renamed
            if len(found) < 3 and (subgate.state / "audit.jsonl").stat().st_size < 4096:
                send(subgate, password, next(numbers))
        return len(found) >= 3 and all(path.suffix == ".gz" for path in found[:3]) and found[:3]

    return subgate, wait_until(packed, "three packed files")


def test_files_that_were_rotated_verify_and_one_that_is_missing_or_changed_does_not(start, upstream, tmp_path):
    subgate, files = rotated(start, upstream)
    key = subgate.ctl_json("audit", "key")["first_key"]
    assert subgate.ctl_json("audit", "verify", "--key", key)["nodes"][0]["proven"]
    plain = []
    for path in files:
        plain.append(tmp_path / path.name.removesuffix(".gz"))
        plain[-1].write_bytes(gzip.decompress(path.read_bytes()))
    for verifier in VERIFIERS:
        assert verify(verifier, *files)[0] == verify(verifier, *plain)[0] == 0, verify(verifier, *files)
        assert verify(verifier, *files[1:])[0] == 0  # what is older is gone for good
        code, output = verify(verifier, files[0], files[2])
        assert code == 1 and place(output)[0] == 1 and str(files[2]) in output, (verifier, output)
    first, second, third = (path.read_bytes() for path in plain)
    cut = second[:second.rindex(b"\n", 0, -1) + 1]  # its last record: audit.file_end
    for contents, bad in (((first, cut, third), (2, 1)), ((first[first.index(b"\n") + 1:], second, third), (0, 1)),
                          ((first, third, second), (1, 1))):
        for path, content in zip(plain, contents):
            path.write_bytes(content)
        for verifier in VERIFIERS:
            code, output = verify(verifier, *plain)
            assert code == 1 and f"{plain[bad[0]]}:{bad[1]}: " in output, (verifier, bad, output)
