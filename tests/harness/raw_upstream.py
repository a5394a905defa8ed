"""An upstream on a bare socket, that lies, hangs, floods or vanishes where a test tells it to."""

import base64
import collections
import socket
import struct
import threading
import time

from .process import free_port

HANG = 600.0  # seconds: longer than any test
CONNECT, TLS, GREETING, EHLO, AUTH, MAIL, RCPT, DATA, BODY, DOT, BDAT, RSET, QUIT = (
    "CONNECT", "TLS", "GREETING", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "BODY", "DOT", "BDAT", "RSET", "QUIT")

USUAL = {
    CONNECT: None,
    TLS: None,
    GREETING: "220 raw.example ESMTP",
    EHLO: "250-raw.example\n250-PIPELINING\n250-SIZE 0\n250-8BITMIME\n250 AUTH PLAIN",
    AUTH: "235 2.7.0 Welcome",
    MAIL: "250 2.1.0 Sender OK",
    RCPT: "250 2.1.5 Recipient OK",
    DATA: "354 Go ahead",
    BODY: None,
    DOT: "250 2.0.0 Accepted",
    BDAT: "250 2.0.0 Accepted",
    RSET: "250 2.0.0 OK",
    QUIT: "221 2.0.0 Bye",
}


class Close(Exception):
    """Ends the connection."""


class Connection:
    """One client of ours; what actions work on."""

    def __init__(self, upstream, sock):
        self.upstream, self._socket, self._buffer = upstream, sock, b""
        self.transactions = 0
        self.content = b""  # of the last message

    def send(self, data):
        self._socket.sendall(data)

    def reply(self, text):
        self.send(text.replace("\n", "\r\n").encode() + b"\r\n")

    def drip(self, text, pause):
        """One byte, then a pause, and so on."""
        for byte in (text + "\r\n").encode():
            self.send(bytes([byte]))
            self.upstream.sleep(pause)

    def flood(self, piece, seconds=5.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.send(piece)

    def hang(self):
        self.upstream.sleep(HANG)
        raise Close

    def close(self):
        raise Close

    def reset(self):
        """RST instead of FIN."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Close

    def cut(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def end(self):
        self._socket.close()

    def line(self):
        while b"\n" not in self._buffer:
            self._receive()
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode(errors="replace")

    def body(self):
        """To the final dot, which is left out; of one larger than a mebibyte only the beginning and the end."""
        begin, data = b"", b"\r\n" + self._buffer
        while b"\r\n.\r\n" not in data:
            self._buffer = b""
            self._receive()
            if len(data) > 1 << 20:
                begin, data = begin or data[:4096], data[-4:]
            data += self._buffer
        content, self._buffer = data.split(b"\r\n.\r\n", 1)
        return (begin + content)[2:] + b"\r\n"

    def octets(self, count):
        while len(self._buffer) < count:
            self._receive()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def _receive(self):
        data = self._socket.recv(1 << 16)
        if not data:
            raise Close
        self._buffer += data

    def _act(self, stage):
        """What the script says at this stage, else the usual reply."""
        action = self.upstream._next(stage)
        if action is None:
            action = USUAL[stage]
            if stage == EHLO and self.upstream.chunking:
                action = action.replace("250 AUTH", "250-CHUNKING\n250 AUTH")
        if callable(action):
            action(self)
        elif action is not None:
            self.reply(action)

    def run(self):
        self._act(CONNECT)
        if self.upstream.context:
            self._act(TLS)
            self._socket = self.upstream.context.wrap_socket(self._socket, server_side=True)
        self._act(GREETING)
        while True:
            line = self.line()
            verb = line.split(" ")[0].split(":")[0].upper()
            self.upstream.commands.append(line)
            if verb not in USUAL:
                self.reply("500 5.5.1 What?")
                continue
            if verb == AUTH:
                self.authenticate(line)
                continue
            if verb == BDAT:
                self._take_chunk(line)
                continue
            self._act(verb)
            if verb == DATA:
                self._take_message()
            elif verb == QUIT:
                return

    def authenticate(self, line):
        self._act(AUTH)
        self.upstream.logins.append(base64.b64decode(line.split(" ")[2]).split(b"\0")[1].decode())

    def _take_chunk(self, line):
        count, last = line.split(" ")[1:]
        assert last == "LAST"
        self.upstream.messages.append(self.octets(int(count)))
        self.transactions += 1
        self._act(BDAT)

    def _take_message(self):
        self._act(BODY)
        self.content = self.body()
        self.upstream.commands.append(".")
        self.upstream.messages.append(self.content)
        self.transactions += 1
        self._act(DOT)


class RawUpstream:
    """
    Without TLS, unless an authority is given; offering CHUNKING if that is asked for. `script` maps a stage to a list
    of actions, used one after the other by whichever connection comes there: a reply, or a function that is called
    with the connection. `messages` are all that came up to their final dot, whatever was answered.
    """

    USER = "relay@example.com"
    connection = Connection

    def __init__(self, port=None, backlog=64, authority=None, chunking=False):
        self.port = port or free_port()
        self.authority, self.tls = authority, "implicit" if authority else "none"
        self.context = authority.server_context("raw.example") if authority else None
        self.script = collections.defaultdict(list)
        self.chunking = chunking
        self.messages, self.commands, self.logins = [], [], []
        self.connections = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._backlog = backlog
        self._listener, self._threads, self._open = None, [], []

    def start(self):
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(self._backlog)
        self._spawn(self._accept)
        return self

    def stop(self):
        self._stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def cut(self):
        """Ends all connections, as a crash would."""
        for connection in self._open:
            connection.cut()

    def sleep(self, seconds):
        if self._stopped.wait(seconds):
            raise Close

    def section(self, name="upstream", extra="", reply_timeout="6s", connect_timeout="5s"):
        """Its relay section, with waits short enough for a test and long enough for a busy machine."""
        trust = f'ca_file = "{self.authority.ca}"  tls_name = "raw.example"' if self.authority else ""
        return f"""
relay {name} {{
  host = "127.0.0.1"  port = {self.port}  tls = "{self.tls}"  {trust}
  user = "{self.USER}"  password_file = "secrets/upstream"
  connect_timeout = "{connect_timeout}"  reply_timeout = "{reply_timeout}"
  {extra}
}}
"""

    def _next(self, stage):
        with self._lock:
            return self.script[stage].pop(0) if self.script[stage] else None

    def _spawn(self, run, *arguments):
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            connection = self.connection(self, sock)
            self._open.append(connection)
            self._spawn(self._serve, connection)

    @staticmethod
    def _serve(connection):
        try:
            connection.run()
        except (Close, OSError):
            pass
        finally:
            connection.end()
