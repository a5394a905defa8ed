"""
Glewlwyd, an OpenID provider, from Debian's packages: unpacked, as whoever installs it has a provider running from then
on whose administrator's password is known. Its configuration and its database are the test's own.
"""

import http.cookiejar
import json
import pathlib
import shutil
import sqlite3
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from .process import PATIENCE, Process, free_port, is_listening, wait_until
from .subgate import BUILD

PACKAGES = pathlib.Path(__file__).parents[2] / "deploy" / "packages"
PAGES = "usr/share/glewlwyd/webapp"
SCHEMA = "usr/share/dbconfig-common/data/glewlwyd/install/sqlite3"
MODULES = {"user_module_path": "user", "client_module_path": "client", "user_auth_scheme_module_path": "scheme",
           "plugin_module_path": "plugin"}
MIME_TYPES = {".html": "text/html", ".css": "text/css", ".js": "application/javascript", ".json": "application/json"}


def _unpack():
    folder = BUILD / "glewlwyd"
    subprocess.run([PACKAGES, "unpack", folder, "glewlwyd", "dbconfig-no-thanks"], check=True, capture_output=True)
    return folder


class Glewlwyd:
    """
    Serves logins for one client, whose browsers come back to `callback`; people are added with add_user(). They log in
    on its pages, and their consent is there already.
    """

    PATH = "api/oidc"

    def __init__(self, folder, authority, client, secret, callback):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.authority = authority
        self.port = free_port()
        self.client, self._secret, self._callback = client, secret, callback
        self._process = None
        self._root = _unpack()
        database = sqlite3.connect(self.folder / "glewlwyd.db")
        database.executescript((self._root / SCHEMA).read_text())
        database.close()
        (self.folder / "glewlwyd.conf").write_text(self._config())
        self._copy_pages()
        self._administrator = self._session()

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    @property
    def issuer(self):
        return f"{self.url}/{self.PATH}"

    def _config(self):
        certificate, key = self.authority.certificate("localhost")
        modules = "\n".join(f'{name} = "{self._root}/usr/lib/glewlwyd/{folder}"' for name, folder in MODULES.items())
        types = ", ".join(f'{{ extension = "{end}" mime_type = "{kind}" }}' for end, kind in MIME_TYPES.items())
        return f"""
port = {self.port}
bind_address = "127.0.0.1"
external_url = "{self.url}"
login_url = "login.html"
api_prefix = "api"
log_mode = "console"
log_level = "WARNING"
cookie_secure = 1
session_key = "GLEWLWYD2_SESSION_ID"
session_expiration = 86400
admin_session_authentication = "cookie"
profile_session_authentication = "cookie"
login_api_enabled = true
admin_scope = "g_admin"
profile_scope = "g_profile"
{modules}
use_secure_connection = true
secure_connection_key_file = "{key}"
secure_connection_pem_file = "{certificate}"
hash_algorithm = "SHA512"
database = {{ type = "sqlite3"  path = "{self.folder}/glewlwyd.db" }}
static_files_path = "{self.folder}/pages"
static_files_mime_types = ( {types} )
"""

    def _copy_pages(self):
        """Debian's, whose link to their configuration leads to the folder that it is in."""
        def copy(source, target):
            path = pathlib.Path(source).resolve()  # of another package, which may be installed
            shutil.copy(path if path.exists() else "/" / path.relative_to(self._root), target)

        pages = self.folder / "pages"
        shutil.copytree(self._root / PAGES, pages, copy_function=copy,
                        ignore=shutil.ignore_patterns("config.json", "*.map"))
        config, = (self._root / "etc" / "glewlwyd").glob("config*.json/config.json")
        shutil.copy(config, pages)

    def start(self):
        libraries = ":".join(str(path) for path in (self._root / "usr" / "lib").glob("*-linux-gnu*"))
        self._process = Process([self._root / "usr" / "bin" / "glewlwyd", "-c", self.folder / "glewlwyd.conf"],
                                self.folder / "log", env={"LD_LIBRARY_PATH": libraries})
        wait_until(lambda: is_listening(self.port), lambda: f"glewlwyd: {self._process.output}")
        self._log_in(self._administrator, "admin", "password")
        self._make_provider()
        self._change("POST", "client/", {
            "client_id": self.client, "name": self.client, "enabled": True, "confidential": True,
            "password": self._secret, "scope": [], "redirect_uri": [self._callback],
            "authorization_type": ["code"], "token_endpoint_auth_method": ["client_secret_basic"]})
        for scope in ("openid", "email"):
            self._change("PUT" if scope == "openid" else "POST", f"scope/{scope}" if scope == "openid" else "scope/", {
                "name": scope, "display_name": scope, "password_required": True, "password_max_age": 0, "scheme": {}})
        return self

    def stop(self):
        if self._process:
            self._process.stop()
        self._process = None

    @property
    def output(self):
        return self._process.output

    def add_user(self, name, email, password, is_verified=True):
        self._change("POST", "user/", {"username": name, "name": name, "email": email, "password": password,
                                       "enabled": True, "scope": ["g_profile", "openid", "email"],
                                       "user-code": "verified" if is_verified else "claimed"})
        person = self._session()
        self._log_in(person, name, password)
        self._ask(person, "PUT", f"auth/grant/{urllib.parse.quote(self.client)}/", {"scope": "openid email"})

    def _make_provider(self):
        key = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, text=True, check=True).stdout
        public = subprocess.run(["openssl", "rsa", "-pubout"], input=key, capture_output=True, text=True,
                                check=True).stdout
        self._change("POST", "mod/plugin/", {
            "module": "oidc", "name": "oidc", "display_name": "oidc", "parameters": {
                "iss": self.issuer, "jwt-type": "rsa", "jwt-key-size": "256", "key": key, "cert": public,
                "access-token-duration": 3600, "refresh-token-duration": 3600, "code-duration": 600,
                "refresh-token-rolling": True, "allow-non-oidc": False, "auth-type-code-enabled": True,
                "auth-type-token-enabled": False, "auth-type-id-token-enabled": True,
                "auth-type-none-enabled": False, "auth-type-password-enabled": False,
                "auth-type-client-enabled": False, "auth-type-device-enabled": False,
                "auth-type-refresh-enabled": False, "subject-type": "public", "jwks-show": True,
                "pkce-allowed": True, "pkce-required": True, "pkce-method-plain-allowed": False,
                "name-claim": "no", "email-claim": "mandatory", "scope-claim": "no",
                "claims": [{"name": "email_verified", "user-property": "user-code", "type": "boolean",
                            "boolean-value-true": "verified", "boolean-value-false": "claimed", "mandatory": True}],
                "allowed-scope": ["openid", "email"]}})

    def _session(self):
        return urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(self.authority.ca))),
            urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def _log_in(self, session, name, password):
        self._ask(session, "POST", "auth/", {"username": name, "password": password})

    def _change(self, method, path, body):
        self._ask(self._administrator, method, path, body)

    def _ask(self, session, method, path, body):
        request = urllib.request.Request(f"{self.url}/api/{path}", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"}, method=method)
        try:
            session.open(request, timeout=PATIENCE).read()
        except urllib.error.HTTPError as fault:
            raise AssertionError(f"{method} {path}: {fault.code} {fault.read()}: {self.output}") from fault
