"""
A token endpoint (OAuth 2) on HTTPS, that refuses, delays, rotates, expires, lies and floods as a test tells it to.
"""

import base64
import dataclasses
import http.server
import json
import ssl
import subprocess
import threading
import time
import urllib.parse

from .process import PATIENCE, free_port

HANG = 600.0  # seconds: longer than any test
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@dataclasses.dataclass
class Request:
    path: str
    form: dict
    agent: str


def _unpad(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def read_jwt(token):
    """(header, claims, what is signed, signature)"""
    header, claims, signature = token.split(".")
    return json.loads(_unpad(header)), json.loads(_unpad(claims)), f"{header}.{claims}", _unpad(signature)


class ServiceAccount:
    """A key file as Google gives it, and the check of what is signed with it."""

    EMAIL = "subgate@project.iam.gserviceaccount.example"

    def __init__(self, folder):
        self._folder = folder
        self._key = folder / "service-account.key"
        self._public = folder / "service-account.pub"
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out",
                        self._key], check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", self._key, "-pubout", "-out", self._public], check=True)
        self.pem = self._key.read_text()
        self.json = json.dumps({"type": "service_account", "client_email": self.EMAIL, "private_key_id": "key-1",
                                "private_key": self.pem, "token_uri": "https://elsewhere.example/token"})

    def verifies(self, token):
        *_, signed, signature = read_jwt(token)
        (self._folder / "signature").write_bytes(signature)
        done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", self._public, "-signature",
                               self._folder / "signature"], input=signed.encode(), capture_output=True)
        return done.returncode == 0


class TokenEndpoint:
    """
    `accepts` are the refresh tokens, codes, device codes and client secrets that it takes; `script` is a list of
    actions for the requests to come, one each: (status, text), "hang", "close", "flood", or None for the usual.
    With `rotates` each refresh token is good for one use. `access` are the access tokens given, the newest last.
    """

    NAME = "login.example"
    CLIENT_ID, CLIENT_SECRET = "subgate-client", "client-Secret-8a61c0"

    def __init__(self, authority, lifetime=3600, rotates=False):
        self.authority, self.lifetime, self.rotates = authority, lifetime, rotates
        self.port = free_port()
        self.requests, self.script, self.access, self.refresh = [], [], [], []
        self.accepts = {"refresh-Token-1"}
        self.consented = False  # of the device flow
        self.timeout = "2s"     # of one request to it
        self.token_size = 0     # pads access tokens to that many characters
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._server = None

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def section(self, name="google", extra="", provider="google"):
        return f"""
oauth {name} {{
  provider = "{provider}"  token_url = "{self.url}/token"  ca_file = "{self.authority.ca}"  timeout = "{self.timeout}"
  {extra}
}}
"""

    def start(self):
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                fields = dict(urllib.parse.parse_qsl(form, keep_blank_values=True, strict_parsing=True))
                endpoint._answer(self, Request(self.path, fields, self.headers["User-Agent"]))

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *arguments: None
        self._server.socket = self.authority.server_context(self.NAME).wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self):
        self._stopped.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def wait_for(self, count, seconds=PATIENCE):
        end = time.monotonic() + seconds
        while len(self.requests) < count:
            assert time.monotonic() < end, f"{len(self.requests)} of {count} requests came"
            time.sleep(0.02)

    def _answer(self, handler, request):
        with self._lock:
            self.requests.append(request)
            action = self.script.pop(0) if self.script else None
        if action == "hang":
            self._stopped.wait(HANG)
        elif action == "flood":
            self._flood(handler)
        elif action == "close":
            handler.close_connection = True
        elif callable(action):
            action(handler, request)
        else:
            status, text = action or self._usual(request)
            self._send(handler, status, text)

    @staticmethod
    def _send(handler, status, text):
        body = (text if isinstance(text, str) else json.dumps(text)).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        if status in (301, 302, 307):
            handler.send_header("Location", "/elsewhere")
        handler.end_headers()
        handler.wfile.write(body)

    def _flood(self, handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while not self._stopped.is_set():
                handler.wfile.write(b" " * 65536)
        except (OSError, ssl.SSLError):
            pass
        handler.close_connection = True

    def _usual(self, request):
        form, grant = request.form, request.form.get("grant_type")
        with self._lock:
            if request.path == "/device":
                self.accepts.add("device-Code-1-5d0ffa")
                return 200, {"device_code": "device-Code-1-5d0ffa", "user_code": "WDJB-MJHT", "interval": 1,
                             "verification_uri": f"{self.url}/activate", "expires_in": 600}
            proof = {"refresh_token": "refresh_token", "client_credentials": "client_secret", DEVICE: "device_code",
                     "authorization_code": "code", ASSERTION: "assertion"}.get(grant)
            if proof is None:
                return 400, {"error": "unsupported_grant_type"}
            if grant == DEVICE and not self.consented:
                return 400, {"error": "authorization_pending"}
            if grant != ASSERTION and form.get(proof) not in self.accepts:
                return 400, {"error": "invalid_grant", "error_description":
                             f"Token {form.get(proof)} has been expired or revoked."}
            return 200, self._give(form, grant)

    def _give(self, form, grant):
        number = len(self.access) + 1
        self.access.append(f"access-Token-{number}-".ljust(self.token_size, "x") + "e7c3")
        answer = {"access_token": self.access[-1], "token_type": "Bearer", "expires_in": self.lifetime}
        if grant in (DEVICE, "authorization_code") or (grant == "refresh_token" and self.rotates):
            self.refresh.append(f"refresh-Token-{len(self.refresh) + 2}-9b04d2")
            self.accepts.add(self.refresh[-1])
            answer["refresh_token"] = self.refresh[-1]
        if grant == "refresh_token" and self.rotates:
            self.accepts.discard(form["refresh_token"])
        return answer
