"""Sessions whose right ends while they run: listed, kicked, locked out; at this node and at others."""

import contextlib
import smtplib
import time

import pytest

from e2e.conftest import USERS
from e2e.test_companies import try_login
from harness.client import connect, hear, login, message
from harness.people import PEOPLE, person
from harness.process import wait_until
from harness.subgate import relay_section

USER = "alice@example.com"
OTHER = "bob@example.com"
ENDED = b"4.7.0 This session was ended, please log in again"


def is_ended(client):
    """Whether the client hears 421, or that nobody is there any more, to its next message."""
    try:
        code, text = client.mail(USER)
        if code == 250:
            code, text = client.rset()
    except smtplib.SMTPServerDisconnected:
        return True
    return code == 421


def test_an_administrator_ends_a_session(subgate):
    password = subgate.create_app_password(USER)
    with login(subgate, USER, password) as client, login(subgate, OTHER, subgate.create_app_password(OTHER)) as other:
        assert {s["user"] for s in subgate.ctl_json("sessions")["sessions"]} == {USER, OTHER}
        row, = subgate.ctl_json("sessions", USER)["sessions"]
        assert (row["user_id"], row["address"], row["method"]) == (f"name:{USER}", "127.0.0.1", "app_password")
        subgate.ctl("kick", row["session"])
        assert client.getreply() == (421, ENDED)
        assert hear(other, OTHER, "carol@example.net", message(OTHER))[0] == 250
        assert subgate.ctl_json("sessions", USER)["sessions"] == []
    ended, = subgate.wait_for_audit("session.ended")
    assert (ended["session"], ended["user"], ended["reason"]) == (row["session"], USER, "ended by an administrator")
    with login(subgate, USER, password) as client:
        assert hear(client, USER, "carol@example.net", message(USER))[0] == 250
    assert subgate.ctl("kick", "no session", check=False).returncode == 1


def test_a_session_at_a_relay_that_drains_is_ended_too(subgate):
    with login(subgate, USER, subgate.create_app_password(USER)) as client:
        client.mail(USER)
        assert client.rcpt("carol@example.net")[0] == 250  # it is at work, so the old gate waits for it
        row, = subgate.ctl_json("sessions")["sessions"]
        subgate.ctl("reload")
        wait_until(lambda: subgate.ctl_json("sessions")["sessions"] == [], "the new relay")
        subgate.ctl("kick", row["session"])
        assert client.getreply() == (421, ENDED)
    assert subgate.wait_for_audit("session.ended")[0]["session"] == row["session"]
    assert subgate.audit("message.sent") == []


@pytest.fixture
def nodes(redis, directory, start, upstream):
    """Two nodes that share a Redis and a directory."""
    sections = relay_section(upstream) + redis.section() + directory.section()
    return start(sections, name="one"), start(sections, name="two")


def log_in_everywhere(nodes):
    return [login(node, "alice", USERS["alice"]) for node in nodes]


def wait_for_end(clients):
    """How long it takes until each of them can send no more, in seconds."""
    began = time.monotonic()
    for client in clients:
        wait_until(lambda client=client: is_ended(client), "the session to end", 30)
    return time.monotonic() - began


def refuses(node, password=USERS["alice"]):
    with connect(node) as client, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        client.login("alice", password)
    return refused.value.smtp_code


def test_a_lock_ends_sessions_and_keeps_out_on_all_nodes(nodes, redis):
    clients = log_in_everywhere(nodes)
    answer = nodes[0].ctl_json("user", "lock", "alice", "--reason", "phishing")
    assert (answer["user"], answer["state"]) == (USER, "locked")
    locked, = nodes[0].wait_for_audit("user.locked")
    assert (locked["user"], locked["user_id"], locked["reason"]) == (USER, answer["user_id"], "phishing")
    print(f"locked: ended within {wait_for_end(clients):.2f} s")
    assert [refuses(node) for node in nodes] == [525, 525]
    assert refuses(nodes[1], "a wrong password") == 535  # only who knows the password hears of the lock
    redis.command("DEL", f"subgate:quota:{{{USER}}}")  # no part of the quota
    nodes[0].stop()
    nodes[0].start()
    assert [refuses(node) for node in nodes] == [525, 525]
    nodes[1].ctl("user", "unlock", USER)
    wait_until(lambda: is_let_in(nodes[0]), "the user to be let in again", 30)
    assert nodes[1].ctl("user", "unlock", USER, check=False).returncode == 1


def is_let_in(node):
    try:
        login(node, "alice", USERS["alice"]).quit()
        return True
    except smtplib.SMTPAuthenticationError:
        return False


