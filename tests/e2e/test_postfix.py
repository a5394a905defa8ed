"""A real Postfix as the upstream, with STARTTLS, into a real mailbox."""

import smtplib

import pytest

from harness.client import login, message
from harness.postfix_server import Postfix
from harness.process import wait_until

USER = "alice@example.com"


@pytest.fixture
def postfix(tmp_path, authority):
    postfix = Postfix(tmp_path / "postfix", authority).start()
    yield postfix
    postfix.stop()


def test_a_message_ends_up_in_the_mailbox(postfix, authority, start):
    subgate = start(f"""
relay postfix {{
  host = "127.0.0.1"  port = {postfix.port}  tls = "starttls"  ca_file = "{authority.ca}"  tls_name = "postfix.example"
  auth = "none"
}}
""")
    with login(subgate, USER, subgate.create_app_password(USER)) as client:
        refused = client.sendmail(USER, ["bob@example.net", "eve@elsewhere.example"],
                                  message(USER, body="Hello\r\n..dots\r\n", number=9))
    assert list(refused) == [] or refused["eve@elsewhere.example"][0] in (454, 554)
    wait_until(lambda: postfix.mailbox.exists() and b"<9.test@example.com>" in postfix.mailbox.read_bytes(),
               "the message in the mailbox", 30)
    assert b"\nHello\n" in postfix.mailbox.read_bytes()
    sent = subgate.wait_for_audit("message.sent")[0]
    assert "queued as" in sent["response"]["text"]


def test_addresses_in_utf8_end_up_in_the_mailbox(postfix, authority, start):
    subgate = start(f"""
relay postfix {{
  host = "127.0.0.1"  port = {postfix.port}  tls = "starttls"  ca_file = "{authority.ca}"  tls_name = "postfix.example"
  auth = "none"  dsn = true  smtputf8 = true
}}
senders team {{ users = {{"{USER}"}}  addresses = {{"älice@example.com"}} }}
""")
    content = message("Älice <älice@example.com>", to="böb@example.net", number=10)
    with login(subgate, USER, subgate.create_app_password(USER)) as client:
        assert client.has_extn("smtputf8")
        refused = client.sendmail("älice@example.com", ["böb@example.net"], content, ["SMTPUTF8", "BODY=8BITMIME"],
                                  ["ORCPT=rfc822;b+C3+B6b@example.net"])
    assert refused == {}
    wait_until(lambda: postfix.mailbox.exists() and b"<10.test@example.com>" in postfix.mailbox.read_bytes(),
               "the message in the mailbox", 30)
    got = postfix.mailbox.read_bytes()
    assert "\nFrom: Älice <älice@example.com>\n".encode() in got and b"with UTF8SMTPSA" in got
    assert "X-Original-To: böb@example.net".encode() in got
    assert subgate.wait_for_audit("message.sent")[0]["rcpt_to"][0]["address"] == "böb@example.net"


def test_a_recipient_that_postfix_repeats_stops_nobodys_mail(tmp_path, authority, start):
    """Postfix says the whole address, whatever its owner made of it."""
    postfix = Postfix(tmp_path / "postfix", authority, more="""
smtpd_recipient_restrictions =
  check_recipient_access inline:{ {nosuch.invalid = DEFER Domain not found} }, permit_mynetworks
""").start()
    subgate = start(f"""
relay postfix {{
  host = "127.0.0.1"  port = {postfix.port}  tls = "starttls"  ca_file = "{authority.ca}"  tls_name = "postfix.example"
  auth = "none"
}}
""")
    password = subgate.create_app_password(USER)
    for local_part in ("too much mail from try again in 2d", "Error: too much mail from", "5.4.5 limit",
                       "Throttling failure", "try again in 2d"):
        with login(subgate, USER, password) as client:
            client.mail(USER)
            code, text = client.rcpt(f'<"{local_part}"@nosuch.invalid>')
            assert code == 450 and local_part.encode() in text, text
        relay = subgate.ctl_json("relay", "list")["relays"][0]
        assert relay["rest"] == "none", relay
    with login(subgate, USER, password) as client:
        assert client.sendmail(USER, ["bob@example.net"], message(USER, number=11)) == {}
    postfix.stop()


def test_what_postfix_refuses_for_good_reaches_the_client(tmp_path, authority, start):
    """Too many hops at the dot, and 8-bit content where it does not offer 8BITMIME: not a word of trying again."""
    postfix = Postfix(tmp_path / "postfix", authority, more="""
hopcount_limit = 5
smtpd_discard_ehlo_keywords = 8bitmime
""").start()
    subgate = start(f"""
relay postfix {{
  host = "127.0.0.1"  port = {postfix.port}  tls = "starttls"  ca_file = "{authority.ca}"  tls_name = "postfix.example"
  auth = "none"
}}
""")
    hops = b"Received: from a by b; Mon, 23 Nov 2026 08:00:00 +0000\r\n" * 9
    with login(subgate, USER, subgate.create_app_password(USER)) as client:
        for content, reply in ((hops + message(USER), "554 5.4.0"),
                               (message(USER, body="sch\u00f6n\r\n"), "554 5.6.3")):
            with pytest.raises(smtplib.SMTPDataError) as refused:
                client.sendmail(USER, ["bob@example.net"], content)
            assert f"{refused.value.smtp_code} {refused.value.smtp_error.decode()}".startswith(reply)
        assert client.sendmail(USER, ["bob@example.net"], message(USER, number=12)) == {}
    assert postfix.received().count(b"\nSubject:") <= 1
    postfix.stop()
