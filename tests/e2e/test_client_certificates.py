"""Client certificates: asked for by listener, verified against its authority, named in the audit, and no login."""

import smtplib
import socket
import ssl

import pytest

from harness.certificates import Authority
from harness.client import message
from harness.process import free_port, wait_until
from harness.subgate import relay_section

USER = "alice@example.com"
DEVICE = "printer.example.com"


@pytest.fixture
def devices(tmp_path):
    """The authority of the devices: not the one of the server."""
    return Authority(tmp_path / "devices")


@pytest.fixture
def stranger(tmp_path):
    return Authority(tmp_path / "stranger")


def listeners(devices, mode):
    """The configuration's own listener, with one more that asks."""
    port = free_port()
    return port, (f'listener devices {{ address = {{"127.0.0.1:{port}"}}  tls = "implicit"\n'
                  f'  client_certificate = "{mode}"  client_ca_file = "{devices.ca}" }}\n')


def connect(subgate, port, authority=None):
    context = subgate.authority.client_context()
    if authority:
        context.load_cert_chain(*authority.certificate(DEVICE))
    return smtplib.SMTP_SSL("127.0.0.1", port, context=context, timeout=60)


def subjects(subgate, sessions):
    """Of so many sessions, once all are over."""
    wait_until(lambda: len([r for r in subgate.audit("session.close") if r["listener"] == "devices"]) >= sessions,
               f"{sessions} records session.close")
    return {record.get("tls_client_subject") for record in subgate.audit("session.open", "session.close")
            if record["listener"] == "devices"}


def test_a_verified_certificate_is_named_in_every_record_and_logs_nobody_in(upstream, start, devices):
    port, section = listeners(devices, "require")
    subgate = start(relay_section(upstream) + section)
    password = subgate.create_app_password(USER)
    with connect(subgate, port, devices) as client:
        assert client.mail(USER)[0] == 530  # a certificate is no login
        client.login(USER, password)
        client.sendmail(USER, ["bob@example.net"], message(USER))
    upstream.wait_for(1)
    for type_ in ("session.open", "auth.success", "message.leaving", "message.sent", "session.close"):
        record = subgate.wait_for_audit(type_)[-1]
        assert record["tls_client_subject"] == f"CN={DEVICE}", record


def test_without_a_certificate_of_the_authority_nobody_gets_in_where_one_is_required(upstream, start, devices,
                                                                                     stranger):
    port, section = listeners(devices, "require")
    subgate = start(relay_section(upstream) + section)
    for authority in (None, stranger):
        with pytest.raises((ssl.SSLError, ConnectionError, smtplib.SMTPServerDisconnected)):
            with connect(subgate, port, authority) as client:
                client.noop()
    with connect(subgate, port, devices) as client:
        assert client.noop()[0] == 250


def says_auth(client):
    """Only then a session is recorded."""
    client.ehlo()
    return client.docmd("AUTH", "UNKNOWN")[0] == 504


def test_where_one_is_only_requested_others_get_in_and_a_foreign_one_counts_as_none(upstream, start, devices, stranger):
    port, section = listeners(devices, "request")
    subgate = start(relay_section(upstream) + section)
    for authority in (None, stranger):
        with connect(subgate, port, authority) as client:
            assert says_auth(client)
    assert subjects(subgate, 2) == {None}
    with connect(subgate, port, devices) as client:
        assert says_auth(client)
    assert subjects(subgate, 3) == {None, f"CN={DEVICE}"}


def visit(subgate, port, session=None):
    """(resumed, session) of a client without a certificate; TLS 1.2 has the ticket in the handshake."""
    context = subgate.authority.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    if session:
        context = session[0]
    with socket.create_connection(("127.0.0.1", port), timeout=60) as raw, \
            context.wrap_socket(raw, server_hostname="mail.example.com", session=session and session[1]) as secure:
        assert secure.recv(100).startswith(b"220 ")
        return secure.session_reused, (context, secure.session)


def test_where_certificates_are_asked_for_each_connection_is_verified(upstream, start, devices):
    port, section = listeners(devices, "request")
    subgate = start(relay_section(upstream) + section)
    _, session = visit(subgate, port)
    assert not visit(subgate, port, session)[0]


def test_a_session_begun_before_one_was_required_is_not_resumed(upstream, start, devices):
    port, required = listeners(devices, "require")
    subgate = start(relay_section(upstream) +
                    f'listener devices {{ address = {{"127.0.0.1:{port}"}}  tls = "implicit" }}\n')
    _, session = visit(subgate, port)
    assert visit(subgate, port, session)[0]
    subgate.write_config(relay_section(upstream) + required)
    subgate.ctl("reload")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        visit(subgate, port, session)


def test_the_listener_that_does_not_ask_takes_all(upstream, start, devices):
    port, section = listeners(devices, "require")
    subgate = start(relay_section(upstream) + section)
    with smtplib.SMTP_SSL("127.0.0.1", subgate.implicit, context=subgate.authority.client_context()) as client:
        assert client.noop()[0] == 250
