"""Mail clients: smtplib with our authority, and a plain connection for transcripts."""

import concurrent.futures
import smtplib
import socket
import ssl

from .process import PATIENCE


class _LeavesQuietly:
    """At the end of a `with`, a session that was ended meanwhile is as good as one that ends with QUIT."""

    def __exit__(self, *error):
        try:
            super().__exit__(*error)
        except smtplib.SMTPResponseException as ended:
            if ended.smtp_code != 421:
                raise


class Client(_LeavesQuietly, smtplib.SMTP):
    pass


class TlsClient(_LeavesQuietly, smtplib.SMTP_SSL):
    pass


def connect(subgate, mode="implicit", timeout=60, address="127.0.0.1"):
    """An smtplib client from this address, TLS up, not logged in. `mode`: "implicit" or "starttls"."""
    context, source = subgate.authority.client_context(), (address, 0)
    if mode == "implicit":
        return TlsClient("127.0.0.1", subgate.implicit, context=context, timeout=timeout, source_address=source)
    client = Client("127.0.0.1", subgate.starttls, timeout=timeout, source_address=source)
    client.starttls(context=context)
    return client


def login(subgate, user, password, mode="implicit", timeout=60):
    client = connect(subgate, mode, timeout)
    client.login(user, password)
    return client


def at_once(calls):
    """The results, in order, of functions that are called all at the same time."""
    calls = list(calls)
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [done.result() for done in [pool.submit(call) for call in calls]]


def hear(client, sender, to, content):
    """
    What the client hears of a message to one recipient: (250, ""), or code and text of the refusal, wherever it came.
    """
    try:
        client.sendmail(sender, [to], content)
        return 250, ""
    except smtplib.SMTPRecipientsRefused as refused:
        code, text = refused.recipients[to]
    except smtplib.SMTPResponseException as refused:
        code, text = refused.smtp_code, refused.smtp_error
    return code, text.decode()


def message(sender, to="bob@example.net", subject="A test", body="Hello\r\n", number=0):
    return (f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{number}.test@example.com>\r\n"
            f"Date: Mon, 23 Nov 2026 08:00:00 +0000\r\n\r\n{body}").encode()


class Line:
    """A connection that sends bytes and reads lines, for a test that plays the client itself."""

    def __init__(self, subgate, mode="implicit", timeout=PATIENCE):
        port = subgate.starttls if mode == "starttls" else subgate.implicit
        self._context = subgate.authority.client_context()
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._buffer = b""
        if mode == "implicit":
            self.start_tls()

    def start_tls(self):
        self._socket = self._context.wrap_socket(self._socket, server_hostname="mail.example.com")

    def set_timeout(self, seconds):
        self._socket.settimeout(seconds)

    def send(self, data):
        self._socket.sendall(data)

    def read_line(self):
        """One line without its end; None when the server has closed."""
        while b"\n" not in self._buffer:
            try:
                data = self._socket.recv(65536)
            except (ConnectionResetError, ssl.SSLError):
                data = b""
            if not data:
                assert not self._buffer, f"the connection ended within a line: {self._buffer}"
                return None
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode(errors="replace")

    def read_reply(self):
        lines = []
        while True:
            line = self.read_line()
            if line is None:
                return None
            lines.append(line)
            if line[3:4] != "-":
                return lines

    def drain(self):
        """All bytes to the end of the connection, replies or not."""
        data, self._buffer = self._buffer, b""
        try:
            while piece := self._socket.recv(65536):
                data += piece
        except (ConnectionResetError, ssl.SSLError):
            pass
        return data

    def command(self, text):
        self.send(text.encode() + b"\r\n")
        return self.read_reply()

    def close(self):
        self._socket.close()
