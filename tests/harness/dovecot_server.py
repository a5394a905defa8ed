"""Dovecot's submission service: logs its users in, and passes their mail on at once to a relay behind it."""

import pathlib
import subprocess

from .process import Process, free_port, is_listening, let_others_through, wait_until


class Dovecot:
    """`behind`: the port, on loopback, of the relay that gets the mail. `auth_port`: where Postfix may ask about logins."""

    name, user, password = "dovecot.example", "relay@example.com", "dovecot-Password-1"

    def __init__(self, folder, authority, behind):
        self.folder = pathlib.Path(folder)
        self.port, self.auth_port = free_port(), free_port()
        (self.folder / "run").mkdir(parents=True)
        (self.folder / "mail").mkdir()
        let_others_through(self.folder)
        certificate, key = authority.certificate(self.name)
        (self.folder / "users").write_text(f"{self.user}:{{PLAIN}}{self.password}\n")
        self.config = self.folder / "dovecot.conf"
        self.config.write_text(f"""
base_dir = {self.folder}/run
state_dir = {self.folder}/run
log_path = {self.folder}/dovecot.log
protocols = submission
hostname = {self.name}
listen = 127.0.0.1
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
auth_mechanisms = plain login
passdb {{
  driver = passwd-file
  args = {self.folder}/users
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={self.folder}/mail
}}
mail_location = maildir:{self.folder}/mail
first_valid_uid = 1
submission_relay_host = 127.0.0.1
submission_relay_port = {behind}
submission_relay_trusted = no
submission_client_workarounds =
service submission-login {{
  inet_listener submission {{
    port = {self.port}
  }}
}}
service auth {{
  inet_listener {{
    address = 127.0.0.1
    port = {self.auth_port}
  }}
}}
""")
        self._process = None

    def start(self):
        self._process = Process(["/usr/sbin/dovecot", "-F", "-c", self.config], self.folder / "start.log")
        wait_until(lambda: is_listening(self.port), lambda: f"Dovecot: {self._process.output}{self.log}", 30)
        return self

    @property
    def log(self):
        path = self.folder / "dovecot.log"
        return path.read_text() if path.exists() else ""

    def stop(self):
        subprocess.run(["/usr/sbin/dovecot", "-c", str(self.config), "stop"], capture_output=True)
        self._process.stop()
