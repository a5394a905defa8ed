"""A real slapd: who users are, what they may send as, and app passwords that depend on it."""

import os
import signal
import smtplib

import pytest

from harness.client import connect, login, message
from harness.process import wait_until
from harness.subgate import relay_section

USER, PASSWORD = "alice@example.com", "Alice-Password-1"


def test_a_directory_user_sends_as_themselves_and_nobody_else(whole, upstream):
    with login(whole, "alice", PASSWORD) as client:  # by uid; the mail attribute is her name from then on
        client.sendmail(USER, ["carol@example.net"], message(USER))
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            client.sendmail("bob@example.com", ["carol@example.net"], message(USER))
        assert refused.value.smtp_code == 553
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail(USER, ["carol@example.net"], message("bob@example.com"))
        assert refused.value.smtp_code == 550
    sent = whole.wait_for_audit("message.sent")[0]
    assert (sent["user"], sent["auth_method"]) == (USER, "ldap")
    assert sent["user_id"].startswith("corp:")
    assert len(upstream.messages) == 1


def test_senders_sections_add_addresses(upstream, directory, start):
    extra = f'senders press {{ users = {{"{USER}"}}  addresses = {{"press@example.com", "@devices.example.com"}} }}\n'
    subgate = start(relay_section(upstream) + directory.section() + extra)
    with login(subgate, USER, PASSWORD) as client:
        for sender in ("press@example.com", "door7@devices.example.com"):
            client.sendmail(sender, ["carol@example.net"], message(sender))
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.sendmail("door7@sub.devices.example.com", ["carol@example.net"], message(USER))
    assert len(upstream.messages) == 2


def test_an_app_password_needs_its_owner_in_the_directory(upstream, directory, start):
    subgate = start(relay_section(upstream) + directory.section())
    ours = subgate.create_app_password(USER)
    refused = subgate.ctl("app-password", "create", "former@example.com", "--label", "phone", check=False)
    assert refused.returncode == 1 and "no such user in the directory" in refused.stderr
    with login(subgate, USER, ours) as client:
        client.sendmail(USER, ["carol@example.net"], message(USER))
    # The directory's last word stands while it is away.
    directory.stop()
    with login(subgate, USER, ours) as client:
        client.sendmail(USER, ["carol@example.net"], message(USER))
    assert len(upstream.messages) == 2


def test_the_directorys_last_word_outlives_a_reload_and_the_death_of_the_role(upstream, directory, start):
    subgate = start(relay_section(upstream) + directory.section())
    ours = subgate.create_app_password(USER)
    never_seen = subgate.create_app_password("bob@example.com")
    with login(subgate, USER, ours) as client:
        client.sendmail(USER, ["carol@example.net"], message(USER))
    directory.stop()

    def works():
        try:
            with login(subgate, USER, ours) as client:
                client.sendmail(USER, ["carol@example.net"], message(USER))
            return True
        except smtplib.SMTPException:
            return False

    old, = subgate.pids("auth")
    subgate.ctl("reload")
    wait_until(lambda: old not in subgate.pids("auth"), "the role's successor")
    wait_until(works, "the last word after a reload")
    old, = subgate.pids("auth")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: old not in subgate.pids("auth"), "the role's end")
    wait_until(works, "the last word after the role's death")
    with connect(subgate) as client, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        client.login("bob@example.com", never_seen)
    assert refused.value.smtp_code == 454


def test_an_empty_password_never_binds(whole):
    with connect(whole) as client, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        client.login(USER, "")
    assert refused.value.smtp_code == 535


@pytest.mark.parametrize("name", ["*", "alice)(uid=*", "a*", "alice\\2a"])
def test_names_are_no_filters(whole, name):
    with connect(whole) as client, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        client.login(name, PASSWORD)
    assert refused.value.smtp_code == 535
