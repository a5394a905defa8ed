"""A browser's view of the console: requests over TLS, or plain over a UNIX socket."""

import http.client
import json
import re
import socket
import ssl
import urllib.parse

from .process import PATIENCE, free_port


class Console:
    """Where a console listens, and its section of the configuration."""

    def __init__(self, authority, options=""):
        self.port = free_port()
        self.section = f'console {{ address = {{"127.0.0.1:{self.port}"}}  {options} }}\n'
        self.context = ssl.create_default_context(cafile=str(authority.ca))
        self.context.check_hostname = False

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def connect(self, source="127.0.0.1"):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE, context=self.context,
                                           source_address=(source, 0))

    def ask(self, method, path, body=None, source="127.0.0.1", **fields):
        """(status, fields of the answer, its JSON or text); `fields` are the request's, with _ for -."""
        connection = self.connect(source)
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, read(answer)
        finally:
            connection.close()


def read(answer):
    text = answer.read().decode()
    return json.loads(text) if answer.headers["Content-Type"].startswith("application/json") else text


class UnixConnection(http.client.HTTPConnection):
    """Plain HTTP over a UNIX socket, as a web server in front speaks it."""

    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Session:
    """Somebody who has logged in: their cookie and what a change needs beside it."""

    def __init__(self, console, user, password, **fields):
        self.console = console
        self.status, answered, self.answer = console.ask(
            "POST", "/api/v1/login", {"user": user, "password": password}, **fields)
        self.set_cookie = answered["Set-Cookie"]
        self.cookie = (self.set_cookie or "").partition(";")[0]

    def get(self, path, **fields):
        return self.console.ask("GET", path, Cookie=self.cookie, **fields)[::2]

    def post(self, path, body=None, **fields):
        fields.setdefault("X_CSRF_Token", self.answer.get("csrf_token", ""))
        return self.console.ask("POST", path, {} if body is None else body, Cookie=self.cookie, **fields)[::2]


class Token:
    """A program with a token of the API's, as `subgatectl api-token create` made it."""

    def __init__(self, console, subgate, role, *more, label="script", expires="90d"):
        self.console = console
        made = subgate.ctl_json("api-token", "create", "--role", role, "--label", label, "--expires", expires, *more)
        self.id, self.text = made["id"], made["token"]

    def get(self, path, **fields):
        return self.console.ask("GET", path, Authorization=f"Bearer {self.text}", **fields)[::2]

    def post(self, path, body=None, **fields):
        return self.console.ask("POST", path, {} if body is None else body, Authorization=f"Bearer {self.text}",
                                **fields)[::2]


class Reader:
    """Somebody who reads the console's pages and fills in its forms, without JavaScript."""

    def __init__(self, console, language="en"):
        self.console, self.language, self.cookie = console, language, ""

    def _ask(self, method, path, body=None, **fields):
        status, answered, text = self.console.ask(
            method, path, body, Cookie=self.cookie, Accept_Language=self.language, **fields)
        if answered["Set-Cookie"]:
            self.cookie = answered["Set-Cookie"].partition(";")[0]
        return status, answered["Location"], text

    def get(self, path):
        """(status, where it sends to or None, text)"""
        return self._ask("GET", path)

    def post(self, path, fields, csrf=None, **header):
        """The same; the token stands on the page where the form is."""
        if csrf is None:
            csrf = self.csrf
        header.setdefault("Content_Type", "application/x-www-form-urlencoded")
        return self._ask("POST", path, urllib.parse.urlencode({**fields, "csrf": csrf}), **header)

    @property
    def csrf(self):
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.get("/me")[2])
        return found[1] if found else ""

    def log_in(self, user, password):
        return self.post("/login", {"user": user, "password": password}, csrf="")
