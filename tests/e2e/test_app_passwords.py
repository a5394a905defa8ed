"""App passwords: whose they are, what each may, their file, and their lists."""

import hashlib
import json
import os
import smtplib
import time

import pytest

from harness.client import connect, login, message
from harness.people import PEOPLE, person
from harness.process import wait_until
from harness.scram import Scram
from harness.subgate import relay_section

USER = "alice@example.com"
PERSON = {p.uid: p for p in PEOPLE}


def send(subgate, password, user=USER, sender=USER, to="carol@example.net"):
    with login(subgate, user, password) as client:
        client.sendmail(sender, [to], message(sender))


def refusal(subgate, password, user=USER):
    """The code that a login is refused with, or None."""
    with connect(subgate) as client:
        try:
            client.login(user, password)
        except smtplib.SMTPAuthenticationError as refused:
            return refused.smtp_code
    return None


def listed(subgate, *user):
    return subgate.ctl_json("app-password", "list", *user)["app_passwords"]


def line_of(number, user="many@example.com"):
    return json.dumps({"v": 2, "op": "create", "id": f"M{number}", "owner": f"name:{user}", "user": user, "label": "m",
                       "salt": "00" * 16, "hash": "11" * 32, "iterations": 4096, "stored": "22" * 32,
                       "server": "33" * 32, "created": 1700000000 + number})


# ---- what each may

def test_a_password_has_limits_of_its_own(subgate, upstream):
    scoped = subgate.create_app_password(USER, "scanner", "--senders", USER, "--recipients", "@example.net")
    send(subgate, scoped)
    with login(subgate, USER, scoped) as client, pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        client.sendmail(USER, ["carol@elsewhere.example"], message(USER))
    assert refused.value.recipients["carol@elsewhere.example"][0] == 550
    far = subgate.create_app_password(USER, "far", "--from", "192.0.2.0/24,2001:db8::/32")
    near = subgate.create_app_password(USER, "near", "--from", "192.0.2.0/24,127.0.0.0/8")
    assert refusal(subgate, far) == 535
    assert refusal(subgate, near) is None
    foreign = subgate.create_app_password(USER, "foreign", "--senders", "ceo@example.com")
    with login(subgate, USER, foreign) as client, pytest.raises(smtplib.SMTPSenderRefused) as refused:
        client.sendmail("ceo@example.com", ["carol@example.net"], message("ceo@example.com"))
    assert refused.value.smtp_code == 553  # a limit adds nothing
    assert len(upstream.messages) == 1


def test_its_senders_hold_where_others_are_only_noted(upstream, start):
    subgate = start(relay_section(upstream) + 'sender { envelope = "audit"  header = "audit" }\n')
    free = subgate.create_app_password(USER, "free")
    send(subgate, free, sender="ceo@example.com")
    scoped = subgate.create_app_password(USER, "scoped", "--senders", USER)
    send(subgate, scoped)
    with login(subgate, USER, scoped) as client, pytest.raises(smtplib.SMTPSenderRefused) as refused:
        client.sendmail("ceo@example.com", ["carol@example.net"], message("ceo@example.com"))
    assert refused.value.smtp_code == 553
    with login(subgate, USER, scoped) as client, pytest.raises(smtplib.SMTPDataError) as refused:
        client.sendmail(USER, ["carol@example.net"], message("ceo@example.com"))
    assert refused.value.smtp_code == 550
    assert len(upstream.messages) == 2


def test_a_password_has_a_quota_of_its_own(subgate, upstream):
    printer = subgate.create_app_password(USER, "printer", "--quota", "messages_per_day=2")
    other = subgate.create_app_password(USER, "other")
    for _ in range(2):
        send(subgate, printer)
    with login(subgate, USER, printer) as client, pytest.raises(smtplib.SMTPDataError) as refused:
        client.sendmail(USER, ["carol@example.net"], message(USER))
    assert refused.value.smtp_code == 550
    assert refused.value.smtp_error.startswith(b"5.4.5 Daily sending quota exceeded: 2 of 2 messages by this app")
    send(subgate, other)
    assert len(upstream.messages) == 3
    wrong = subgate.ctl("app-password", "create", USER, "--label", "l", "--quota", "bytes_per_day=1", check=False)
    assert wrong.returncode == 1 and "messages_per_day=N" in wrong.stderr


