"""Postfix, as it comes with Debian, with a configuration and a queue of its own."""

import contextlib
import pathlib
import pwd
import shutil
import subprocess

from .process import PATIENCE, Process, free_port, is_listening, let_others_through, wait_until


class Postfix:
    """
    An instance of its own: takes mail for example.net into one mailbox, or with `relayhost`, a port of loopback, queues
    all and passes it on there. `more` is appended to its main.cf. It keeps no log file of its own: whatever logs then
    waits for postlogd, and `master -t` does so before there is one that would start it.
    """

    name, user = "postfix.example", ""

    def __init__(self, folder, authority, relayhost=None, more=""):
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
multi_instance_enable = no
myhostname = postfix.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = {"" if relayhost else "example.net"}
virtual_mailbox_maps = static:inbox
virtual_mailbox_base = {self.folder}/mail
virtual_minimum_uid = 1
virtual_uid_maps = static:{owner.pw_uid}
virtual_gid_maps = static:{owner.pw_gid}
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_security_level = {"none" if relayhost else "encrypt"}
smtpd_relay_restrictions = permit_mynetworks, reject
message_size_limit = 50000000
virtual_mailbox_limit = 0
virtual_mailbox_lock = fcntl
{more}
""" + (f"relayhost = [127.0.0.1]:{relayhost}\n" if relayhost else ""))
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

    def received(self):
        return self.mailbox.read_bytes() if self.mailbox.exists() else b""

    def flush(self):
        subprocess.run([shutil.which("postqueue", path="/usr/sbin:/sbin"), "-c", str(self.folder / "config"), "-f"],
                       check=True)

    def stop(self):
        with contextlib.suppress(subprocess.TimeoutExpired):  # its processes are killed then
            subprocess.run([shutil.which("postfix", path="/usr/sbin:/sbin"), "-c", str(self.folder / "config"), "stop"],
                           capture_output=True, timeout=PATIENCE)
        self._process.stop()
