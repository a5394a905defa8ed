"""AUTH SCRAM-SHA-256 and -PLUS: app passwords are proved and never shown, bound to the connection."""

import subprocess

import pytest

from harness.client import connect, message
from harness.process import wait_until
from harness.scram import Scram
from harness.subgate import relay_section

USER = "alice@example.com"
AUTH = 'auth { mechanisms = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"} %s }\n'


def log_in(subgate, user, password, scram=None):
    scram = scram or Scram()
    with connect(subgate) as client:
        return scram.login(client, user, password)[0]


def gsasl(subgate, mechanism, password, *more):
    return subprocess.run(["gsasl", "--smtp", "--starttls", "--mechanism", mechanism, "--authentication-id", USER,
                           "--password", password, f"--x509-ca-file={subgate.authority.ca}", *more, "127.0.0.1",
                           str(subgate.starttls)], input="", capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("mechanism, more", [("SCRAM-SHA-256-PLUS", []), ("SCRAM-SHA-256", ["--no-cb"])])
def test_gsasl_logs_in_and_a_wrong_password_does_not(upstream, start, mechanism, more):
    subgate = start(relay_section(upstream) + AUTH % "")
    password = subgate.create_app_password(USER)
    done = gsasl(subgate, mechanism, password, *more)
    assert "235 2.7.0" in done.stdout, done.stdout + done.stderr
    record = subgate.wait_for_audit("auth.success")[-1]
    assert (record["user"], record["auth_method"], record["sasl_mechanism"]) == (USER, "app_password", mechanism)
    done = gsasl(subgate, mechanism, password[:-1] + ("A" if password[-1] != "A" else "B"), *more)
    assert "535 5.7.8" in done.stdout, done.stdout + done.stderr
    assert password not in subgate.log


def test_whoever_was_told_that_there_is_no_binding_is_refused(upstream, start):
    subgate = start(relay_section(upstream) + AUTH % "")
    password = subgate.create_app_password(USER)
    assert log_in(subgate, USER, password, Scram(header="y,,")) == 535
    assert log_in(subgate, USER, password) == 235


def test_a_proof_for_another_certificate_is_refused(upstream, start, authority):
    subgate = start(relay_section(upstream) + AUTH % "")
    password = subgate.create_app_password(USER)
    with connect(subgate) as client:
        own = client.sock.getpeercert(binary_form=True)
        scram = Scram(certificate=own)
        assert scram.login(client, USER, password)[0] == 235
        assert scram.verified
    assert log_in(subgate, USER, password, Scram(certificate=own + b"x")) == 535


def test_each_of_a_users_passwords_is_proved_and_a_revoked_one_is_not(upstream, start):
    subgate = start(relay_section(upstream) + AUTH % "")
    made = [subgate.ctl_json("app-password", "create", USER, "--label", str(i)) for i in range(3)]
    scram = Scram()
    for password in made:
        assert log_in(subgate, USER, password["password"], scram) == 235
        assert scram.verified
        wait_until(lambda: any(record["app_password_id"] == password["id"]
                               for record in subgate.audit("auth.success")), lambda: str(subgate.audit("auth.success")))
    subgate.ctl("app-password", "revoke", USER, made[1]["id"])
    assert log_in(subgate, USER, made[1]["password"]) == 535
    assert log_in(subgate, USER, made[2]["password"]) == 235


def test_one_that_is_revoked_before_the_client_answers_lets_nobody_in(upstream, start):
    subgate = start(relay_section(upstream) + AUTH % "")
    made = subgate.ctl_json("app-password", "create", USER, "--label", "x")
    scram = Scram()
    with connect(subgate) as client:
        assert scram.challenge(client, USER)[0] == 334
        subgate.ctl("app-password", "revoke", USER, made["id"])
        assert scram.prove(client, made["password"])[0] == 535


def test_a_login_sends_mail_as_its_user(upstream, start):
    subgate = start(relay_section(upstream) + AUTH % "")
    password = subgate.create_app_password(USER)
    with connect(subgate) as client:
        assert Scram().login(client, USER.upper(), password)[0] == 235
        client.sendmail(USER, ["bob@example.net"], message(USER))
        assert client.mail("bob@example.com")[0] == 553
    upstream.wait_for(1)


def salts(subgate, *users):
    found = []
    for user in users:
        scram = Scram()
        with connect(subgate) as client:
            assert scram.challenge(client, user)[0] == 334
            assert client.docmd("*")[0] == 501
        found.append(scram.salt)
    return found


def test_a_stranger_has_a_salt_that_stays_the_same(upstream, start, directory):
    subgate = start(relay_section(upstream) + AUTH % 'backends = {"app_password", "ldap"}' + directory.section())
    subgate.create_app_password(USER)
    names = [USER, "alice", "bob@example.com", "nobody@example.com", "nobody2@example.com"]
    first = salts(subgate, *names)
    assert salts(subgate, *names) == first
    assert first[0] == first[1]  # one person
    assert len(set(first)) == 4
    before = subgate.pids("auth")
    subgate.ctl("reload")
    wait_until(lambda: subgate.pids("auth") not in ([], before), "a new auth role")
    assert salts(subgate, *names) == first
    assert log_in(subgate, "nobody@example.com", "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE") == 535


def test_while_the_directory_is_away_strangers_look_like_users_it_told_of(upstream, start, directory):
    subgate = start(relay_section(upstream) + AUTH % 'backends = {"app_password", "ldap"}' + directory.section())
    password = subgate.create_app_password(USER)
    service = subgate.create_app_password("printer-3", "printer", "--service", "--owner", "alice", "--senders",
                                          "printer@example.com")
    assert log_in(subgate, USER, password) == 235
    assert log_in(subgate, USER, service) == log_in(subgate, "nobody@example.com", service) == 535
    directory.stop()
    for user in (USER, "bob@example.com", "nobody@example.com", "printer-3"):
        scram = Scram()
        with connect(subgate) as client:
            assert scram.challenge(client, user)[0] == 334, user
            assert scram.prove(client, "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE")[0] == 454, user
    assert log_in(subgate, USER, password) == 235
    assert log_in(subgate, "printer-3", service) == 235


def test_a_password_from_before_the_directory_waits_until_it_answers(upstream, start, directory):
    """Nobody knows who its user is by now; it stays theirs, and is nobody's meanwhile."""
    subgate = start(relay_section(upstream) + AUTH % "")
    password = subgate.create_app_password(USER)
    kept = [path.read_text() for path in subgate.folder.rglob("app-passwords*")]
    directory.stop()
    before = subgate.pids("auth")
    with_directory = AUTH % 'backends = {"app_password", "ldap"}' + directory.section()
    subgate.config.write_text(subgate.config.read_text().replace(AUTH % "", with_directory))
    subgate.ctl("reload")
    wait_until(lambda: subgate.pids("auth") not in ([], before), "a new auth role")
    assert log_in(subgate, USER, password) == 454
    wait_until(lambda: subgate.wait_for_audit("auth.failure")[-1]["reason"] == "directory away", "its record")
    assert [path.read_text() for path in subgate.folder.rglob("app-passwords*")] == kept
    directory.start()
    wait_until(lambda: log_in(subgate, USER, password) == 235, "the directory to be asked", 30)


def test_whoever_gets_their_first_password_keeps_their_salt(upstream, start, directory):
    subgate = start(relay_section(upstream) + AUTH % 'backends = {"app_password", "ldap"}' + directory.section())
    before = salts(subgate, "bob@example.com")
    password = subgate.create_app_password("bob@example.com")
    assert salts(subgate, "bob@example.com") == before
    assert log_in(subgate, "bob@example.com", password) == 235


def test_a_directory_password_is_not_proved(upstream, start, directory):
    subgate = start(relay_section(upstream) + AUTH % 'backends = {"app_password", "ldap"}' + directory.section())
    subgate.create_app_password(USER)
    assert log_in(subgate, USER, "Alice-Password-1") == 535
    with connect(subgate) as client:
        client.login(USER, "Alice-Password-1")


def test_a_service_proves_its_password(upstream, start, directory):
    subgate = start(relay_section(upstream) + AUTH % 'backends = {"app_password", "ldap"}' + directory.section())
    password = subgate.create_app_password("printer-3", "printer", "--service", "--owner", "alice", "--senders",
                                           "printer@example.com")
    with connect(subgate) as client:
        assert Scram().login(client, "printer-3", password)[0] == 235
        assert client.mail("printer@example.com")[0] == 250
