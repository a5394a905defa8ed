"""A certificate authority of the test's own, made by the openssl command."""

import pathlib
import ssl
import subprocess


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """
    `ca` is its certificate; certificate(name) makes one for 127.0.0.1, ::1, that name and more addresses, or for an
    address of mail; revoke(*names) writes the list of those that it takes back.
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca = self.folder / "ca.pem"
        self._key = self.folder / "ca.key"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "300",
                 "-subj", "/CN=Test authority", "-keyout", self._key, "-out", self.ca,
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def certificate(self, name, addresses=(), email=None, days=300):
        """(certificate, key) as paths."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        if certificate.exists():
            return certificate, key
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        also = "".join(f",IP:{address}" for address in addresses)
        names = f"email:{email}" if email else f"DNS:{name},IP:127.0.0.1,IP:::1{also}"
        extensions.write_text(f"subjectAltName={names}\nbasicConstraints=CA:FALSE\n")
        _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                 "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._key, "-CAcreateserial", "-days",
                 str(days), "-extfile", extensions, "-out", certificate)
        key.chmod(0o600)
        return certificate, key

    def revoke(self, *names):
        """The list as a path."""
        index, listing = self.folder / "index.txt", self.folder / "crl.pem"
        config = self.folder / "ca.conf"
        index.write_text("")
        config.write_text(f"[ca]\ndefault_ca = own\n[own]\ndatabase = {index}\ndefault_md = sha256\n"
                          "default_crl_days = 30\n")
        base = ["ca", "-config", config, "-cert", self.ca, "-keyfile", self._key]
        for name in names:
            _openssl(*base, "-revoke", self.certificate(name)[0])
        _openssl(*base, "-gencrl", "-out", listing)
        return listing

    def server_context(self, name):
        certificate, key = self.certificate(name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        return context

    def client_context(self):
        return ssl.create_default_context(cafile=str(self.ca))
