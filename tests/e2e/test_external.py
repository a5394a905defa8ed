"""AUTH EXTERNAL: a client certificate logs in, by its listener's rule, and nothing else does."""

import re
import smtplib
import ssl
import subprocess

import pytest

from harness.certificates import Authority
from harness.client import message
from harness.process import free_port, wait_until
from harness.subgate import relay_section

USER = "printer@example.com"
DEVICE = "printer.example.com"
AUTH = 'auth { mechanisms = {"PLAIN", "LOGIN", "EXTERNAL"} }\n'


@pytest.fixture
def devices(tmp_path):
    """The authority of the devices: not the one of the server."""
    return Authority(tmp_path / "devices")


def listener(devices, rule, more="", port=None):
    port = port or free_port()
    return port, AUTH + (f'listener devices {{ address = {{"127.0.0.1:{port}"}}  tls = "implicit"\n'
                         f'  client_certificate = "request"  client_ca_file = "{devices.ca}"\n'
                         f'  certificate_user = "{rule}"  {more} }}\n')


def connect(subgate, port, certificate=None, version=None):
    context = subgate.authority.client_context()
    if version:
        context.maximum_version = version
    if certificate:
        context.load_cert_chain(*certificate)
    return smtplib.SMTP_SSL("127.0.0.1", port, context=context, timeout=60)


def offered(client):
    client.ehlo()
    return client.esmtp_features["auth"].split()


def external(client, acting_for="="):
    client.ehlo()
    return client.docmd("AUTH", f"EXTERNAL {acting_for}")


def send_with_curl(subgate, port, certificate, path):
    path.write_bytes(message(USER))
    return subprocess.run(["curl", "-sv", "--url", f"smtps://127.0.0.1:{port}", "--cacert", subgate.authority.ca,
                           "--cert", certificate[0], "--key", certificate[1], "--user", f"{USER}:",
                           "--login-options", "AUTH=EXTERNAL", "--mail-from", USER, "--mail-rcpt", "bob@example.net",
                           "-T", path], capture_output=True, text=True, timeout=120)


def test_curl_sends_with_a_certificate_alone(upstream, start, devices, tmp_path):
    port, section = listener(devices, "san:email")
    subgate = start(relay_section(upstream) + section)
    done = send_with_curl(subgate, port, devices.certificate(DEVICE, email=USER), tmp_path / "message")
    assert done.returncode == 0, done.stdout + done.stderr
    upstream.wait_for(1)
    record = subgate.wait_for_audit("message.sent")[-1]
    assert record["user"] == USER and record["tls_client_subject"] == f"CN={DEVICE}"
    login = subgate.wait_for_audit("auth.success")[-1]
    assert (login["auth_method"], login["sasl_mechanism"]) == ("certificate", "EXTERNAL")


def test_gsasl_logs_in_after_starttls(upstream, start, devices):
    port, section = listener(devices, "san:email")
    subgate = start(relay_section(upstream) + section.replace('"implicit"', '"starttls"'))
    certificate = devices.certificate(DEVICE, email=USER)
    done = subprocess.run(["gsasl", "--smtp", "--starttls", "--no-cb", "--mechanism", "EXTERNAL",
                           "--authorization-id", USER, f"--x509-ca-file={subgate.authority.ca}",
                           f"--x509-cert-file={certificate[0]}",
                           f"--x509-key-file={certificate[1]}", "127.0.0.1", str(port)],
                          input="", capture_output=True, text=True, timeout=120)
    assert "235 2.7.0" in done.stdout, done.stdout + done.stderr
    assert subgate.wait_for_audit("auth.success")[-1]["user"] == USER


def test_the_common_name_or_a_map_may_name_the_user(upstream, start, devices, tmp_path):
    certificate = devices.certificate(DEVICE)
    fingerprint = subprocess.run(["openssl", "x509", "-in", certificate[0], "-noout", "-fingerprint", "-sha256"],
                                 capture_output=True, text=True, check=True).stdout.split("=")[1].strip()
    scanner = devices.certificate("scanner.example.com")
    stranger = devices.certificate("stranger.example.com")
    devices_map = tmp_path / "devices.map"
    devices_map.write_text(f"# the printers\n\n{USER} CN={DEVICE}\n"
                           f"by-print@example.com sha256:{fingerprint.replace(':', '')}\n"
                           f"scan@example.com   CN=scanner.example.com\n")
    by_name, names = listener(devices, "subject:CN")
    by_map, mapped = listener(devices, "map", f'certificate_map_file = "{devices_map}"')
    subgate = start(relay_section(upstream) + names + mapped.replace(AUTH, "").replace("devices {", "mapped {"))
    for port, shown in ((by_name, certificate), (by_map, scanner)):
        with connect(subgate, port, shown) as client:
            assert external(client)[0] == 235
    assert {record["user"] for record in subgate.wait_for_audit("auth.success", 2)} == {DEVICE, "scan@example.com"}
    for shown in (certificate, stranger):  # two lines that disagree, and none
        with connect(subgate, by_map, shown) as client:
            assert external(client)[0] == 535


