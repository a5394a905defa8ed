"""A real Postfix as the upstream, with STARTTLS, into a real mailbox."""

import pathlib
import pwd
import shutil
import subprocess

import pytest

from harness.client import login, message
from harness.process import Process, free_port, is_listening, let_others_through, wait_until

USER = "alice@example.com"


class Postfix:
    """An instance of its own: takes mail for example.net into one mailbox."""

    def __init__(self, folder, authority):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.mailbox = self.folder / "mail" / "inbox"
        self._process = None
        for name in ("config", "queue", "data", "mail"):
            (self.folder / name).mkdir(parents=True)
        owner = pwd.getpwnam("postfix")
        shutil.chown(self.folder / "data", "postfix", "postfix")
        shutil.chown(self.folder / "mail", "postfix", "postfix")
        let_others_through(self.folder)
        certificate, key = authority.certificate("postfix.example")
        (self.folder / "config" / "main.cf").write_text(f"""
compatibility_level = 3.6
queue_directory = {self.folder}/queue
data_directory = {self.folder}/data
maillog_file = {self.folder}/postfix.log
maillog_file_prefixes = {self.folder}
multi_instance_enable = no
myhostname = postfix.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = example.net
virtual_mailbox_maps = static:inbox
virtual_mailbox_base = {self.folder}/mail
virtual_minimum_uid = 1
virtual_uid_maps = static:{owner.pw_uid}
virtual_gid_maps = static:{owner.pw_gid}
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = encrypt
smtpd_relay_restrictions = permit_mynetworks, reject
message_size_limit = 50000000
virtual_mailbox_limit = 0
""")
        services = pathlib.Path("/usr/share/postfix/master.cf.dist")
        original = services if services.exists() else pathlib.Path("/etc/postfix/master.cf.proto")
        lines = [f"127.0.0.1:{self.port} inet n - n - - smtpd" if line.startswith("smtp      inet") else line
                 for line in original.read_text().splitlines()]
        lines = [line.replace(" y       -       y ", " y       -       n ") for line in lines]
        (self.folder / "config" / "master.cf").write_text("\n".join(self._without_chroot(lines)) + "\n")

    @staticmethod
    def _without_chroot(lines):
        for line in lines:
            columns = line.split()
            if len(columns) >= 8 and not line.startswith(("#", " ", "\t")) and columns[4] == "y":
                columns[4] = "n"
                line = " ".join(columns)
            yield line

    def start(self):
        self._process = Process([shutil.which("postfix", path="/usr/sbin:/sbin"), "-c", self.folder / "config",
                                 "start-fg"], self.folder / "start.log")
        wait_until(lambda: is_listening(self.port), lambda: f"Postfix: {self._process.output}", 30)
        return self

    def stop(self):
        subprocess.run([shutil.which("postfix", path="/usr/sbin:/sbin"), "-c", str(self.folder / "config"), "stop"],
                       capture_output=True)
        self._process.stop()


@pytest.fixture
def postfix(tmp_path, authority):
    postfix = Postfix(tmp_path / "postfix", authority).start()
    yield postfix
    postfix.stop()


def test_a_message_ends_up_in_the_mailbox(postfix, authority, start):
    subgate = start(f"""
relay postfix {{
  host = "127.0.0.1"  port = {postfix.port}  tls = "starttls"  ca_file = "{authority.ca}"  tls_name = "postfix.example"
  auth = "none"
}}
""")
    with login(subgate, USER, subgate.create_app_password(USER)) as client:
        refused = client.sendmail(USER, ["bob@example.net", "eve@elsewhere.example"],
                                  message(USER, body="Hello\r\n..dots\r\n", number=9))
    assert list(refused) == [] or refused["eve@elsewhere.example"][0] in (454, 554)
    wait_until(lambda: postfix.mailbox.exists() and b"<9.test@example.com>" in postfix.mailbox.read_bytes(),
               "the message in the mailbox", 30)
    assert b"\nHello\n" in postfix.mailbox.read_bytes()
    sent = subgate.wait_for_audit("message.sent")[0]
    assert "queued as" in sent["response"]["text"]


def test_addresses_in_utf8_end_up_in_the_mailbox(postfix, authority, start):
    subgate = start(f"""
relay postfix {{
  host = "127.0.0.1"  port = {postfix.port}  tls = "starttls"  ca_file = "{authority.ca}"  tls_name = "postfix.example"
  auth = "none"  dsn = true  smtputf8 = true
}}
senders team {{ users = {{"{USER}"}}  addresses = {{"älice@example.com"}} }}
""")
    content = message("Älice <älice@example.com>", to="böb@example.net", number=10)
    with login(subgate, USER, subgate.create_app_password(USER)) as client:
        assert client.has_extn("smtputf8")
        refused = client.sendmail("älice@example.com", ["böb@example.net"], content, ["SMTPUTF8", "BODY=8BITMIME"],
                                  ["ORCPT=rfc822;b+C3+B6b@example.net"])
    assert refused == {}
    wait_until(lambda: postfix.mailbox.exists() and b"<10.test@example.com>" in postfix.mailbox.read_bytes(),
               "the message in the mailbox", 30)
    got = postfix.mailbox.read_bytes()
    assert "\nFrom: Älice <älice@example.com>\n".encode() in got and b"with UTF8SMTPSA" in got
    assert "X-Original-To: böb@example.net".encode() in got
    assert subgate.wait_for_audit("message.sent")[0]["rcpt_to"][0]["address"] == "böb@example.net"
