"""Behind a load balancer: the client's address is the one that the PROXY header carries."""

import smtplib
import socket
import ssl

import pytest

from harness.client import message
from harness.haproxy import HAProxy
from harness.process import free_port, wait_until
from harness.subgate import relay_section

USER = "alice@example.com"
CLIENT = "127.0.0.2"  # whence clients come; HAProxy itself connects from 127.0.0.1


class Behind:
    """A Subgate with a listener of each kind that takes connections from HAProxy, at 127.0.0.1, alone."""

    def __init__(self, upstream, start, folder):
        self.implicit, self.starttls = free_port(), free_port()
        self.subgate = start(relay_section(upstream) + f"""
header {{ received = "full" }}
listener balanced-tls {{
  address = {{"127.0.0.1:{self.implicit}"}}  tls = "implicit"  proxy_protocol_from = {{"127.0.0.1"}}
}}
listener balanced {{
  address = {{"127.0.0.1:{self.starttls}"}}  tls = "starttls"  proxy_protocol_from = {{"::1", "127.0.0.1/32"}}
}}
""")
        self.password = self.subgate.create_app_password(USER)
        self.context = self.subgate.authority.client_context()
        self.haproxy = HAProxy(folder, [(self.implicit, "send-proxy-v2"), (self.starttls, "send-proxy"),
                                        (self.implicit, ""), (self.starttls, "")]).start()

    def connect(self, mode, port):
        if mode == "implicit":
            return smtplib.SMTP_SSL("127.0.0.1", port, context=self.context, source_address=(CLIENT, 0), timeout=60)
        client = smtplib.SMTP("127.0.0.1", port, source_address=(CLIENT, 0), timeout=60)
        client.starttls(context=self.context)
        return client


@pytest.fixture
def behind(upstream, start, tmp_path):
    behind = Behind(upstream, start, tmp_path / "haproxy")
    yield behind
    behind.haproxy.stop()


def send(behind, mode, port):
    """Sends a message; gives the client's own port."""
    client = behind.connect(mode, port)
    own = client.sock.getsockname()
    client.login(USER, behind.password)
    client.sendmail(USER, ["bob@example.net"], message(USER))
    client.quit()
    assert own[0] == CLIENT
    return own[1]


@pytest.mark.parametrize("mode, front", [("implicit", 0), ("starttls", 1)], ids=["v2, implicit TLS", "v1, STARTTLS"])
def test_the_audit_and_received_show_the_client_behind_haproxy(behind, upstream, mode, front):
    port = send(behind, mode, behind.haproxy.ports[front])
    behind.subgate.wait_for_audit("session.close")
    records = [r for r in behind.subgate.audit() if r.get("client_address")]
    assert {"session.open", "auth.success", "message.leaving", "message.sent"} <= {r["type"] for r in records}
    assert {(r["client_address"], r["client_port"]) for r in records} == {(CLIENT, port)}
    assert f"[{CLIENT}]".encode() in upstream.messages[0].content.split(b"\r\n\r\n")[0]


def is_closed(connection):
    """Waits for the end, orderly or not."""
    try:
        return connection.recv(100) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("front", [2, 3], ids=["implicit TLS", "STARTTLS"])
def test_a_load_balancer_that_sends_no_header_is_refused(behind, front):
    with socket.create_connection(("127.0.0.1", behind.haproxy.ports[front]), timeout=60) as client:
        client.sendall(b"EHLO client\r\n")
        assert is_closed(client)
    wait_until(lambda: "in proxy_protocol_from, was closed: it did not begin with a PROXY header" in behind.subgate.log,
               "a warning")
    assert not behind.subgate.audit("session.open")


def test_a_header_from_an_address_that_is_not_in_the_list_is_refused(behind):
    header = b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 465\r\n"
    with socket.create_connection(("127.0.0.1", behind.implicit), timeout=60, source_address=(CLIENT, 0)) as raw:
        raw.sendall(header)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            behind.context.wrap_socket(raw, server_hostname="mail.example.com")
    with socket.create_connection(("127.0.0.1", behind.starttls), timeout=60, source_address=(CLIENT, 0)) as raw:
        assert raw.recv(100).startswith(b"220 ")
        raw.sendall(header)
        assert raw.recv(100).startswith(b"500 5.5.1 ")
    client = behind.connect("starttls", behind.starttls)
    client.ehlo()
    client.docmd("AUTH", "UNKNOWN")
    client.quit()
    opened = behind.subgate.wait_for_audit("session.open")
    assert [r["client_address"] for r in opened] == [CLIENT]


def test_wrong_guesses_count_against_the_client_and_not_the_load_balancer(behind):
    client = behind.connect("implicit", behind.haproxy.ports[0])
    with pytest.raises(smtplib.SMTPAuthenticationError):
        client.login(USER, "wrong")
    client.close()
    failures = behind.subgate.wait_for_audit("auth.failure")
    assert {r["client_address"] for r in failures} == {CLIENT}
