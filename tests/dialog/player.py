"""Plays one transcript; its syntax is in README.md."""

import base64
import fnmatch
import re
import shutil
import tempfile

from harness.certificates import Authority
from harness.client import Line
from harness.process import wait_until
from harness.subgate import Subgate, relay_section
from harness.upstream import Upstream

USER = "alice@example.com"


class Stage:
    """Subgate with an app-password user, in front of a scripted upstream."""

    def __init__(self, config, relay="", offers=()):
        self.folder = tempfile.mkdtemp(prefix="subgate-dialog-")
        authority = Authority(f"{self.folder}/tls")
        self.upstream = Upstream(authority, offers=offers).start()
        sections = relay_section(self.upstream, extra=relay) + config
        if "quota default" not in config:
            sections += "quota default { messages_per_day = 0  messages_per_minute = 0  recipients_per_day = 0 }\n"
        self.subgate = Subgate(f"{self.folder}/subgate", authority, sections,
                               secrets={"upstream": Upstream.PASSWORD})
        try:
            self.subgate.start()
            self.password = self.subgate.create_app_password(USER)
        except BaseException:
            self.close()
            raise

    def close(self):
        self.subgate.stop()
        self.upstream.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def reset(self):
        self.upstream.messages.clear()
        self.upstream.commands.clear()
        self.upstream.script.clear()
        self.subgate.ctl("relay", "resume", "upstream")  # a transcript may have made it rest
        self.audit_from = len(self.subgate.audit())
        self.log_from = len(self.subgate.log)


def unescape(text):
    return re.sub(rb"\\(x[0-9a-fA-F]{2}|.)", _escape, text.encode())


def _escape(match):
    code = match.group(1)
    if code[:1] == b"x" and len(code) == 3:
        return bytes([int(code[1:], 16)])
    return {b"r": b"\r", b"n": b"\n", b"0": b"\0", b"t": b"\t"}.get(code, code)


def _base64(text):
    return base64.b64encode(text.encode()).decode()


