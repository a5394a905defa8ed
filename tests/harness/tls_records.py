"""
A TLS peer that makes its own records: the handshake is Python's, and what follows it is sealed here, so that it can
be what no TLS library sends: key updates without end, empty records, a new handshake in the middle.
"""

import hashlib
import hmac
import pathlib
import ssl
import tempfile

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

HANDSHAKE, DATA = 22, 23  # types of records (RFC 8446, 5.1)
TLS12_CIPHER = "ECDHE-ECDSA-AES128-GCM-SHA256"


def _expand(hash_name, secret, info, size):
    """HKDF-Expand (RFC 5869)."""
    out, block, count = b"", b"", 1
    while len(out) < size:
        block = hmac.new(secret, block + info + bytes([count]), hash_name).digest()
        out, count = out + block, count + 1
    return out[:size]


def _expand_label(hash_name, secret, label, size):
    """RFC 8446, 7.1, with an empty context."""
    label = b"tls13 " + label
    return _expand(hash_name, secret, size.to_bytes(2, "big") + bytes([len(label)]) + label + b"\0", size)


def _prf(hash_name, secret, seed, size):
    """RFC 5246, 5."""
    out, a = b"", seed
    while len(out) < size:
        a = hmac.new(secret, a, hash_name).digest()
        out += hmac.new(secret, a + seed, hash_name).digest()
    return out[:size]


class Sealer13:
    """Makes records of TLS 1.3 from a traffic secret."""

    def __init__(self, cipher, secret):
        self._hash = "sha384" if cipher.endswith("SHA384") else "sha256"
        self._key_size = 16 if "AES_128" in cipher else 32
        self._aead = ChaCha20Poly1305 if "CHACHA" in cipher else AESGCM
        self._use(secret)

    def _use(self, secret):
        self._secret, self._sequence = secret, 0
        self._sealing = self._aead(_expand_label(self._hash, secret, b"key", self._key_size))
        self._iv = int.from_bytes(_expand_label(self._hash, secret, b"iv", 12), "big")

    def record(self, type_, content):
        header = bytes([DATA, 3, 3]) + (len(content) + 17).to_bytes(2, "big")
        nonce = (self._iv ^ self._sequence).to_bytes(12, "big")
        self._sequence += 1
        return header + self._sealing.encrypt(nonce, content + bytes([type_]), header)

    def key_update(self):
        """One that asks for one (RFC 8446, 4.6.3); what follows is under the next key."""
        sealed = self.record(HANDSHAKE, b"\x18\0\0\x01\x01")
        self._use(_expand_label(self._hash, self._secret, b"traffic upd", hashlib.new(self._hash).digest_size))
        return sealed

    def ticket(self):
        """RFC 8446, 4.6.1."""
        body = (7200).to_bytes(4, "big") + b"\1\2\3\4" + b"\1n" + b"\0\x20" + 32 * b"t" + b"\0\0"
        return self.record(HANDSHAKE, b"\4" + len(body).to_bytes(3, "big") + body)


class Sealer12:
    """Makes records of TLS 1.2 with AES-128-GCM (RFC 5288); its side has sent one record, Finished."""

    def __init__(self, master, client_random, server_random, is_server):
        block = _prf("sha256", master, b"key expansion" + server_random + client_random, 40)
        self._sealing = AESGCM(block[16:32] if is_server else block[:16])
        self._salt = block[36:40] if is_server else block[32:36]
        self._sequence = 1

    def record(self, type_, content):
        explicit = self._sequence.to_bytes(8, "big")
        extra = explicit + bytes([type_, 3, 3]) + len(content).to_bytes(2, "big")
        self._sequence += 1
        sealed = explicit + self._sealing.encrypt(self._salt + explicit, content, extra)
        return bytes([type_, 3, 3]) + len(sealed).to_bytes(2, "big") + sealed


class TlsPeer:
    """
    Takes over a connected socket, shakes hands as client or server, and has the sealer for what it sends from then on.
    `version`: the newest that it takes.
    """

    def __init__(self, sock, context, is_server=False, name=None, version=ssl.TLSVersion.TLSv1_3):
        self.sock, self._is_server = sock, is_server
        self._in, self._out, self._heard = ssl.MemoryBIO(), ssl.MemoryBIO(), b""
        with tempfile.TemporaryDirectory() as folder:
            keys = pathlib.Path(folder) / "keys"
            context.keylog_filename = str(keys)
            context.maximum_version = version
            context.set_ciphers(TLS12_CIPHER)
            if is_server:
                context.num_tickets = 0
            self.tls = context.wrap_bio(self._in, self._out, is_server, name)
            self._shake()
            self.sealer = self._make_sealer(keys.read_text())

    def _flush(self):
        data = self._out.read()
        if data:
            self.sock.sendall(data)
        return data

    def _shake(self):
        sent = b""
        while True:
            try:
                self.tls.do_handshake()
                sent += self._flush()
                break
            except ssl.SSLWantReadError:
                sent += self._flush()
                self._take()
        self._hellos = (self._heard, sent) if self._is_server else (sent, self._heard)

    def _take(self):
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionError("the peer ended")
        self._heard += data
        self._in.write(data)

    def _make_sealer(self, keys):
        secrets = {line.split()[0]: line.split() for line in keys.splitlines() if not line.startswith("#")}
        if self.tls.version() == "TLSv1.3":
            label = "SERVER_TRAFFIC_SECRET_0" if self._is_server else "CLIENT_TRAFFIC_SECRET_0"
            return Sealer13(self.tls.cipher()[0], bytes.fromhex(secrets[label][2]))
        client, server = (hello[11:43] for hello in self._hellos)  # after the headers and the version
        return Sealer12(bytes.fromhex(secrets["CLIENT_RANDOM"][2]), client, server, self._is_server)

    def send(self, text):
        """As data, in a record of ours."""
        self.sock.sendall(self.sealer.record(DATA, text))

    def read_line(self):
        line = b""
        while not line.endswith(b"\n"):
            try:
                byte = self.tls.read(1)
            except ssl.SSLWantReadError:
                self._take()
                continue
            if not byte:
                raise ConnectionError("the peer ended")
            line += byte
        return line.decode().rstrip()


def one_byte_hello(size=16384):
    """A ClientHello of so many bytes, each in a record of its own."""
    message = b"\1" + size.to_bytes(3, "big") + b"\3\3" + bytes(size - 2)
    return b"".join(bytes([HANDSHAKE, 3, 1, 0, 1, byte]) for byte in message)
