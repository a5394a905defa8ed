"""Dovecot's submission service: logs its users in, and passes their mail on at once to a relay behind it."""

import pathlib
import subprocess

from .process import Process, free_port, is_listening, let_others_through, wait_until


class Dovecot:
    """
    `behind`: the loopback port of the relay that Dovecot passes the mail on to. `auth_port`: where Postfix may
    ask about logins.
    """

    name, user, password = "dovecot.example", "relay@example.com", "dovecot-Password-1"

    def __init__(self, folder, authority, behind):
        self.folder = pathlib.Path(folder)
        self.port, self.auth_port = free_port(), free_port()
        (self.folder / "run").mkdir(parents=True)
        (self.folder / "mail").mkdir()
        let_others_through(self.folder)
        (self.folder / "users").write_text(f"{self.user}:{{PLAIN}}{self.password}\n")
        self.config = self.folder / "dovecot.conf"
        self.config.write_text(self._of_version(*authority.certificate(self.name)) + f"""
base_dir = {self.folder}/run
state_dir = {self.folder}/run
log_path = {self.folder}/dovecot.log
hostname = {self.name}
ssl = required
auth_mechanisms = plain login
first_valid_uid = 1
submission_relay_host = 127.0.0.1
submission_relay_port = {behind}
submission_relay_trusted = no
submission_client_workarounds =
service submission-login {{
  inet_listener submission {{
    port = {self.port}
  }}
  inet_listener submissions {{
    port = 0
  }}
}}
""")
        self._process = None

    def _of_version(self, certificate, key):
        """What 2.4 (Debian 13) calls otherwise than 2.3 (Debian 12)."""
        version = subprocess.run(["/usr/sbin/dovecot", "--version"], capture_output=True, text=True, check=True).stdout
        if version.startswith("2.3"):
            return f"""
protocols = submission
listen = 127.0.0.1
ssl_cert = <{certificate}
ssl_key = <{key}
mail_location = maildir:{self.folder}/mail
passdb {{
  driver = passwd-file
  args = {self.folder}/users
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={self.folder}/mail
}}
service auth {{
  inet_listener {{
    address = 127.0.0.1
    port = {self.auth_port}
  }}
}}
"""
        return f"""dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols {{
  submission = yes
}}
listen = 127.0.0.1
ssl_server_cert_file = {certificate}
ssl_server_key_file = {key}
mail_driver = maildir
mail_path = {self.folder}/mail
passdb passwd-file {{
  passwd_file_path = {self.folder}/users
}}
userdb static {{
  fields {{
    uid = nobody
    gid = nogroup
    home = {self.folder}/mail
  }}
}}
service auth {{
  inet_listener auth {{
    listen = 127.0.0.1
    port = {self.auth_port}
  }}
}}
"""

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
        print(self.log)  # shown where the test has failed
