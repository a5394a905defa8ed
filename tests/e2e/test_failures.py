"""What the client hears when something behind Subgate is away, and that mail flows again by itself."""

import smtplib
import threading
import time

import pytest

from harness.client import connect, login, message
from harness.process import PATIENCE, wait_until
from harness.subgate import relay_section

USER, PASSWORD = "alice@example.com", "Alice-Password-1"


def send(subgate, user=USER, password=PASSWORD):
    """The reply to one message, whichever command it came at: (code, text)."""
    with login(subgate, user, password) as client:
        try:
            client.sendmail(user, ["bob@example.net"], message(user))
        except smtplib.SMTPRecipientsRefused as refused:
            return next(iter(refused.recipients.values()))
        except smtplib.SMTPResponseException as refused:
            return refused.smtp_code, refused.smtp_error
    return 250, b""


def wait_until_sent(subgate):
    wait_until(lambda: send(subgate)[0] == 250, "mail to flow again", 40)


def test_the_sixth_message_of_five_is_refused_with_the_reset_time(upstream, directory, redis, start):
    quota = "quota default { messages_per_day = 5 }\n"
    subgate = start(relay_section(upstream) + directory.section() + redis.section() + quota)
    for _ in range(5):
        assert send(subgate)[0] == 250
    code, text = send(subgate)
    assert code == 550
    assert text.startswith(b"5.4.5 Daily sending quota exceeded: 5 of 5 messages, resets at 20")
    assert len(upstream.messages) == 5
    shown = subgate.ctl_json("quota", "show", USER)
    assert (shown["used"], shown["limit"]) == (5, 5)
    subgate.ctl("quota", "reset", USER)
    assert send(subgate)[0] == 250


def test_redis_away_is_451_and_mail_flows_again(whole, upstream, redis):
    assert send(whole)[0] == 250
    redis.stop()
    code, text = send(whole)
    assert code == 451 and text.startswith(b"4.3.0")
    redis.start()
    wait_until_sent(whole)
    assert len(upstream.messages) == 2


def test_a_frozen_redis_is_451_in_time(whole, upstream, redis):
    assert send(whole)[0] == 250
    redis.freeze()
    began = time.monotonic()
    code, _ = send(whole)
    assert code == 451 and time.monotonic() - began < PATIENCE
    redis.thaw()
    wait_until_sent(whole)
    # The late charge was refused by its tombstone: two messages, two counted.
    wait_until(lambda: whole.ctl_json("quota", "show", USER)["used"] == len(upstream.messages), "the refund")


def test_a_new_relay_takes_over_once_its_redis_answers(whole, upstream, redis):
    """Not before: what came in between would be refused for want of a count, though Redis was never away."""
    assert send(whole)[0] == 250
    redis.freeze()
    thawing = threading.Timer(1, redis.thaw)
    thawing.start()
    whole.ctl("reload")
    assert send(whole)[0] == 250
    thawing.join()
    assert len(upstream.messages) == 2


def test_directory_away_is_454_and_logins_work_again(upstream, directory, redis, start):
    subgate = start(relay_section(upstream) + directory.section() + redis.section() + 'auth { cache = "0s" }\n')
    assert send(subgate)[0] == 250
    directory.stop()
    with connect(subgate) as client, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        client.login(USER, PASSWORD)
    assert refused.value.smtp_code == 454 and refused.value.smtp_error.startswith(b"4.7.0")
    directory.start()

    def works():
        try:
            return send(subgate)[0] == 250
        except smtplib.SMTPAuthenticationError:
            return False

    wait_until(works, "logins to work again", 30)


@pytest.mark.seconds(10)
def test_a_frozen_directory_is_454_in_time_and_lets_app_passwords_in(upstream, directory, start):
    """Of two who come at the same time; one that is silent may hold both up once."""
    subgate = start(relay_section(upstream) + directory.section(timeout="6s") +
                    'auth { cache = "0s" }\napp_password { require_directory_entry = false }\n')
    device = subgate.create_app_password("scanner@example.com")
    directory.freeze()
    try:
        began = time.monotonic()
        slow = connect(subgate)
        slow.ehlo()
        slow.putcmd("AUTH", "PLAIN AGFsaWNlAEFsaWNlLVBhc3N3b3JkLTE=")  # alice, and her password
        login(subgate, "scanner@example.com", device).quit()
        assert slow.getreply()[0] == 454 and time.monotonic() - began < 60
        slow.close()
    finally:
        directory.thaw()


def test_upstream_away_is_451_and_mail_flows_again(whole, upstream):
    upstream.stop()
    code, text = send(whole)
    assert code == 451 and text.startswith(b"4.4.1")
    upstream.start()
    wait_until_sent(whole)
    wait_until(lambda: whole.ctl_json("quota", "show", USER)["used"] == len(upstream.messages), "the refund")


def test_wrong_password_and_unknown_user_are_the_same_535(whole):
    replies = []
    for user, password in ((USER, "wrong"), ("nobody@example.com", "wrong"), (USER, "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE")):
        with connect(whole) as client, pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login(user, password)
        replies.append((refused.value.smtp_code, refused.value.smtp_error))
    assert replies[0][0] == 535 and replies[0][1].startswith(b"5.7.8")
    assert len(set(replies)) == 1
    assert len(whole.wait_for_audit("auth.failure", 3)) >= 3


def test_upstream_refuses_our_login_is_451_and_is_not_hammered(whole, upstream):
    upstream.script["LOGIN"] = ["535 5.7.8 Username and Password not accepted"] * 50
    for _ in range(5):
        code, text = send(whole)
        assert code == 451 and b"535" not in text and b"Password not accepted" not in text
    assert len(upstream.logins) <= 2