def test_it_is_offered_only_to_whoever_has_a_certificate_of_the_authority(upstream, start, devices, tmp_path):
    port, section = listener(devices, "san:email")
    subgate = start(relay_section(upstream) + section)
    certificate = devices.certificate(DEVICE, email=USER)
    foreign = Authority(tmp_path / "foreign").certificate(DEVICE, email=USER)
    with connect(subgate, port, certificate) as client:
        assert offered(client) == ["PLAIN", "LOGIN", "EXTERNAL"]
    for shown, version in ((None, None), (foreign, None), (certificate, ssl.TLSVersion.TLSv1_2)):
        with connect(subgate, port, shown, version) as client:
            assert offered(client) == ["PLAIN", "LOGIN"]
            assert external(client)[0] == 504
    with connect(subgate, subgate.implicit, certificate) as client:
        assert offered(client) == ["PLAIN", "LOGIN"]


def test_nobody_acts_for_another(upstream, start, devices):
    port, section = listener(devices, "san:email")
    subgate = start(relay_section(upstream) + section)
    certificate = devices.certificate(DEVICE, email=USER)
    with connect(subgate, port, certificate) as client:
        assert external(client, "Ym9zc0BleGFtcGxlLmNvbQ==")[0] == 535  # boss@example.com
        assert external(client, "UFJJTlRFUkBleGFtcGxlLmNvbQ==")[0] == 235  # PRINTER@example.com
        assert client.mail("boss@example.com")[0] == 553


def test_a_revoked_certificate_is_as_good_as_none(upstream, start, devices):
    revoked = devices.certificate(DEVICE, email=USER)
    good = devices.certificate("other.example.com", email="other@example.com")
    crl = devices.revoke(DEVICE)
    port, section = listener(devices, "san:email", f'client_crl_file = "{crl}"')
    subgate = start(relay_section(upstream) + section)
    with connect(subgate, port, revoked) as client:
        assert external(client)[0] == 504
    with connect(subgate, port, good) as client:
        assert external(client)[0] == 235
    required = section.replace('"request"', '"require"')
    subgate.write_config(relay_section(upstream) + required)
    subgate.ctl("reload")
    with pytest.raises((ssl.SSLError, ConnectionError, smtplib.SMTPServerDisconnected)):
        with connect(subgate, port, revoked) as client:
            client.noop()
    with connect(subgate, port, good) as client:
        assert external(client)[0] == 235


def test_the_directory_says_who_the_holder_is(upstream, start, devices, directory):
    port, section = listener(devices, "san:email")
    auth = AUTH.replace("auth {", 'auth { backends = {"ldap"} ')
    subgate = start(relay_section(upstream) + section.replace(AUTH, auth) + directory.section())
    with connect(subgate, port, devices.certificate("alice", email="alice@example.com")) as client:
        assert external(client)[0] == 235
        assert client.mail("alice@example.com")[0] == 250
    with connect(subgate, port, devices.certificate("leaver", email="leaver@example.com")) as client:
        code, text = external(client)
        assert code == 525 and b"disabled" in text


def test_after_the_auth_role_died_old_connections_are_put_off_and_new_ones_get_in(upstream, start, devices):
    port, section = listener(devices, "san:email")
    subgate = start(relay_section(upstream) + section)
    certificate = devices.certificate(DEVICE, email=USER)
    with connect(subgate, port, certificate) as old:
        old.ehlo()
        before = subgate.pids("auth")
        subprocess.run(["kill", "-9", str(before[0])], check=True)
        wait_until(lambda: subgate.pids("auth") not in ([], before), "a new auth role")
        wait_until(lambda: _logs_in(subgate, port, certificate), "a login by certificate")
        assert external(old)[0] == 454


def _logs_in(subgate, port, certificate):
    with connect(subgate, port, certificate) as client:
        return external(client)[0] == 235


def test_a_configuration_that_no_certificate_could_use_is_refused(start, upstream, devices, tmp_path):
    _, section = listener(devices, "san:email")
    subgate = start(relay_section(upstream))
    for wrong, fault in ((section.replace(AUTH, ""), "certificate_user without"),
                         (AUTH, "without a listener with certificate_user"),
                         (section.replace("san:email", "map"), "no map; expected certificate_map_file")):
        subgate.write_config(relay_section(upstream) + wrong)
        done = subgate.check()
        assert done.returncode == 1 and re.search(fault, done.stdout + done.stderr), done
