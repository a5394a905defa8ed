"""A certificate that ends soon is seen: in the log, by --check, status and metrics, and administrators get a mail."""

import ssl
import subprocess
import time
import urllib.request

import pytest

from e2e.test_notices import NOTIFY, notices_to
from harness.certificates import Authority
from harness.process import PATIENCE, wait_until
from harness.subgate import relay_section

NAME = "mail.example.com"
METRIC = "subgate_certificate_expiry_timestamp_seconds"


def end_of(path):
    text = subprocess.run(["openssl", "x509", "-enddate", "-noout", "-in", path], check=True, capture_output=True,
                          text=True).stdout
    return int(ssl.cert_time_to_seconds(text.strip().partition("=")[2]))


def metric(subgate, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{subgate.http}/metrics", timeout=PATIENCE) as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith(f'{METRIC}{{certificate="{name}"}} '):
                return int(line.split()[-1])
    return None


@pytest.mark.seconds(15)
def test_whoever_administers_hears_once_over_all_nodes(upstream, redis, start, authority, tmp_path):
    issuer = Authority(tmp_path / "issuer")
    soon, later = issuer.certificate(NAME, days=2), authority.certificate("later.example.com")
    sections = (relay_section(upstream) + redis.section() + NOTIFY +
                f'certificate later {{ certificate = "{later[0]}"  private_key = "{later[1]}" }}\n')
    first = start(sections, name="node1", certificate=soon)
    record, = first.wait_for_audit("certificate.expiring")
    assert record["reason"].startswith("the certificate of tls ends at ")
    wait_until(lambda: notices_to(upstream, "root@example.com"), "a notice")
    notice, = notices_to(upstream, "root@example.com")
    assert notice["Subject"] == f"[Subgate warning] {record['reason']}"
    assert "taken over by itself" in " ".join(notice.get_content().split())
    assert "certificates: that of tls ends at " in first.log and "later" not in record["reason"]

    assert metric(first, "tls") == end_of(soon[0]) and metric(first, "later") == end_of(later[0])
    shown = {row["certificate"]: row for row in first.ctl_json("status")["certificates"]}
    assert set(shown) == {"tls", "certificate later"} and "in 1 day" in shown["tls"]["state"]
    assert "certificate later" in first.ctl("status").stdout
    checked = first.check()
    assert checked.returncode == 0 and f"warning: tls.certificate: {soon[0]} ends at " in checked.stderr
    assert "later.example.com.pem ends" not in checked.stderr

    other = start(sections, name="node2", certificate=soon)
    first.ctl("reload")
    time.sleep(5)  # in which either would tell
    assert other.audit("certificate.expiring") == [] and len(first.audit("certificate.expiring")) == 1
    assert len(notices_to(upstream, "root@example.com")) == 1
