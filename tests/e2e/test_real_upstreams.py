"""Postfix, Exim and Dovecot as relays: what they get is what was sent, and their ways of refusing, ending and dying."""

import pytest

from harness.client import hear, login, message
from harness.dovecot_server import Dovecot
from harness.exim_server import Exim
from harness.postfix_server import Postfix
from harness.process import wait_until
from harness.raw_upstream import RCPT, RawUpstream

USER = "alice@example.com"
BODY = "Hello\r\n..dots\r\n.\xe4\r\n" + ("x" * 70 + "\r\n") * 40


@pytest.fixture
def behind():
    """The relay that Dovecot passes mail on to."""
    upstream = RawUpstream().start()
    yield upstream
    upstream.stop()


@pytest.fixture
def dovecot(tmp_path, authority, behind):
    dovecot = Dovecot(tmp_path / "dovecot", authority, behind.port)
    dovecot.received = lambda: b"".join(content.replace(b"\r\n..", b"\r\n.") for content in behind.messages)
    dovecot.start()
    yield dovecot
    dovecot.stop()


@pytest.fixture
def patience():
    """Seconds until Postfix and Exim end a silent connection."""
    return 60


@pytest.fixture
def exim(tmp_path, authority, patience):
    exim = Exim(tmp_path / "exim", authority, more=f"smtp_receive_timeout = {patience}s").start()
    yield exim
    exim.stop()


@pytest.fixture
def postfix(tmp_path, authority, dovecot, patience):
    """It asks Dovecot about logins."""
    postfix = Postfix(tmp_path / "postfix", authority, more=f"""
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{dovecot.auth_port}
mynetworks =
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_recipient_access inline:{{ {{nobody@example.net = 550 5.1.1 No such user}} }}
smtpd_timeout = {patience}s
""")
    postfix.user, postfix.password = Dovecot.user, Dovecot.password
    postfix.start()
    yield postfix
    postfix.stop()


@pytest.fixture(params=["postfix", "exim", "dovecot"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def subgate(server, authority, start):
    return start(section(server, authority), more_secrets={"server": server.password})


def section(server, authority, more=""):
    return f"""
relay server {{
  host = "127.0.0.1"  port = {server.port}  tls = "starttls"  ca_file = "{authority.ca}"  tls_name = "{server.name}"
  user = "{server.user}"  password_file = "secrets/server"  {more}
}}
"""


def send(subgate, number, to="bob@example.net", body=BODY):
    with login(subgate, USER, subgate.create_app_password(USER)) as client:
        return hear(client, USER, to, message(USER, to=to, number=number, body=body))


def wait_for(server, number, body=BODY, nudge=lambda: None):
    def has_it():
        nudge()
        got = server.received().replace(b"\r\n", b"\n")
        wanted = body.encode().replace(b"\r\n", b"\n")
        return f"<{number}.test@".encode() in got and wanted in got
    wait_until(has_it, lambda: f"message {number}; there is {server.received()[-600:]}", 30)


def relay(subgate):
    return subgate.ctl_json("relay", "list")["relays"][0]


def logins(subgate):
    return relay(subgate)["logins"]


def test_messages_share_a_connection_and_arrive_as_they_were(server, subgate):
    for number in range(3):
        assert send(subgate, number)[0] == 250
        wait_for(server, number)
    assert logins(subgate) == 1
    large = ("y" * 998 + "\r\n") * 800
    assert send(subgate, 9, body=large)[0] == 250
    wait_for(server, 9, large)


def test_a_refused_recipient_reaches_the_client(server, subgate, behind):
    behind.script[RCPT] = ["550 5.1.1 No such user"]
    code, text = send(subgate, 1, to="nobody@example.net")
    assert code == 550 and "No such user" in text, text
    behind.script.clear()
    assert send(subgate, 2)[0] == 250


def test_a_wrong_password_is_ours(server, authority, start):
    subgate = start(section(server, authority), more_secrets={"server": "wrong"})
    assert send(subgate, 1) == (451, "4.3.5 The relay does not accept our login; try again later")
    assert "login refused: 535" in subgate.ctl("relay", "list").stdout


def test_a_restart_costs_a_moment(server, subgate):
    assert send(subgate, 1)[0] == 250
    server.stop()
    assert send(subgate, 2)[0] in (250, 451)  # its connections may outlive it
    server.start()
    wait_until(lambda: send(subgate, 3)[0] == 250, "mail to flow again", 30)
    # A Postfix that has just begun may leave a message in its queue for a minute, and may miss the first flush, too.
    wait_for(server, 3, nudge=server.flush if isinstance(server, Postfix) else lambda: None)


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("patience", [2])
@pytest.mark.parametrize("server", ["postfix", "exim"], indirect=True)
def test_a_connection_that_it_ended_costs_nothing(server, subgate):
    assert send(subgate, 1)[0] == 250
    wait_until(lambda: relay(subgate)["connections"].startswith("0 of"), "its patience to end", 30)
    assert send(subgate, 2)[0] == 250
    wait_for(server, 2)
    assert logins(subgate) == 2


# ---- the queue of last resort

def test_a_local_postfix_keeps_what_no_other_relay_takes(tmp_path, authority, start):
    """Its 250 is the client's; it delivers when it can, once."""
    final = RawUpstream()
    queue = Postfix(tmp_path / "queue", authority, relayhost=final.port, more="transport_retry_time = 1s").start()
    gone = RawUpstream()
    subgate = start(gone.section("gmail") + f"""
relay queue {{ host = "127.0.0.1"  port = {queue.port}  tls = "none"  auth = "none" }}
route default {{ relays = {{"gmail", "queue"}} }}
""")
    for number in range(3):
        assert send(subgate, number, body="Hello\r\n.dot\r\n")[0] == 250
    sent = subgate.wait_for_audit("message.sent", 3)
    assert {r["relay"] for r in sent} == {"queue"} and all("queued as" in r["response"]["text"] for r in sent)
    assert final.messages == []
    final.start()
    wait_until(lambda: queue.flush() or len(final.messages) == 3, "Postfix to deliver", 60)
    for number in range(3):
        [content] = [c for c in final.messages if f"<{number}.test@".encode() in c]
        assert content.endswith(message(USER, number=number, body="Hello\r\n..dot\r\n"))
    queue.stop()
    final.stop()