def test_a_service_sends_as_its_password_says_and_needs_no_entry(upstream, directory, start):
    subgate = start(relay_section(upstream) + directory.section())
    refused = subgate.ctl("app-password", "create", "scanner", "--label", "l", "--service", check=False)
    assert refused.returncode == 1 and "owner" in refused.stderr
    taken = subgate.ctl("app-password", "create", "alice", "--label", "l", "--service", "--owner", "bob", "--senders",
                        "scans@example.com", check=False)
    assert taken.returncode == 1 and "somebody in the directory" in taken.stderr
    scanner = subgate.create_app_password("scanner", "floor 2", "--service", "--owner", "bob", "--senders",
                                          "scans@example.com")
    send(subgate, scanner, user="scanner", sender="scans@example.com")
    sent = subgate.wait_for_audit("message.sent")[0]
    assert sent["user"] == "scanner" and sent["user_id"] == "service:scanner"
    with login(subgate, "scanner", scanner) as client, pytest.raises(smtplib.SMTPSenderRefused):
        client.sendmail(USER, ["carol@example.net"], message(USER))
    assert listed(subgate, "scanner")[0]["owner"] == "bob"


def test_a_password_is_found_by_each_of_its_users_names(upstream, directory, start):
    subgate = start(relay_section(upstream) + directory.section())
    made = subgate.ctl_json("app-password", "create", "alice", "--label", "phone")
    assert made["user"] == USER
    assert [row["id"] for row in listed(subgate, USER)] == [made["id"]]
    assert [row["id"] for row in listed(subgate, "alice")] == [made["id"]]
    assert listed(subgate, "bob") == []
    assert refusal(subgate, made["password"], "alice") is None
    assert refusal(subgate, made["password"], "bob") == 535
    subgate.ctl("app-password", "revoke", USER, made["id"])
    assert refusal(subgate, made["password"]) == 535


def test_rotation_leaves_the_old_one_for_a_while(subgate):
    made = subgate.ctl_json("app-password", "create", USER, "--label", "printer", "--from", "127.0.0.0/8")
    new = subgate.ctl_json("app-password", "rotate", USER, made["id"], "--overlap", "7d")
    assert new["label"] == "printer" and new["id"] != made["id"]
    assert refusal(subgate, made["password"]) is None
    assert refusal(subgate, new["password"]) is None
    rows = {row["id"]: row for row in listed(subgate, USER)}
    assert rows[made["id"]]["expires"] and not rows[new["id"]]["expires"]
    assert rows[new["id"]]["from"] == "127.0.0.0/8"
    soon = subgate.ctl_json("app-password", "expiring", "--within", "8d")["app_passwords"]
    assert [row["id"] for row in soon] == [made["id"]]
    assert subgate.ctl_json("app-password", "expiring", "--within", "6d")["app_passwords"] == []
    ended = subgate.ctl_json("app-password", "rotate", USER, new["id"], "--overlap", "1s")
    wait_until(lambda: refusal(subgate, new["password"]) == 535, "the old one to end")
    assert refusal(subgate, ended["password"]) is None


# ---- lists

def test_lists_go_on_to_their_end(subgate):
    with open(subgate.state / "app-passwords", "a") as file:
        file.writelines(line_of(number) + "\n" for number in range(3000))
    subgate.create_app_password(USER)
    rows = listed(subgate)
    assert [row["id"] for row in rows[:3000]] == [f"M{number}" for number in range(3000)]
    assert len(rows) == 3001
    assert len(listed(subgate, "many@example.com")) == 3000
    assert len(listed(subgate, USER)) == 1
    text = subgate.ctl("app-password", "list").stdout
    assert "M2999" in text and text.count("\n") == 3002


def test_last_uses_are_kept_over_a_reload(subgate):
    password = subgate.create_app_password(USER)
    unused = subgate.ctl_json("app-password", "create", USER, "--label", "unused")["id"]
    send(subgate, password)
    subgate.ctl("reload")
    wait_until(lambda: any(row.get("last_used") for row in listed(subgate, USER)), "the last use")
    rows = {row["id"]: row for row in listed(subgate, USER)}
    used = next(row for id, row in rows.items() if id != unused)
    assert used["last_from"] == "127.0.0.1" and rows[unused]["last_used"] is None


