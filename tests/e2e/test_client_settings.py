"""What `subgatectl client-settings` writes, read by those parsers that devices and programs read it with."""

import plistlib
import re
import xml.etree.ElementTree as xml

import pytest

USER = "anna@example.com"
# developer.apple.com/documentation/devicemanagement/mail: the types, and what must be there.
MAIL = {"EmailAccountType": str, "EmailAddress": str, "IncomingMailServerAuthentication": str,
        "IncomingMailServerHostName": str, "IncomingMailServerPortNumber": int, "IncomingMailServerUseSSL": bool,
        "IncomingMailServerUsername": str, "OutgoingMailServerAuthentication": str, "OutgoingMailServerHostName": str,
        "OutgoingMailServerPortNumber": int, "OutgoingMailServerUseSSL": bool, "OutgoingMailServerUsername": str,
        "OutgoingPasswordSameAsIncomingPassword": bool}
PAYLOAD = {"PayloadType": str, "PayloadVersion": int, "PayloadIdentifier": str, "PayloadUUID": str,
           "PayloadDisplayName": str}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def settings(subgate, user, *options):
    return subgate.ctl("client-settings", user, *options).stdout


def check_types(payload, types):
    assert {key: type(payload[key]) for key in types} == types
    assert UUID.fullmatch(payload["PayloadUUID"]) and payload["PayloadVersion"] == 1


def check_profile(text, subgate, user, address):
    profile = plistlib.loads(text.encode())
    check_types(profile, PAYLOAD)
    mail, = profile["PayloadContent"]
    check_types(mail, {**PAYLOAD, **MAIL})
    assert (profile["PayloadType"], mail["PayloadType"]) == ("Configuration", "com.apple.mail.managed")
    assert mail["EmailAccountType"] == "EmailTypeIMAP" and mail["EmailAddress"] == address
    assert (mail["OutgoingMailServerHostName"], mail["OutgoingMailServerPortNumber"]) == \
        ("mail.example.com", subgate.implicit)
    assert (mail["IncomingMailServerHostName"], mail["IncomingMailServerPortNumber"]) == ("imap.example.com", 993)
    assert mail["OutgoingMailServerUsername"] == user
    assert mail["OutgoingMailServerAuthentication"] == "EmailAuthPassword" and mail["OutgoingMailServerUseSSL"]


def check_autoconfig(text, subgate, user):
    root = xml.fromstring(text)
    assert (root.tag, root.get("version")) == ("clientConfig", "1.1")
    provider, = root
    assert provider.tag == "emailProvider" and provider.get("id") == provider.findtext("domain") == "example.com"
    assert [server.tag for server in provider if server.get("type")] == \
        ["incomingServer", "outgoingServer", "outgoingServer"]
    for server in provider.iter("outgoingServer"):
        assert [child.tag for child in server] == ["hostname", "port", "socketType", "authentication", "username"]
        assert server.get("type") == "smtp" and server.findtext("username") == user
        assert server.findtext("authentication") == "password-cleartext"
    assert [(server.findtext("port"), server.findtext("socketType")) for server in provider.iter("outgoingServer")] == \
        [(str(subgate.implicit), "SSL"), (str(subgate.starttls), "STARTTLS")]


@pytest.mark.parametrize("user, address", [
    (USER, None),
    ("o'hara&<b>\"x\"", "o.hara@example.com"),
])
def test_parsers_of_those_who_read_it_take_it(subgate, user, address):
    options = ["--imap", "imap.example.com:993", *(["--address", address] if address else [])]
    check_profile(settings(subgate, user, "--format", "mobileconfig", *options), subgate, user, address or USER)
    check_autoconfig(settings(subgate, user, "--format", "autoconfig", *options), subgate,
                     user if address else "%EMAILADDRESS%")
    assert f"User name:  {user}\n" in settings(subgate, user, *options)
    assert f"_submissions._tcp.example.com. IN SRV 0 1 {subgate.implicit} mail.example.com.\n" in \
        settings(subgate, user, "--format", "dns", *options)
    assert subgate.ctl_json("client-settings", user, *options)["imap"]["tls"] == "implicit"


@pytest.mark.parametrize("words, told", [
    ([USER, "--format", "mobileconfig"], "--imap HOST:PORT"),
    ([USER, "--format", "mobileconfig", "--imap", "imap"], "expected HOST:PORT"),
    (["anna", "--format", "dns"], "--address"),
    (["anna", "--address", "not one"], "no mail address"),
    (["a@b@"], "no user can have this name"),
])
def test_what_is_missing_is_said(subgate, words, told):
    done = subgate.ctl("client-settings", *words, check=False)
    assert done.returncode == 1 and told in done.stderr and done.stdout == ""
