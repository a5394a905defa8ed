"""
Exim, from Debian's package: unpacked, as it can't be installed beside Postfix. The user that it was built for is not
on this machine, so it is shown a list of users that has one.
"""

import os
import pathlib
import pwd
import subprocess

from .process import Process, free_port, is_listening, let_others_through, wait_until
from .subgate import BUILD

PACKAGES = pathlib.Path(__file__).parents[2] / "deploy" / "packages"


def _unpack():
    folder = BUILD / "exim"
    subprocess.run([PACKAGES, "unpack", folder, "exim4-daemon-light"], check=True, capture_output=True)
    return folder / "usr" / "sbin" / "exim4"


class Exim:
    """Takes mail for example.net of whoever logs in, and keeps it in its queue. `more` is added to its main section."""

    name, user, password = "exim.example", "relay@example.com", "exim-Password-1"

    def __init__(self, folder, authority, more=""):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self._program = _unpack()
        self._owner = pwd.getpwnam("nobody")
        (self.folder / "spool").mkdir(parents=True)
        os.chown(self.folder / "spool", self._owner.pw_uid, self._owner.pw_gid)
        os.chown(self.folder, self._owner.pw_uid, self._owner.pw_gid)
        let_others_through(self.folder)
        certificate, key = authority.certificate(self.name)
        own_key = self.folder / "key.pem"
        own_key.write_bytes(key.read_bytes())
        own_key.chmod(0o600)
        os.chown(own_key, self._owner.pw_uid, self._owner.pw_gid)
        own_certificate = self.folder / "certificate.pem"
        own_certificate.write_bytes(certificate.read_bytes())
        self._write_users()
        self.config = self.folder / "exim.conf"
        self.config.write_text(f"""
keep_environment = LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
exim_path = {self._program}
exim_user = nobody
exim_group = nogroup
spool_directory = {self.folder}/spool
log_file_path = {self.folder}/%slog
primary_hostname = {self.name}
local_interfaces = 127.0.0.1
daemon_smtp_ports = {self.port}
tls_advertise_hosts = *
tls_certificate = {own_certificate}
tls_privatekey = {own_key}
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
acl_smtp_rcpt = acl_rcpt
queue_only = true
message_size_limit = 50M
smtp_accept_max = 50
{more}
begin acl
acl_rcpt:
  deny recipients = nobody@example.net
       message = No such user
  accept domains = example.net
         authenticated = *
  deny message = Relay not permitted
begin routers
all:
  driver = accept
  transport = none
begin transports
none:
  driver = appendfile
  file = /dev/null
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{self.user}}}}}{{eq{{$auth3}}{{{self.password}}}}}}}}}
  server_set_id = $auth2
""")
        self._process = None

    def _write_users(self):
        line = f"Debian-exim:x:{self._owner.pw_uid}:{self._owner.pw_gid}::/:/bin/false\n"
        group = f"Debian-exim:x:{self._owner.pw_gid}:\n"
        (self.folder / "passwd").write_text(pathlib.Path("/etc/passwd").read_text() + line)
        (self.folder / "group").write_text(pathlib.Path("/etc/group").read_text() + group)

    def start(self):
        env = {"LD_PRELOAD": "libnss_wrapper.so", "NSS_WRAPPER_PASSWD": str(self.folder / "passwd"),
               "NSS_WRAPPER_GROUP": str(self.folder / "group")}
        self._process = Process([self._program, "-C", self.config, "-bdf"], self.folder / "start.log", env=env)
        wait_until(lambda: is_listening(self.port), lambda: f"Exim: {self._process.output}", 30)
        return self

    def received(self):
        """Header and body of each, as they lie in its queue."""
        bodies = sorted((self.folder / "spool" / "input").rglob("*-D"))
        return b"".join(body.with_name(body.name[:-1] + "H").read_bytes() + b"\n" + body.read_bytes()
                        for body in bodies)

    def stop(self):
        self._process.stop()