def test_a_message_under_way_is_not_charged_to_a_locked_user(nodes, redis):
    """What a node that has not heard of it yet would still send: the charge looks itself."""
    with login(nodes[0], "alice", USERS["alice"]) as client:
        row, = nodes[0].ctl_json("sessions")["sessions"]
        redis.command("HSET", f"subgate:lock:{{{USER}}}", row["user_id"], "1")
        assert hear(client, USER, "carol@example.net", message(USER)) == (550, "5.7.1 This account is locked")
    refused, = nodes[0].wait_for_audit("message.refused")
    assert refused["reason"] == "user locked"


def test_an_id_is_locked_without_the_directory(nodes, directory):
    clients = log_in_everywhere(nodes)
    row, = nodes[0].ctl_json("sessions")["sessions"]
    directory.stop()
    assert nodes[0].ctl("user", "lock", "alice", check=False).returncode == 1
    nodes[0].ctl("user", "lock", row["user_id"])
    wait_for_end(clients)


def test_a_forgotten_user_is_asked_for_anew_everywhere(nodes):
    clients = log_in_everywhere(nodes)
    nodes[1].ctl("user", "forget", "alice")
    print(f"forgotten: ended within {wait_for_end(clients):.2f} s")
    assert all(is_let_in(node) for node in nodes)
    assert {r["reason"] for r in nodes[0].wait_for_audit("session.ended")} == {"user forgotten"}


def login_code(node, name, password):
    with connect(node) as client:
        try:
            return client.login(name, password)[0]
        except smtplib.SMTPAuthenticationError as refused:
            return refused.smtp_code


@pytest.mark.parametrize("by", ["name", "id"])
def test_what_the_directory_said_of_a_forgotten_user_is_forgotten_in_redis_too(nodes, directory, by):
    """By whatever name they logged in: while the directory is away, nobody knows whether they are still there."""
    made = nodes[0].ctl_json("app-password", "create", "alice", "--label", "phone")["password"]
    assert [login_code(nodes[0], name, made) for name in ("alice", USER)] == [235, 235]
    user_id = nodes[0].ctl_json("user", "show", "alice")["user_id"]
    nodes[1].ctl("user", "forget", "alice" if by == "name" else user_id)
    directory.stop()

    def is_forgotten(name):
        with contextlib.suppress(smtplib.SMTPServerDisconnected):  # the session that the word ends
            return login_code(nodes[0], name, made) == 454

    for name in ("alice", USER):
        wait_until(lambda name=name: is_forgotten(name), f"{name} to be forgotten", 30)


def test_no_lock_is_promised_while_redis_is_away(nodes, redis):
    redis.stop()
    refused = nodes[0].ctl("user", "lock", "alice", check=False)
    assert refused.returncode == 1 and "Redis" in refused.stderr


def test_a_revoked_app_password_ends_the_sessions_that_it_began(nodes):
    made = nodes[0].ctl_json("app-password", "create", "alice", "--label", "phone")
    with login(nodes[0], "alice", made["password"]) as phone, login(nodes[0], "alice", USERS["alice"]) as desk:
        nodes[0].ctl("app-password", "revoke", "alice", made["id"])
        print(f"revoked: ended within {wait_for_end([phone]):.2f} s")
        assert hear(desk, USER, "carol@example.net", message(USER))[0] == 250
    assert nodes[0].wait_for_audit("session.ended")[0]["reason"] == "app password revoked"


DISABLED = {
    "openldap": "add: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z",
    "active_directory": "replace: userAccountControl\nuserAccountControl: 514",
    "389ds": "add: nsAccountLock\nnsAccountLock: TRUE",
}


def delete_them(company, who):
    company.delete(who)


def disable_them(company, who):
    company.modify(company.dn(who), DISABLED[company.KIND])


def move_them(company, who):
    company.modify(company.group_dn("staff"), f"add: member\nmember: {company.dn(who)}")


@pytest.mark.parametrize("change, reason, code", [
    (delete_them, "not in the directory", 535),
    (disable_them, "account", None),  # what a directory tells of it differs
    (move_them, "rights changed", 235),
], ids=["deleted", "disabled", "moved"])
def test_what_changes_in_the_directory_ends_sessions_before_their_next_message(
        company, start, upstream, redis, change, reason, code):
    sections = relay_section(upstream) + redis.section() + company.section() + 'auth { recheck = "1s" }\n' + (
        f'quota staff {{ groups = {{"{company.group_dn("staff")}"}} }}\n')
    nodes = [start(sections, name=name) for name in ("one", "two")]
    zoe = person("zoe")
    company.add(zoe)
    try:
        clients = [login(node, "zoe", zoe.password) for node in nodes]
        for client in clients:
            assert hear(client, zoe.mails[0], "carol@example.net", message(zoe.mails[0]))[0] == 250
        change(company, zoe)
        began = time.monotonic()
        for client in clients:
            wait_until(lambda client=client: not sends(client, zoe.mails[0]), "the session to end", 30)
        print(f"{company.KIND}, {reason}: ended within {time.monotonic() - began:.2f} s with recheck = 1s")
        for node in nodes:
            assert node.wait_for_audit("session.ended")[0]["reason"].startswith(reason)
            heard = try_login(node, "zoe", zoe.password)
            assert heard == code or (code is None and heard in (525, 535))
    finally:
        if change is not delete_them:
            company.delete(zoe)


