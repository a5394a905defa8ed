"""An upstream relay: aiosmtpd with TLS and AUTH, that keeps what it got and answers as a test wants it to."""

import asyncio
import dataclasses
import fnmatch
import logging
import re
import threading
import time
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from .process import PATIENCE, free_port

# It minds AUTH without STARTTLS, not knowing that the connection is TLS from its first byte.
warnings.filterwarnings("ignore", module="aiosmtpd")
logging.getLogger("mail.log").setLevel(logging.ERROR)


@dataclasses.dataclass
class Message:
    mail_from: str
    rcpt_to: list
    content: bytes
    connection: int


_DSN = re.compile(r" (?:RET|ENVID|NOTIFY|ORCPT)=\S*")
_PATH = re.compile(r'<(?:"(?:\\.|[^"\\])*"|[^">])*>')


class _Session(SMTP):
    """Notes every command; a scripted answer takes the place of the server's own."""

    line_length_limit = 100_000

    def __init__(self, upstream, *arguments, **options):
        self._upstream = upstream
        super().__init__(*arguments, **options)

    def connection_made(self, transport):
        super().connection_made(transport)  # once more after STARTTLS
        if not hasattr(self, "number"):
            self.number = self._upstream._count_connection(transport)

    def connection_lost(self, error):
        self._upstream._transports.discard(self.transport)
        super().connection_lost(error)

    async def smtp_MAIL(self, arg):
        await super().smtp_MAIL(self._take_dsn(arg))

    async def smtp_RCPT(self, arg):
        await super().smtp_RCPT(self._take_dsn(arg))

    def _take_dsn(self, arg):
        """aiosmtpd does not know these parameters; they are noted with the command, where DSN is offered."""
        path = _PATH.search(arg or "")
        self.path = path[0] if path else arg  # as it was written: aiosmtpd takes quotes off
        self.dsn = ""
        if "DSN" in self._upstream.offers:
            self.dsn = "".join(_DSN.findall(arg))
            arg = _DSN.sub("", arg)
        return arg


class _Handler:
    def __init__(self, upstream):
        self.upstream = upstream

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        offers = [f"250-{offer}" for offer in self.upstream.offers if offer != "SMTPUTF8"]
        return responses[:-1] + offers + responses[-1:]

    async def handle_MAIL(self, server, session, envelope, address, options):
        self.upstream.commands.append(f"MAIL FROM:{server.path}" + "".join(f" {o}" for o in options) + server.dsn)
        answer = await self.upstream._answer(server, f"MAIL FROM:<{address}>")
        if answer and not answer.startswith("2"):
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return answer or "250 2.1.0 Sender OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.upstream.commands.append(f"RCPT TO:{server.path}{server.dsn}")
        answer = await self.upstream._answer(server, f"RCPT TO:<{address}>")
        if answer and not answer.startswith("2"):
            return answer
        envelope.rcpt_tos.append(address)
        return answer or "250 2.1.5 Recipient OK"

    async def handle_DATA(self, server, session, envelope):
        self.upstream.commands.append(".")
        answer = await self.upstream._answer(server, ".")
        if answer and not answer.startswith("2"):
            return answer
        with self.upstream._lock:
            self.upstream.messages.append(
                Message(envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content, server.number))
            count = len(self.upstream.messages)
        return answer or f"250 2.0.0 Accepted as {count}"

    async def handle_RSET(self, server, session, envelope):
        self.upstream.commands.append("RSET")
        return "250 2.0.0 OK"

    async def handle_QUIT(self, server, session, envelope):
        self.upstream.commands.append("QUIT")
        return "221 2.0.0 Bye"


class _Controller(Controller):
    def __init__(self, upstream, **options):
        self._upstream = upstream
        super().__init__(_Handler(upstream), **options)

    def factory(self):
        return _Session(self._upstream, self.handler, **self.SMTP_kwargs)


class Upstream:
    """
    `tls`: "implicit", "starttls" or "none". `messages`, `commands` and `logins` are what it got; `script` maps a
    pattern of a command ("RCPT TO:<bob@*", "." for the final dot, "LOGIN") to a list of answers, used one after the
    other: a reply, or "close" (drop the connection), or "hang". `offers` are lines of EHLO besides its own: "DSN" and
    "SMTPUTF8" are understood.
    """

    USER, PASSWORD = "relay@example.com", "upstream-Password-4711"

    def __init__(self, authority, tls="implicit", port=None, name="upstream.example", delay=0.0,
                 offers=()):
        self.authority, self.tls, self.name, self.delay = authority, tls, name, delay
        self.port = port or free_port()
        self.offers = offers
        self.messages, self.commands, self.logins, self.script = [], [], [], {}
        self.connections = 0
        self._transports = set()
        self._lock = threading.Lock()
        self._controller = None

    def start(self):
        context = self.authority.server_context(self.name) if self.tls != "none" else None
        options = {"ssl_context": context} if self.tls == "implicit" else {}
        if self.tls == "starttls":
            options = {"tls_context": context, "require_starttls": True}
        self._controller = _Controller(
            self, hostname="127.0.0.1", port=self.port, server_hostname=self.name, authenticator=self._authenticate,
            auth_required=True, auth_require_tls=self.tls == "starttls", data_size_limit=64 << 20, timeout=600,
            enable_SMTPUTF8="SMTPUTF8" in self.offers, command_call_limit={"*": 1_000_000}, **options)
        self._controller.start()
        return self

    def stop(self):
        """Ends it at once: open connections are cut."""
        if self._controller is None:
            return
        self._controller.loop.call_soon_threadsafe(self.cut)
        time.sleep(0.05)
        self._controller.stop()
        self._controller = None

    def cut(self):
        for transport in list(self._transports):
            transport.abort()

    def wait_for(self, count, seconds=PATIENCE):
        deadline = time.monotonic() + seconds
        while len(self.messages) < count:
            assert time.monotonic() < deadline, f"{len(self.messages)} of {count} messages came; {self.commands[-20:]}"
            time.sleep(0.02)
        return self.messages

    def _count_connection(self, transport):
        self._transports.add(transport)
        with self._lock:
            self.connections += 1
            return self.connections

    def _authenticate(self, server, session, envelope, mechanism, data):
        login, password = data.login.decode(), data.password.decode()
        self.logins.append((mechanism, login))
        for pattern, answers in self.script.items():
            if pattern == "LOGIN" and answers:
                answer = answers.pop(0)
                return AuthResult(success=False, handled=False, message=answer)
        return AuthResult(success=(login, password) == (self.USER, self.PASSWORD), handled=False)

    async def _answer(self, server, command):
        if self.delay:
            await asyncio.sleep(self.delay)
        for pattern, answers in self.script.items():
            if not answers or not fnmatch.fnmatchcase(command, pattern):
                continue
            answer = answers.pop(0)
            if answer == "close":
                server.transport.abort()
                return "421 4.3.0 Gone"
            if answer == "hang":
                await asyncio.sleep(3600)
            return answer
        return None
