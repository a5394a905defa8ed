"""Subgate itself, the real binary, with a configuration of the test's own."""

import json
import os
import pathlib
import signal
import subprocess
import time

from .process import PATIENCE, Process, free_port, is_listening, wait_until

BUILD = pathlib.Path(os.environ.get("BUILD", pathlib.Path(__file__).parents[2] / "build"))
SANITIZED = "san" in BUILD.parts  # then seccomp is off, and freed memory is kept for a while

CONFIG = """
hostname = "{hostname}"
user = "{user}"
gates = {gates}
drain_timeout = "{drain}"
state_dir = "{state}"
run_dir = "{run}"
tls {{ certificate = "{certificate}"  private_key = "{key}" }}
listener submissions {{ address = {{"127.0.0.1:{implicit}"}}  tls = "implicit" }}
listener submission {{ address = {{"127.0.0.1:{starttls}"}}  tls = "starttls" }}
admin {{ http = "127.0.0.1:{http}" }}
"""


def zone_where_it_is(hour):
    """A time zone without summer time in which it is about that hour now; its name has the sign that POSIX gives."""
    return f"Etc/GMT{(time.gmtime().tm_hour - hour + 12) % 24 - 12:+d}"


NOON = zone_where_it_is(12)


def without_midnight(sections):
    """
    Whenever the run begins, no test finds that a day ends: quotas count by one that is at noon, as what was counted
    before midnight would be of another; and the audit stays in one file, of which midnight UTC would make two. A test
    that is about days names `quota_day` or `rotate` itself.
    """
    if "quota_day" not in sections:
        sections += f'\nquota_day {{ timezone = "{NOON}" }}\n'
    if "audit {" not in sections:
        sections += "\naudit { }\n"
    return sections if "rotate = " in sections else sections.replace("audit {", 'audit { rotate = "0s" ', 1)


class Subgate:
    """
    `sections` is appended to the configuration above; secrets are files made in its folder. `implicit` and `starttls`
    are the ports that clients connect to. `files`: so many descriptors may each process have (ulimit -n). `drain` is
    long enough for what a busy machine has under way, and shorter than stop() waits. `under`: a command that starts it.
    `hostname`: the node's name in records. `certificate`: that and its key, as paths. `gates`: 0: the default.
    """

    def __init__(self, folder, authority, sections="", secrets=None, user="", name="subgate", files=None, drain="30s",
                 under=(), hostname="mail.example.com", certificate=None, gates=2):
        self.folder = pathlib.Path(folder)
        self.authority = authority
        self.implicit, self.starttls, self.http = free_port(), free_port(), free_port()
        self.state, self.run = self.folder / "state", self.folder / "run"
        self.config = self.folder / "subgate.conf"
        self.user = user
        self.drain = drain
        self.hostname = hostname
        self.gates = gates
        self.certificate = certificate or authority.certificate("mail.example.com")
        self.name = name
        self.looks = 0  # connections that only looked whether `implicit` is open
        self._limit = [*under, *(["prlimit", f"--nofile={files}:{files}"] if files else [])]
        self._process = None
        self._write_secrets(secrets or {})
        self.write_config(sections)

    def _write_secrets(self, secrets):
        folder = self.folder / "secrets"
        folder.mkdir(parents=True)
        for name, value in secrets.items():
            (folder / name).write_text(value + "\n")
            (folder / name).chmod(0o600)

    def write_config(self, sections):
        certificate, key = self.certificate
        head = CONFIG.format(
            state=self.state, run=self.run, certificate=certificate, key=key, implicit=self.implicit, user=self.user,
            starttls=self.starttls, http=self.http, drain=self.drain, hostname=self.hostname, gates=self.gates)
        self.config.write_text(head + without_midnight(sections))

    def start(self, env=None):
        self._process = Process([*self._limit, BUILD / "subgate", "-c", self.config], self.folder / "subgate.log",
                                env=env)
        wait_until(self._is_ready, lambda: f"subgate to be ready:\n{self.log}")
        return self

    def _is_ready(self):
        assert self._process.is_running(), f"subgate ended:\n{self.log}"
        is_open = is_listening(self.implicit)
        self.looks += is_open
        if not (is_open and is_listening(self.starttls)):
            return False
        done = self.ctl("status", check=False)
        return done.returncode == 0

    def stop(self):
        if self._process:
            code = self._process.stop(seconds=60)
            self._process = None
            return code
        return None

    def kill(self):
        self._process.signal(signal.SIGKILL)
        self._process.popen.wait()
        self._process = None

    def signal(self, number):
        self._process.signal(number)

    @property
    def log(self):
        return (self.folder / "subgate.log").read_text(errors="replace")

    def wait_for_log(self, *texts):
        """Waits until the log has one of them: a role's lines come through a pipe, and so later than what it did."""
        wait_until(lambda: any(text in self.log for text in texts), lambda: f"{texts} in the log:\n{self.log}")

    @property
    def pid(self):
        return self._process.pid

    def check(self):
        return subprocess.run([*self._limit, BUILD / "subgate", "-c", self.config, "--check"],
                              capture_output=True, text=True)

    def ctl(self, *arguments, check=True):
        done = subprocess.run([BUILD / "subgatectl", "-s", self.run / "admin.sock", *map(str, arguments)],
                              capture_output=True, text=True, timeout=PATIENCE)
        if check:
            assert done.returncode == 0, (
                f"subgatectl {arguments}: {done.returncode} {done.stdout}{done.stderr}\n{self.log}")
        return done

    def ctl_json(self, *arguments, check=True):
        return json.loads(self.ctl("--json", *arguments, check=check).stdout)

    def create_app_password(self, user, label="test", *more):
        return self.ctl_json("app-password", "create", user, "--label", label, *more)["password"]

    def pids(self, role):
        """Process ids of a role ("gate", "auth", …), from the process titles below the supervisor."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                title = (entry / "cmdline").read_bytes().rstrip(b"\0 ").decode()
            except (OSError, ValueError, IndexError):
                continue
            if parent == self.pid and title.startswith(f"subgate: {role}"):
                found.append(int(entry.name))
        return sorted(found)

    def audit(self, *types):
        """The audit records, of these types if any are given."""
        path = self.state / "audit.jsonl"
        text = path.read_text() if path.exists() else ""
        whole = text[:text.rfind("\n") + 1]  # the last line may be on its way
        records = [self._read_record(line) for line in whole.split("\n")[:-1]]
        return [r for r in records if not types or r["type"] in types]

    @staticmethod
    def _read_record(line):
        try:
            return json.loads(line)
        except ValueError as fault:
            raise AssertionError(f"no record: {line!r}") from fault

    def wait_for_audit(self, type_, count=1, seconds=PATIENCE):
        return wait_until(lambda: len(self.audit(type_)) >= count and self.audit(type_),
                          lambda: f"{count} records {type_}; there are {[r['type'] for r in self.audit()]}", seconds)


def relay_section(upstream, name="upstream", extra=""):
    """The relay section for an Upstream; its password is in secrets/upstream."""
    trust = "" if upstream.tls == "none" else f'ca_file = "{upstream.authority.ca}"  tls_name = "{upstream.name}"'
    return f"""
relay {name} {{
  host = "127.0.0.1"  port = {upstream.port}  tls = "{upstream.tls}"  {trust}
  user = "{upstream.USER}"  password_file = "secrets/upstream"
  {extra}
}}
"""