# ---- the file

def replace_file(subgate, text):
    path = subgate.state / "app-passwords"
    other = subgate.state / "app-passwords.new"
    other.write_text(text)
    other.chmod(0o600)
    os.rename(other, path)


def test_a_file_put_in_its_place_is_followed(subgate):
    kept = subgate.create_app_password(USER)
    before = (subgate.state / "app-passwords").read_text()
    gone = subgate.ctl_json("app-password", "create", USER, "--label", "gone")
    replace_file(subgate, before)
    wait_until(lambda: refusal(subgate, gone["password"]) == 535, "the new file")
    assert refusal(subgate, kept) is None
    id = listed(subgate, USER)[0]["id"]
    subgate.ctl("app-password", "revoke", USER, id)
    assert f'"id":"{id}"}}' in (subgate.state / "app-passwords").read_text().splitlines()[-1]
    assert refusal(subgate, kept) == 535
    auth = subgate.pids("auth")[0]
    os.kill(auth, 9)  # its successor gets the new file as well
    wait_until(lambda: subgate.pids("auth") not in ([], [auth]), "another auth role")
    wait_until(lambda: refusal(subgate, kept) == 535, "a verdict")
    assert listed(subgate, USER) == []


def test_an_edited_file_is_read_anew(subgate):
    password = subgate.create_app_password(USER)
    other = subgate.create_app_password(USER)
    path = subgate.state / "app-passwords"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    wait_until(lambda: refusal(subgate, password) == 535, "the edited file")
    assert refusal(subgate, other) is None


def test_a_damaged_line_is_told_and_skipped(subgate):
    password = subgate.create_app_password(USER)
    assert subgate.check().returncode == 0
    path = subgate.state / "app-passwords"
    with open(path, "a") as file:
        file.write("not a line of ours\n")
    assert refusal(subgate, password) is None
    wait_until(lambda: "line 2 can't be read" in subgate.log, "the log")
    checked = subgate.check()
    assert checked.returncode == 1 and f"{path}:2: not an app password" in checked.stderr
    again = subgate.create_app_password(USER)
    subgate.ctl("reload")
    assert refusal(subgate, again) is None


def test_what_was_made_before_still_works(subgate):
    """A line as Subgate 1 wrote it."""
    old = {"op": "create", "id": "OLDOLD22", "user": USER, "label": "old", "salt": "00112233445566778899aabbccddeeff",
           "created": 1700000000, "from": "127.0.0.0/8"}
    normal = "HORSESTONECHAIRLIGHTRIVER"
    old["hash"] = hashlib.sha256(bytes.fromhex(old["salt"]) + normal.encode()).hexdigest()
    with open(subgate.state / "app-passwords", "a") as file:
        file.write(json.dumps(old) + "\n")
    assert refusal(subgate, "horse-stone-chair-light-river") is None
    assert listed(subgate, USER)[0]["id"] == "OLDOLD22"


# ---- shared by nodes

def test_one_that_was_made_just_now_on_another_node_is_known_at_once(upstream, redis, start, tmp_path):
    sections = relay_section(upstream) + redis.section() + 'app_password { store = "redis" }\n' + \
        f'auth {{ key_file = "{tmp_path / "auth-key"}"  mechanisms = {{"PLAIN", "SCRAM-SHA-256"}} }}\n'
    one, two = start(sections), start(sections, name="other")
    for node in (one, two):
        wait_until(lambda: node.ctl("app-password", "list", check=False).returncode == 0, "the list to be read")
    for number in range(6):
        assert refusal(two, one.create_app_password(USER, f"phone {number}")) is None
    for number in range(3):
        with connect(two) as client:
            assert Scram().login(client, USER, one.create_app_password(USER, f"desk {number}"))[0] == 235


