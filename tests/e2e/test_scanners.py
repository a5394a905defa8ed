"""What the field's scanners say of both ports: testssl.sh, sslscan, and scripts of nmap."""

import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from harness.client import connect
from harness.process import free_address
from harness.subgate import relay_section

# What a certificate authority of the test's own can't have.
OF_OUR_AUTHORITY = {"cert_revocation", "DNS_CAArecord"}
# What testssl.sh says of the OpenSSL that it runs with, not of us: there is no GOST engine.
OF_THE_SCANNER = {"engine_problem"}
PORTS = ["implicit", "starttls"]
# Protocols, cipher categories, forward secrecy, server preference and defaults, vulnerabilities; not each cipher and
# client.
CHECKS = ["-p", "-s", "-f", "-P", "-S", "-U"]


def run(*arguments):
    done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, timeout=900)
    return done.stdout + done.stderr


@pytest.fixture
def scanned(start, upstream):
    subgate = start(relay_section(upstream) + "limits { errors = 100 }\n")
    yield subgate
    connect(subgate).quit()  # it is still there, whatever the scanner sent
    connect(subgate, "starttls").quit()


@pytest.mark.seconds(45)
@pytest.mark.parametrize("port", PORTS)
def test_testssl_finds_nothing(scanned, port, tmp_path):
    report = tmp_path / "testssl.json"
    starttls = ["-t", "smtp"] if port == "starttls" else []
    output = run("testssl", "--quiet", "--color", "0", "--warnings", "batch", "--add-ca", scanned.authority.ca,
                 "--ip", "127.0.0.1", "--jsonfile", report, *CHECKS, *starttls,
                 f"mail.example.com:{getattr(scanned, port)}")
    findings = {finding["id"]: finding for finding in json.loads(report.read_text())}
    wrong = {name: finding["finding"] for name, finding in findings.items()
             if finding["severity"] not in ("OK", "INFO", "DEBUG") and name not in OF_OUR_AUTHORITY | OF_THE_SCANNER}
    assert wrong == {}, output
    for version in ("SSLv2", "SSLv3", "TLS1", "TLS1_1"):
        assert findings[version]["finding"].startswith("not offered"), output
    for version in ("TLS1_2", "TLS1_3"):
        assert findings[version]["finding"].startswith("offered"), output
    for hole in ("heartbleed", "CCS", "secure_client_renego", "CRIME_TLS", "POODLE_SSL", "SWEET32", "FREAK", "LOGJAM",
                 "BEAST", "LUCKY13", "RC4"):
        assert findings[hole]["severity"] == "OK", (hole, findings[hole])


@pytest.mark.parametrize("port", PORTS)
def test_sslscan_finds_two_versions_and_strong_ciphers_only(scanned, port, tmp_path):
    report = tmp_path / "sslscan.xml"
    starttls = ["--starttls-smtp"] if port == "starttls" else []
    output = run("sslscan", f"--xml={report}", "--no-colour", "--sni-name=mail.example.com", *starttls,
                 f"127.0.0.1:{getattr(scanned, port)}")
    test = ElementTree.parse(report).find("ssltest")
    versions = {(p.get("type") + p.get("version")) for p in test.findall("protocol") if p.get("enabled") == "1"}
    assert versions == {"tls1.2", "tls1.3"}, output
    ciphers = {cipher.get("cipher"): int(cipher.get("bits")) for cipher in test.findall("cipher")}
    assert len(ciphers) == 6 and min(ciphers.values()) >= 128, output
    assert all(name.startswith(("TLS_", "ECDHE-")) and re.search("GCM|CHACHA20", name) for name in ciphers), output
    assert test.find("renegotiation").get("supported") == "0"
    compression = test.find("compression")  # not named where OpenSSL was built without
    assert compression is None or compression.get("supported") == "0"
    assert all(heartbleed.get("vulnerable") == "0" for heartbleed in test.findall("heartbleed"))


def test_nmap_finds_strong_ciphers_and_no_open_relay(start, upstream):
    """On the ports that its scripts know: elsewhere it would have to find out first who listens there."""
    address = free_address(465, 587)
    subgate = start(relay_section(upstream) + f"""
listener known-submissions {{ address = {{"{address}:465"}}  tls = "implicit" }}
listener known-submission {{ address = {{"{address}:587"}}  tls = "starttls" }}
limits {{ errors = 100 }}
""")
    output = run("nmap", "-Pn", "-n", "-p", "465,587", "--script", "ssl-enum-ciphers,smtp-open-relay,smtp-commands",
                 address)
    head, *ports = re.split(r"^\d+/tcp", output, flags=re.M)
    assert len(ports) == 2, output
    for port in ports:
        assert "least strength: A" in port, output
        assert "TLSv1.2:" in port and "TLSv1.3:" in port and "TLSv1.1:" not in port, output
        assert "smtp-commands: mail.example.com" in port and "PIPELINING" in port, output
        relays = re.search(r"smtp-open-relay: (.*)", port)
        assert relays and ("isn't an open relay" in relays[1] or "Authentication" in relays[1]), output
    connect(subgate).quit()
