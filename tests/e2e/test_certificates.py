"""Certificates: each client sees that of the name it asks for, and a renewed one after a reload."""

import socket
import ssl

import pytest

from harness.certificates import Authority
from harness.subgate import relay_section

NAMES = "mail.example.com", "old.example.com", "smtp.example.net"


@pytest.fixture
def authority(tmp_path):
    """One of this test's own, as its certificates are replaced."""
    return Authority(tmp_path / "tls")


def sections(upstream, authority):
    pairs = [(name, *authority.certificate(name)) for name in NAMES[1:]]
    return relay_section(upstream) + "".join(
        f'certificate {name} {{ certificate = "{certificate}"  private_key = "{key}" }}\n'
        for name, certificate, key in pairs)


def shown(subgate, name, mode="implicit"):
    """The certificate (DER) that a client sees who asks for that name; None: for none."""
    context = subgate.authority.client_context()
    context.check_hostname = False
    port = subgate.implicit if mode == "implicit" else subgate.starttls
    with socket.create_connection(("127.0.0.1", port), timeout=60) as raw:
        if mode == "starttls":
            raw.recv(1000)
            raw.sendall(b"STARTTLS\r\n")
            assert raw.recv(1000).startswith(b"220 ")
        with context.wrap_socket(raw, server_hostname=name) as secure:
            return secure.getpeercert(binary_form=True)


def on_disk(authority, name):
    return ssl.PEM_cert_to_DER_cert(authority.certificate(name)[0].read_text())


def renew(authority, name):
    for path in authority.certificate(name):
        path.unlink()
    authority.certificate(name)


@pytest.mark.parametrize("mode", ["implicit", "starttls"])
def test_each_client_sees_the_certificate_of_the_name_it_asks_for(upstream, start, authority, mode):
    subgate = start(sections(upstream, authority))
    for name in NAMES:
        assert shown(subgate, name, mode) == on_disk(authority, name)
    for other in ("unknown.example.com", None):
        assert shown(subgate, other, mode) == on_disk(authority, NAMES[0])


def test_a_reload_reads_certificates_again(upstream, start, authority):
    subgate = start(sections(upstream, authority))
    before = {name: shown(subgate, name) for name in NAMES}
    for name in NAMES:
        renew(authority, name)
    subgate.ctl("reload")
    for name in NAMES:
        assert shown(subgate, name) == on_disk(authority, name) != before[name]


def test_a_reload_with_a_key_that_does_not_fit_changes_nothing(upstream, start, authority):
    subgate = start(sections(upstream, authority))
    before = {name: shown(subgate, name) for name in NAMES}
    key = authority.certificate(NAMES[1])[1]
    key.write_bytes(authority.certificate(NAMES[2])[1].read_bytes())
    done = subgate.ctl("reload", check=False)
    assert done.returncode == 1 and "the private key does not belong to the certificate" in done.stdout + done.stderr
    assert {name: shown(subgate, name) for name in NAMES} == before


def test_check_looks_at_each_certificate(upstream, start, authority):
    subgate = start(sections(upstream, authority))
    assert subgate.check().returncode == 0
    broken = authority.certificate(NAMES[1])[0]
    good = broken.read_text()
    broken.write_text("not PEM")
    authority.certificate(NAMES[2])[1].chmod(0o644)
    done = subgate.check()
    assert done.returncode == 1
    told = done.stdout + done.stderr
    assert f"certificate {NAMES[1]}: {broken}" in told and "the certificate can't be read" in told
    assert f"certificate {NAMES[2]}.private_key: " in told and "lets others at a secret" in told
    broken.write_text(good)


def test_sessions_are_resumed_under_each_name(upstream, start, authority):
    subgate = start(sections(upstream, authority))
    context = authority.client_context()
    context.check_hostname = False
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def visit(name, session=None):
        with socket.create_connection(("127.0.0.1", subgate.implicit), timeout=60) as raw:
            with context.wrap_socket(raw, server_hostname=name, session=session) as secure:
                secure.recv(1000)
                return secure.session_reused, secure.session

    for name in NAMES:
        reused, session = visit(name)
        assert not reused
        assert visit(name, session)[0]
