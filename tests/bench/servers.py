"""
The servers of the benchmark, each with TLS and a login for its clients: Subgate with all that it does by default;
nginx's mail proxy, which knows no TLS to the upstream, no quota and no audit; Dovecot's submission service, which has
TLS to the upstream. The configurations of the last two are in nginx.conf and dovecot-2.*.conf.
"""

import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from harness.measure import family, title  # noqa: E402
from harness.process import Process, free_port, is_listening, let_others_through, wait_until  # noqa: E402
from harness.subgate import Subgate  # noqa: E402

HERE = pathlib.Path(__file__).parent
SINK_NAME = "sink.example"
UPSTREAM_CONNECTIONS = 20
USERS = 50

SECTIONS = """
limits {{ connections_per_address = 2000 }}
quota default {{ messages_per_day = 0  recipients_per_day = 0  messages_per_minute = 0 }}
relay sink {{
  host = "127.0.0.1"  port = {port}  ca_file = "{ca}"  tls_name = "{name}"  connections = {connections}
  user = "relay@example.com"  password_file = "secrets/upstream"
}}
"""


class SubgateServer:
    name = "Subgate"
    idle_clients = 400
    roles = {"gates": "subgate: gate", "auth": "subgate: auth", "relay": "subgate: relay", "redis": "subgate: redis"}

    def __init__(self, folder, authority, sink):
        sections = SECTIONS.format(port=sink.secure, ca=authority.ca, name=SINK_NAME, connections=UPSTREAM_CONNECTIONS)
        self._subgate = Subgate(folder / "subgate", authority, sections, {"upstream": "password"}, gates=0)

    def start(self):
        self._subgate.start()
        self.port, self.pid = self._subgate.implicit, self._subgate.pid
        names = [f"user{number}@example.com" for number in range(USERS)]
        self.users = [(name, self._subgate.create_app_password(name)) for name in names]
        return self

    def stop(self):
        self._subgate.stop()


class Peer:
    """One that is started from a configuration of ours, and takes one password for everybody."""

    users = [(f"user{number}@example.com", "password") for number in range(USERS)]

    def __init__(self, folder, authority, sink):
        self.folder = folder / self.name.lower()
        self.folder.mkdir()
        let_others_through(self.folder)
        self.port = free_port()
        certificate, key = authority.certificate("mail.example.com")
        template = (HERE / self.template()).read_text()
        for name, value in {"FOLDER": self.folder, "PORT": self.port, "AUTH_PORT": free_port(),
                            "CERTIFICATE": certificate, "KEY": key, "CA": authority.ca, "SINK_SECURE": sink.secure,
                            "SINK_PLAIN": sink.plain, "SINK_NAME": SINK_NAME}.items():
            template = template.replace(f"@{name}@", str(value))
        self.config = self.folder / "config"
        self.config.write_text(template)
        self._process = None

    def start(self):
        self._process = Process([*self.command, self.config], self.folder / "start.log")
        wait_until(lambda: is_listening(self.port), lambda: f"{self.name}: {self._process.output}")
        self.pid = self._process.pid
        return self

    def stop(self):
        self._process.stop()


class NginxServer(Peer):
    name = "nginx"
    idle_clients = 400
    roles = {"workers": "nginx: worker"}
    command = (shutil.which("nginx", path="/usr/sbin:/usr/bin"), "-c")

    @staticmethod
    def template():
        return "nginx.conf"


class DovecotServer(Peer):
    name = "Dovecot"
    idle_clients = 100  # a process and more than a mebibyte each
    roles = {"logins": "dovecot/submission-login", "sessions": "dovecot/submission"}
    command = (shutil.which("dovecot", path="/usr/sbin:/usr/bin"), "-F", "-c")

    @staticmethod
    def template():
        version = subprocess.run(["/usr/sbin/dovecot", "--version"], capture_output=True, text=True, check=True).stdout
        return "dovecot-2.3.conf" if version.startswith("2.3") else "dovecot-2.4.conf"


class Roles:
    """The processes of a server by what they do, as their titles say ({role: a part of it}); the rest are `others`."""

    def __init__(self, marks, pid):
        self._marks, self._pid = marks, pid

    def pids(self):
        found = {role: [] for role in (*self._marks, "others")}
        for pid in family(self._pid):
            words = title(pid)
            role = next((role for role, mark in self._marks.items() if mark in words), "others")
            found[role].append(pid)
        return found

    def each(self, measure):
        return {role: measure(pids) for role, pids in self.pids().items()}


SERVERS = (SubgateServer, NginxServer, DovecotServer)
