"""A listener for old devices: TLS 1.0 on an address of its own, for its networks alone; --check warns of it."""

import subprocess

import pytest

from harness.client import connect
from harness.process import free_port
from harness.subgate import relay_section


def listener(port, networks='"127.0.0.1"', legacy="true"):
    return (f'listener printers {{ address = {{"127.0.0.1:{port}"}}  tls = "implicit"  legacy = {legacy}\n'
            f'  networks = {{{networks}}} }}\n')


def s_client(port, *options):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet",
                           "-cipher", "ALL:@SECLEVEL=0", *options], input=b"QUIT\r\n", capture_output=True, timeout=60)
    return done.stdout.decode(errors="replace")


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1", "-tls1_2"])
def test_old_devices_get_in_where_they_may_and_nowhere_else(upstream, start, version):
    port = free_port()
    subgate = start(relay_section(upstream) + listener(port))
    assert s_client(port, version).startswith("220 mail.example.com")
    modern = s_client(subgate.implicit, version)
    assert modern.startswith("220 ") if version == "-tls1_2" else modern == ""
    with connect(subgate) as client:
        assert client.noop()[0] == 250


def test_rc4_and_3des_are_not_taken_from_anybody(upstream, start):
    port = free_port()
    start(relay_section(upstream) + listener(port))
    for cipher in ("RC4", "3DES", "NULL", "EXPORT", "aNULL"):
        assert s_client(port, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0") == ""


def test_other_networks_are_turned_away_and_recorded(upstream, start):
    port = free_port()
    subgate = start(relay_section(upstream) + listener(port, '"192.0.2.0/24", "2001:db8::/32"'))
    assert s_client(port, "-tls1_2") == ""
    record = subgate.wait_for_audit("session.refused")[0]
    assert record["reason"] == "network" and record["listener"] == "printers"


def test_check_warns_of_it_and_demands_networks(upstream, start):
    subgate = start(relay_section(upstream))
    text = subgate.config.read_text()
    subgate.config.write_text(text + listener(free_port()))
    done = subgate.check()
    assert done.returncode == 0
    assert ": warning: listener printers: legacy = true accepts TLS 1.0" in done.stderr
    subgate.config.write_text(text + listener(free_port(), networks=""))
    done = subgate.check()
    assert done.returncode == 1 and "expected networks" in done.stderr, done.stderr