class Player:
    def __init__(self, path):
        self.path = path
        self.lines = []
        self.config = self.relay = ""
        self.offers = ()
        self.whole_only = False
        self.reads_rationed = False
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if not line or line.startswith("#"):
                continue
            mark, text = line[:2], line[3:]
            if mark == "= " or line.startswith("= "):
                mark, text = "=", line[2:]
            if mark == "=" and text.startswith("config "):
                self.config += text[7:] + "\n"
            elif mark == "=" and text.startswith("relay "):
                self.relay = text[6:]
            elif mark == "=" and text.startswith("upstream "):
                self.offers = tuple(text[9:].split())
            elif mark == "=" and text == "whole":
                self.whole_only = True
            else:
                self.lines.append((number, mark, text))
                # Lines that clients cause, and records of those who don't log in.
                self.reads_rationed |= mark == "L:" or (mark == "A:" and text.startswith("session."))

    def play(self, stage, by_byte):
        self.stage, self.by_byte, self.client, self.held = stage, by_byte, None, b""
        self.password = stage.password
        stage.reset()
        self._script_upstream()
        try:
            for number, mark, text in self.lines:
                try:
                    self._step(mark, text)
                except (AssertionError, OSError) as error:
                    raise AssertionError(f"line {number}: {mark} {text}\n{error}") from error
            self._check_upstream()
        finally:
            if self.client:
                self.client.close()

    def _script_upstream(self):
        """The upstream's answers must be known before it is asked."""
        command = None
        for _, mark, text in self.lines:
            if mark == "U:":
                command = text
            elif mark == "u:":
                self.stage.upstream.script.setdefault(command.split(" SIZE=")[0], []).append(text)

    def _step(self, mark, text):
        if mark in ("C:", "C+"):
            data = self._fill(text).encode() + b"\r\n"
            if mark == "C+":
                self.held += data
            else:
                self._send(data)
        elif mark == "C>":
            self._send(unescape(self._fill(text)))
        elif mark == "S:":
            line = self.client.read_line()
            assert line is not None, "the server closed the connection"
            assert matches(line, text), f"the server said: {line}"
        elif mark == "M:" or mark == "M!":
            self._check_message(mark, text)
        elif mark == "B:":
            self._check_body(text)
        elif mark == "A:":
            self._check_audit(text)
        elif mark == "L:":
            self._check_log(text)
        elif mark == "=":
            self._direct(text)
        else:
            assert mark in ("U:", "U!", "u:"), f"unknown mark {mark}"

    def _fill(self, text):
        password = self.password
        text = re.sub("@PLAIN:?(.*?)@(?= |$)", lambda found: _base64(f"{found[1]}\0{USER}\0{password}"), text)
        return text.replace("@PASSWORD64@", _base64(password))

    def _send(self, data):
        data, self.held = self.held + data, b""
        if not self.by_byte or len(data) > 20000:
            self.client.send(data)
            return
        for at in range(len(data)):
            self.client.send(data[at:at + 1])

    def _expect(self, code, command):
        reply = self.client.command(command)
        assert reply and reply[0].startswith(code), f"to {command} the server said: {reply}"

    def _direct(self, text):
        verb, _, rest = text.partition(" ")
        if verb == "connect":
            if self.client:
                self.client.close()
            self.client = Line(self.stage.subgate, rest)
            self.position = 0
        elif verb == "tls":
            self.client.start_tls()
        elif verb == "auth":
            self._expect("235 2.7.0", self._fill("AUTH PLAIN @PLAIN@"))
        elif verb == "password":
            self.password = self.stage.subgate.create_app_password(USER, "scoped", *rest.split())
        elif verb == "session":
            self._direct("connect implicit")
            assert self.client.read_reply()[0].startswith("220 ")
            self._expect("250", "EHLO client.example")
            self._direct("auth")
        elif verb == "envelope" or verb == "data":
            self._expect("250 2.1.0", f"MAIL FROM:<{USER}>")
            self._expect("250 2.1.5", "RCPT TO:<bob@example.net>")
            if verb == "data":
                self._expect("354", "DATA")
        elif verb == "repeat":
            count, _, piece = rest.partition(" ")
            self._send(unescape(piece) * int(count))
        elif verb == "replies":
            count, _, pattern = rest.partition(" ")
            for _ in range(int(count)):
                self._step("S:", pattern)
        elif verb == "closed":
            line = self.client.read_line()
            assert line is None, f"the server said: {line}"
        elif verb == "broken":
            data = self.client.drain()
            assert not re.search(rb"^[2345]\d\d[ -]", data, re.M), f"the server said: {data}"
        elif verb == "close":
            self.client.close()
        elif verb == "messages":
            got = [message.content for message in self.stage.upstream.messages]
            assert len(got) == int(rest), f"the upstream got {len(got)}: {got}"
        else:
            raise AssertionError(f"unknown direction {verb}")

    def _check_message(self, mark, text):
        content = self.stage.upstream.wait_for(1)[-1].content.decode(errors="surrogateescape").split("\r\n")
        if mark == "M!":
            assert not any(matches(line, text) for line in content), f"the message was {content}"
            return
        self.position = getattr(self, "position", 0)
        for at in range(self.position, len(content)):
            if matches(content[at], text):
                self.position = at + 1
                return
        raise AssertionError(f"the message was {content}")

    def _check_body(self, text):
        content = self.stage.upstream.wait_for(1)[-1].content
        assert content.partition(b"\r\n\r\n")[2] == unescape(text), f"the message was {content}"

    def _check_log(self, text):
        def found():
            return any(matches(line, text) for line in self.stage.subgate.log[self.stage.log_from:].split("\n"))

        wait_until(found, lambda: f"the log has {self.stage.subgate.log[self.stage.log_from:]}")

    def _check_audit(self, text):
        type_, *members = text.split(" ")
        wanted = dict(member.split("=", 1) for member in members)

        def found():
            records = self.stage.subgate.audit()[self.stage.audit_from:]
            return any(r["type"] == type_ and all(matches(str(r.get(k)), v) for k, v in wanted.items())
                       for r in records)

        wait_until(found, lambda: f"the audit has {self.stage.subgate.audit()[self.stage.audit_from:]}")

    def _check_upstream(self):
        for unwanted in [text for _, mark, text in self.lines if mark == "U!"]:
            got = self.stage.upstream.commands
            assert not any(matches(command, unwanted) for command in got), f"the upstream got {got}"
        wanted = [text for _, mark, text in self.lines if mark == "U:"]
        if not wanted:
            return

        def arrived():
            got = iter(c for c in list(self.stage.upstream.commands) if c not in ("RSET", "QUIT") or c in wanted)
            return all(any(matches(command, pattern) for command in got) for pattern in wanted)

        wait_until(arrived, lambda: f"the upstream got {self.stage.upstream.commands}, and should have got {wanted}")


def matches(line, pattern):
    """fnmatch with `*` alone: brackets and question marks stand for themselves."""
    return fnmatch.fnmatchcase(line, re.sub(r"([\[?])", r"[\1]", pattern))