def sends(client, sender):
    """Whether another message is taken."""
    try:
        return hear(client, sender, "carol@example.net", message(sender))[0] == 250
    except smtplib.SMTPServerDisconnected:
        return False


def test_sessions_go_on_while_the_directory_is_away(directory, start, upstream):
    subgate = start(relay_section(upstream) + directory.section() + 'auth { recheck = "1s" }\n')
    with login(subgate, "alice", USERS["alice"]) as client:
        directory.stop()
        time.sleep(1.5)  # the right is to be asked for again
        assert sends(client, USER)
    assert subgate.audit("session.ended") == []


def test_user_show_gathers_what_is_known(directory, start, upstream):
    subgate = start(relay_section(upstream) + directory.section() + 'quota staff { users = {"alice@example.com"} }\n')
    made = subgate.ctl_json("app-password", "create", "alice", "--label", "phone")
    with login(subgate, "alice", USERS["alice"]):
        shown = subgate.ctl_json("user", "show", "alice")
        assert (shown["user"], shown["state"], shown["quota"]) == (USER, "in the directory", "staff")
        assert [row["sender"] for row in shown["senders"]] == [USER]
        assert [(row["id"], row["label"]) for row in shown["app_passwords"]] == [(made["id"], "phone")]
        assert len(shown["sessions"]) == 1 and shown["sessions"][0]["session"].endswith(" 127.0.0.1")
        assert (shown["locked"], shown["throttled"]) == ("no", [])
    subgate.ctl("user", "lock", "alice", "--reason", "phishing")
    codes = [try_login(subgate, "alice", f"a wrong password {number}") for number in range(12)]
    assert codes.count(454) >= 3  # five places, and four of those who were here before, whichever gates they came to
    shown = subgate.ctl_json("user", "show", shown["user_id"])
    assert (shown["locked"], shown["reason"], shown["sessions"]) == ("yes", "phishing", [])
    assert "phishing" in subgate.ctl("user", "show", "alice").stdout
    assert subgate.ctl_json("user", "show", "alice")["throttled"][0]["typed"] == "alice"
    assert subgate.ctl_json("user", "show", "nobody")["state"] == "not in a directory"
    directory.stop()
    assert subgate.ctl_json("user", "show", "alice")["state"] == "the directory can't be asked"


@pytest.mark.parametrize("uid", ["alice", "nina", "rita", "alan"])
def test_a_right_that_has_not_changed_goes_on(company, start, upstream, uid):
    """Groups of all kinds and several addresses: what is looked up again is what was found at the login."""
    who = next(p for p in PEOPLE if p.uid == uid)
    subgate = start(relay_section(upstream) + company.section() + 'auth { recheck = "1s" }\n' + (
        f'quota staff {{ groups = {{"{company.group_dn("staff")}"}} }}\n'))
    made = subgate.ctl_json("app-password", "create", uid, "--label", "phone")
    with login(subgate, uid, who.password) as desk, login(subgate, uid, made["password"]) as phone:
        for _ in range(2):
            time.sleep(1.1)  # the right is to be asked for again
            assert sends(desk, who.mails[0]) and sends(phone, who.mails[0])
    assert subgate.audit("session.ended") == []


def test_a_revocation_holds_on_all_nodes_that_share_the_passwords(redis, directory, start, upstream, tmp_path):
    sections = relay_section(upstream) + redis.section() + directory.section() + \
        f'app_password {{ store = "redis" }}\nauth {{ key_file = "{tmp_path / "auth-key"}" }}\n'
    nodes = [start(sections, name=name) for name in ("one", "two")]
    made = nodes[0].ctl_json("app-password", "create", "alice", "--label", "phone")
    wait_until(lambda: try_login(nodes[1], "alice", made["password"]) == 235, "the password at the other node", 30)
    clients = [login(node, "alice", made["password"]) for node in nodes]
    nodes[0].ctl("app-password", "revoke", "alice", made["id"])
    print(f"revoked: ended within {wait_for_end(clients):.2f} s on both nodes")
    assert [try_login(node, "alice", made["password"]) for node in nodes] == [535, 535]
