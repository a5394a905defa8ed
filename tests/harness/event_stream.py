"""A reader of the console's server-sent events, as a browser is one, but that it never asks again."""

import socket

EVENTS = "/now/events"


class EventStream:
    def __init__(self, console, cookie, source="127.0.0.1", **fields):
        self.connection = console.connect(source)
        headers = {"Cookie": cookie, "Accept-Language": "en", "Accept": "text/event-stream", **fields}
        self.connection.request("GET", EVENTS, headers=headers)
        self.sock = self.connection.sock  # which the connection lets go, as it ends with the answer
        self.answer = self.connection.getresponse()
        self.status, self.fields = self.answer.status, self.answer.headers
        if self.status != 200:
            self.connection.close()

    def read_message(self):
        """Its text; None at the end. What is no message is passed over."""
        lines = []
        while line := self._read_line():
            line = line.rstrip("\n")
            if line.startswith("data: "):
                lines.append(line.removeprefix("data: "))
            elif not line and lines:
                return "\n".join(lines)
        return None

    def _read_line(self):
        try:
            return self.answer.readline().decode()
        except (OSError, AttributeError):  # a connection that breaks ends it, too; http.client has none then
            return ""

    def read_until(self, text):
        """The first message that has it; None: the stream ended before."""
        while (message := self.read_message()) is not None and text not in message:
            pass
        return message

    def leave(self):
        """Whoever reads it elsewhere comes to its end."""
        self.sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.answer.close()
        self.connection.close()
