"""What a section of the configuration costs, counted in instructions: the same, however many there are."""

import re
import subprocess

import pytest

from harness.certificates import Authority
from harness.subgate import BUILD, SANITIZED

TOP = """
hostname = "mail.example.com"
user = ""
state_dir = "{folder}"
run_dir = "{folder}"
tls {{ certificate = "{certificate}"  private_key = "{key}" }}
listener in {{ address = {{"127.0.0.1:465"}} }}
auth {{ backends = {{"app_password"}} }}
route default {{ relays = {{"r0"}} }}
"""
SECTIONS = """
relay r{i} {{ host = "r{i}.example.net"  user = "account{i}@example.net"  password_file = "password"  connections = 2 }}
route t{i} {{ sender_domains = {{"d{i}.example.com"}}  relays = {{"r{i}", "r0"}} }}
quota q{i} {{ groups = {{"group{i}"}}  messages_per_day = 500 }}
oauth o{i} {{ provider = google  grant = refresh_token  client_id = "c{i}"  client_secret_file = "password" }}
relay x{i} {{ host = "x.example.net"  user = "x{i}@example.net"  auth = xoauth2  oauth = o{i} }}
"""


@pytest.fixture
def check(tmp_path):
    """Instructions of --check with so many sections of each kind."""
    certificate, key = Authority(tmp_path / "tls").certificate("mail.example.com")
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o600)

    def count(sections):
        config = tmp_path / "subgate.conf"
        config.write_text(TOP.format(folder=tmp_path, certificate=certificate, key=key)
                          + "".join(SECTIONS.format(i=i) for i in range(sections)))
        run = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={tmp_path}/out",
                              BUILD / "subgate", "-c", config, "--check"], capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
        return int(re.search(r"Collected : (\d+)", run.stderr).group(1))

    return count


@pytest.mark.skipif(SANITIZED, reason="valgrind does not run what the sanitizers were built into")
def test_a_section_costs_the_same_among_many(check):
    few, some, many = check(30), check(90), check(210)
    among_few, among_many = (some - few) / 60, (many - some) / 120
    print(f"{among_few:.0f} instructions a section of each kind among few, {among_many:.0f} among many")
    assert among_many < 1.08 * among_few
