"""Postfix as the peer: takes mail over implicit TLS without login, queues it, and relays it to the sink over verified TLS."""

import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from harness.process import Process, free_port, is_listening, let_others_through, wait_until  # noqa: E402

POSTFIX = shutil.which("postfix", path="/usr/sbin:/sbin")

# What lets several messages share a TLS connection; as shipped it is commented out.
TLSPROXY = "tlsproxy unix - - n - 0 tlsproxy"

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
multi_instance_enable = no
myhostname = postfix.example
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
relayhost = [127.0.0.1]:{sink}
default_destination_concurrency_limit = {connections}
initial_destination_concurrency = {connections}
smtp_tls_wrappermode = yes
smtp_tls_security_level = secure
smtp_tls_secure_cert_match = {sink_name}
smtp_tls_CAfile = {ca}
smtp_tls_connection_reuse = yes
smtp_connection_cache_destinations = static:all
"""


class Postfix:
    def __init__(self, folder, authority, sink, sink_name, connections):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self._process = None
        for name in ("config", "queue", "data"):
            (self.folder / name).mkdir(parents=True)
        shutil.chown(self.folder / "data", "postfix", "postfix")
        let_others_through(self.folder)
        certificate, key = authority.certificate("postfix.example")
        (self.folder / "config" / "main.cf").write_text(MAIN.format(
            folder=self.folder, certificate=certificate, key=key, sink=sink, sink_name=sink_name, ca=authority.ca,
            connections=connections))
        services = pathlib.Path("/usr/share/postfix/master.cf.dist")
        services = services if services.exists() else pathlib.Path("/etc/postfix/master.cf.proto")
        (self.folder / "config" / "master.cf").write_text(
            "\n".join(map(self._adapt, services.read_text().splitlines())) + f"\n{TLSPROXY}\n")

    def _adapt(self, line):
        columns = line.split()
        if len(columns) < 8 or line[0] in "# \t":
            return line
        if columns[:2] == ["smtp", "inet"]:
            return f"127.0.0.1:{self.port} inet n - n - 200 smtpd -o smtpd_tls_wrappermode=yes"
        columns[4] = "n"  # no chroot: the log and the sockets are in folders of ours
        return " ".join(columns)

    def start(self):
        self._process = Process([POSTFIX, "-c", self.folder / "config", "start-fg"], self.folder / "start.log")
        wait_until(lambda: is_listening(self.port), lambda: f"Postfix: {self._process.output}", 30)
        return self

    @property
    def pid(self):
        return self._process.pid

    def stop(self):
        subprocess.run([POSTFIX, "-c", str(self.folder / "config"), "stop"], capture_output=True)
        self._process.stop()