def test_nodes_share_them_and_a_revocation_holds_on_all_within_a_second(upstream, redis, start, tmp_path):
    sections = relay_section(upstream) + redis.section() + 'app_password { store = "redis" }\n' + \
        f'auth {{ key_file = "{tmp_path / "auth-key"}" }}\n'
    one, two = start(sections), start(sections, name="other")
    wait_until(lambda: one.ctl("app-password", "list", check=False).returncode == 0, "the list to be read")
    made = one.ctl_json("app-password", "create", USER, "--label", "phone")
    wait_until(lambda: refusal(two, made["password"]) is None, "the other node to know it")
    send(two, made["password"])
    one.ctl("app-password", "revoke", USER, made["id"])
    revoked = time.monotonic()
    wait_until(lambda: listed(two, USER) == [], "the revocation on the other node")
    print(f"held on the other node after {time.monotonic() - revoked:.2f} s")
    assert refusal(two, made["password"]) == 535
    assert refusal(one, made["password"]) == 535
    # A successor reads the list first: nobody is put off.
    again = one.create_app_password(USER)
    one.ctl("reload")
    assert refusal(one, again) is None
    # What is known holds while Redis is away.
    again = two.create_app_password(USER)
    wait_until(lambda: refusal(one, again) is None, "the other node to know it")
    redis.kill()
    assert refusal(one, again) is None and refusal(two, again) is None
    refused = two.ctl("app-password", "create", USER, "--label", "later", check=False)
    assert refused.returncode == 1 and "Redis" in refused.stderr
    redis.start()
    wait_until(lambda: two.ctl("app-password", "create", USER, "--label", "later", check=False).returncode == 0,
               "Redis to be back")


def test_a_line_that_was_written_to_redis_by_others_admits_nobody(upstream, redis, start):
    subgate = start(relay_section(upstream) + redis.section() + 'app_password { store = "redis" }\n')
    wait_until(lambda: subgate.ctl("app-password", "list", check=False).returncode == 0, "the list to be read")
    made = subgate.ctl_json("app-password", "create", USER, "--label", "phone")
    key, = [key for key in redis.command("KEYS", "*auth:1:app_passwords").split()]
    seal, line = redis.command("LINDEX", key, "0").strip().split(" ", 1)
    stolen = json.dumps({**json.loads(line), "id": "FORGED22", "owner": "name:bob@example.com",
                         "user": "bob@example.com"})
    redis.command("RPUSH", key, stolen, f"{seal} {stolen}", f"{'0' * 64} {stolen}")
    wait_until(lambda: refusal(subgate, made["password"]) is None and "3 lines in Redis are not sealed" in subgate.log,
               "the log to tell of them")
    assert refusal(subgate, made["password"], "bob@example.com") == 535
    assert listed(subgate, "bob@example.com") == []


# ---- directories of three kinds

def test_a_leavers_phone_is_not_the_new_employees(company, upstream, start):
    newcomer = person("newcomer")
    company.add(newcomer)
    subgate = start(relay_section(upstream) + company.section() + 'auth { cache = "0s" }\n')
    phone = subgate.create_app_password(newcomer.uid)
    assert refusal(subgate, phone, newcomer.uid) is None
    company.delete(newcomer)
    company.add(newcomer)  # another person of the same name
    assert refusal(subgate, phone, newcomer.uid) == 535
    assert listed(subgate, newcomer.uid) == []
    tablet = subgate.create_app_password(newcomer.uid)
    assert refusal(subgate, tablet, newcomer.uid) is None
    assert len(listed(subgate, newcomer.uid)) == 1
    company.delete(newcomer)
    # Nobody has the name now: all that were made for it.
    assert len(listed(subgate, newcomer.mails[0])) == 2
    assert refusal(subgate, tablet, newcomer.uid) in (525, 535)


def test_a_group_can_be_made_to_use_them(company, upstream, start):
    alice, bob = PERSON["alice"], PERSON["bob"]
    group = company.group_dn("Press, Radio").replace("\\", "\\\\")
    required = f'app_password {{ required_groups = {{"{group}"}} }}\n'
    subgate = start(relay_section(upstream) + company.section() + required)
    with connect(subgate) as client, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        client.login(bob.uid, bob.password)
    assert (refused.value.smtp_code, refused.value.smtp_error[:5]) == (534, b"5.7.9")
    assert refusal(subgate, "wrong", bob.uid) == 535
    assert refusal(subgate, subgate.create_app_password(bob.uid), bob.uid) is None
    assert refusal(subgate, alice.password, alice.uid) is None
