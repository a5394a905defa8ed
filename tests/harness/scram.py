"""A client of SCRAM-SHA-256 (RFC 5802), that binds to the server's certificate if it is told to."""

import base64
import hashlib
import hmac
import os


def _b64(data):
    return base64.b64encode(data).decode()


def _hmac(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


class Scram:
    """
    login(client, user, password) over an smtplib client: (code, text) of the final reply. `salt` is what the server
    said; `certificate` (DER) makes it the mechanism with channel binding.
    """

    def __init__(self, certificate=None, header=None):
        self.salt = None
        self.verified = False  # the server knows the password, too
        self._mechanism = "SCRAM-SHA-256-PLUS" if certificate else "SCRAM-SHA-256"
        self._bound = hashlib.sha256(certificate).digest() if certificate else b""
        self._header = header or ("p=tls-server-end-point,," if certificate else "n,,")

    def challenge(self, client, user):
        """The server's answer to a first message."""
        self._bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={_b64(os.urandom(18))}"
        client.ehlo()
        code, text = client.docmd("AUTH", f"{self._mechanism} {_b64((self._header + self._bare).encode())}")
        if code == 334:
            self._first = base64.b64decode(text).decode()
            fields = dict(part.split("=", 1) for part in self._first.split(","))
            self._nonce, self.salt, self._rounds = fields["r"], base64.b64decode(fields["s"]), int(fields["i"])
        return code, text.decode()

    def prove(self, client, password):
        without = f"c={_b64(self._header.encode() + self._bound)},r={self._nonce}"
        message = f"{self._bare},{self._first},{without}".encode()
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), self.salt, self._rounds)
        key = _hmac(salted, b"Client Key")
        signature = _hmac(hashlib.sha256(key).digest(), message)
        proof = bytes(a ^ b for a, b in zip(key, signature))
        code, text = client.docmd(_b64(f"{without},p={_b64(proof)}".encode()))
        if code != 334:
            return code, text.decode()
        expected = f"v={_b64(_hmac(_hmac(salted, b'Server Key'), message))}"
        self.verified = base64.b64decode(text).decode() == expected
        code, text = client.docmd("")
        return code, text.decode()

    def login(self, client, user, password):
        code, text = self.challenge(client, user)
        return self.prove(client, password) if code == 334 else (code, text)
