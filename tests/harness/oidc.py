"""An OpenID Connect issuer over HTTPS: keys, which rotate, introspection, and logins by the code flow with PKCE."""

import base64
import hashlib
import html
import http.server
import json
import secrets
import threading
import time
import urllib.parse

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from .process import free_port

CLIENT_ID, CLIENT_SECRET = "subgate", "introspection-Secret-51ab"


CONSOLE_ID, CONSOLE_SECRET = "subgate console", "console Secret+%&7"


def _url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _part(members):
    return _url64(json.dumps({name: value for name, value in members.items() if value is not None}).encode())


def _number(value, size=None):
    return _url64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class Key:
    """A key with its id: "RSA" signs as RS256, "EC" as ES256."""

    def __init__(self, kid, kind="RSA"):
        self.kid, self.kind = kid, kind
        self.algorithm = "RS256" if kind == "RSA" else "ES256"
        self._key = rsa.generate_private_key(65537, 2048) if kind == "RSA" else ec.generate_private_key(ec.SECP256R1())

    def jwk(self):
        numbers = self._key.public_key().public_numbers()
        more = ({"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)} if self.kind == "RSA" else
                {"kty": "EC", "crv": "P-256", "x": _number(numbers.x, 32), "y": _number(numbers.y, 32)})
        return {"kid": self.kid, "use": "sig", **more}

    def sign(self, text):
        if self.kind == "RSA":
            return self._key.sign(text, padding.PKCS1v15(), hashes.SHA256())
        r, s = utils.decode_dss_signature(self._key.sign(text, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class Issuer:
    """
    token(**claims) is one that is good, but for what the claims say (None: left out). `opaque` are tokens without a
    signature, and what is said of them. `requests` are the paths that were asked for. While `away`, it answers 503.

    Of logins: `user` is who is logged in there (claims), None: a page asks; `codes` are those not redeemed yet, with
    what their request said; `twist` changes the claims of ID tokens, of all, or within `codes` of one; `answer` changes
    what browsers bring back, `metadata` what it says of itself; `bad_token` is said in an ID token's place. It takes a
    verifier that fits its challenge alone.
    """

    AUDIENCE = "mail.example.com"

    def __init__(self, authority):
        self.authority = authority
        self.port = free_port()
        self.keys = [Key("key-1")]
        self.opaque = {}
        self.requests = []
        self.away = False
        self.user = {"email": "alice@example.com", "email_verified": True}
        self.codes, self.redirects = {}, set()
        self.twist, self.answer, self.metadata = {}, {}, {}
        self.bad_token = None
        self.is_public = False  # clients without a secret are taken
        self.faults = []  # of requests for tokens
        self._server = None

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}/realm"

    def section(self, extra="", name="company"):
        return f"""
bearer {name} {{ issuer = "{self.url}"  audiences = {{"{self.AUDIENCE}"}}  ca_file = "{self.authority.ca}"
  timeout = "5s"  {extra} }}
"""

    def introspection(self, extra="", name="company"):
        """The section for tokens that this issuer has to be asked about; the secret is in secrets/oidc."""
        return self.section(f'introspection_url = "{self.url}/introspect"  client_id = "{CLIENT_ID}"\n'
                            f'  client_secret_file = "secrets/oidc"  {extra}', name)

    def login_section(self, console, extra="", secret=True):
        """Those of console.login = {"oidc"}; the secret is in secrets/console."""
        self.redirects.add(f"{console.url}/login/callback")
        has_secret = 'client_secret_file = "secrets/console"' if secret else ""
        return f"""
oidc {{ issuer = "{self.url}"  client_id = "{CONSOLE_ID}"  {has_secret}
  ca_file = "{self.authority.ca}"  timeout = "20s"  {extra} }}
"""

    def token(self, key=None, header=None, **claims):
        key = key or self.keys[-1]
        now = int(time.time())
        body = {"iss": self.url, "aud": self.AUDIENCE, "exp": now + 600, "iat": now, "sub": "1234",
                "email": "alice@example.com", "email_verified": True, **claims}
        head = {"alg": key.algorithm, "kid": key.kid, "typ": "JWT", **(header or {})}
        signed = ".".join(_part(part) for part in (head, body))
        return f"{signed}.{_url64(key.sign(signed.encode()))}"

    def rotate(self, kind="RSA"):
        self.keys = [Key(f"key-{len(self.keys) + 100}-{kind}", kind)]

    def start(self):
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                issuer._serve(self, {})

            def do_POST(self):
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                issuer._serve(self, dict(urllib.parse.parse_qsl(text)))

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128  # as many may come at once

        self._server = Server(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *arguments: None
        self._server.socket = self.authority.server_context("login.example").wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self):
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _serve(self, handler, form):
        self.requests.append(handler.path)
        url = urllib.parse.urlsplit(handler.path)
        if self.away:
            self._send(handler, 503, {})
        elif url.path == "/realm/authorize" and self.user is None:
            query = html.escape(url.query)
            self._send(handler, 200, f"<form method=post action='/realm/enter?{query}'><button>Enter</button></form>")
        elif url.path in ("/realm/authorize", "/realm/enter"):
            where = self.send_back(url.query)
            self._send(handler, 302 if where else 400, "", {"Location": where} if where else {})
        else:
            self._send(handler, *self._find(handler, form))

    @staticmethod
    def _send(handler, status, content, fields=None):
        is_json = not isinstance(content, str)
        body = (json.dumps(content) if is_json else content).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json" if is_json else "text/html")
        handler.send_header("Content-Length", str(len(body)))
        for name, value in (fields or {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def send_back(self, query):
        """Where a browser goes that came with this query, or None: nobody is sent to addresses that are not known."""
        asked = dict(urllib.parse.parse_qsl(query))
        if asked.get("redirect_uri") not in self.redirects or asked.get("client_id") != CONSOLE_ID:
            return None
        answer = {"state": asked["state"]}
        if asked["response_type"] != "code" or asked["code_challenge_method"] != "S256" or "nonce" not in asked:
            answer["error"] = "invalid_request"
        else:
            answer["code"] = secrets.token_urlsafe(48)
            self.codes[answer["code"]] = asked
        answer.update(self.answer)
        kept = {name: value for name, value in answer.items() if value is not None}
        return f"{asked['redirect_uri']}?{urllib.parse.urlencode(kept)}"

    def _redeem(self, handler, form):
        asked = self.codes.pop(form.get("code"), None)
        fault = self._fault_of(handler, form, asked)
        if fault:
            self.faults.append(fault)
            return 401 if fault == "invalid_client" else 400, {"error": fault.partition(":")[0]}
        claims = {"aud": CONSOLE_ID, "nonce": asked["nonce"], **(self.user or {}), **self.twist,
                  **asked.get("twist", {})}
        token = self.bad_token or self.token(**claims)
        return 200, {"access_token": "not-for-you", "token_type": "Bearer", "expires_in": 60, "id_token": token}

    def _fault_of(self, handler, form, asked):
        given = (handler.headers["Authorization"] or "").removeprefix("Basic ")
        basic = [urllib.parse.unquote_plus(part) for part in base64.b64decode(given).decode().split(":")]
        posted = [form.get("client_id"), form.get("client_secret")]
        is_public = self.is_public and posted == [CONSOLE_ID, None]
        if [CONSOLE_ID, CONSOLE_SECRET] not in (basic, posted) and not is_public:
            return "invalid_client"
        if form.get("grant_type") != "authorization_code" or asked is None:
            return "invalid_grant: no such code"
        if form.get("redirect_uri") != asked["redirect_uri"]:
            return "invalid_grant: another redirect_uri"
        challenge = _url64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        return None if challenge == asked["code_challenge"] else "invalid_grant: another verifier"

    def _find(self, handler, form):
        if handler.path == "/realm/.well-known/openid-configuration":
            told = {"issuer": self.url, "jwks_uri": f"{self.url}/keys",
                    "authorization_endpoint": f"{self.url}/authorize", "token_endpoint": f"{self.url}/token",
                    "authorization_response_iss_parameter_supported": False, **self.metadata}
            return 200, {name: value for name, value in told.items() if value is not None}
        if handler.path == "/realm/token":
            return self._redeem(handler, form)
        if handler.path == "/realm/keys":
            return 200, {"keys": [key.jwk() for key in self.keys]}
        if handler.path == "/realm/introspect":
            secret = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
            if handler.headers["Authorization"] != f"Basic {secret}":
                return 401, {}
            return 200, self.opaque.get(form["token"], {"active": False})
        return 404, {}
