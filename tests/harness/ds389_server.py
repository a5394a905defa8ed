"""389 Directory Server, made from its templates: dscreate would want systemd, and ports that are its own."""

import base64
import hashlib
import pathlib
import re
import shutil
import subprocess

from .directory_server import DirectoryServer, program
from .people import BIND_PASSWORD, PEOPLE, SEVERAL, ldif
from .process import free_port

TEMPLATES = pathlib.Path("/usr/share/dirsrv/data")

# What a test's server is told beyond the templates: the entry, then its lines.
SETTINGS = {
    "cn=config": """
nsslapd-listenhost: 127.0.0.1
nsslapd-securelistenhost: 127.0.0.1
nsslapd-security: on
nsslapd-securePort: {port}
nsslapd-allow-anonymous-access: off
nsslapd-threadnumber: 4
nsslapd-accesslog-logbuffering: off
passwordLockout: on
passwordMaxFailure: {attempts}
passwordUnlock: off
passwordMustChange: on
passwordExp: on
""",
    "cn=config,cn=ldbm database,cn=plugins,cn=config": """
nsslapd-cache-autosize: 0
nsslapd-dbcachesize: 2097152
nsslapd-db-durable-transaction: off
""",
    "cn=userroot,cn=ldbm database,cn=plugins,cn=config": """
nsslapd-cachememsize: 4194304
nsslapd-dncachememsize: 2097152
""",
}

# "*" leaves out what the server keeps for itself.
ACI = ('(targetattr = "* || nsAccountLock || nsUniqueId || memberOf || passwordExpirationTime || accountUnlockTime '
       '|| passwordRetryCount || pwdReset || pwdUpdateTime")(version 3.0; acl "search"; '
       'allow (read, search, compare) userdn = "ldap:///{bind_dn}";)')
OWN_PASSWORD = ('(targetattr = "userPassword")(version 3.0; acl "own password"; '
                'allow (write) userdn = "ldap:///self";)')

STATES = {
    "disabled": (("nsAccountLock", "TRUE"),),
    "expired": (("passwordExpirationTime", "20200101000000Z"),),
    "must_change": (("passwordExpirationTime", "19700101000000Z"),),
}


def hashed(password):
    return "{SSHA}" + base64.b64encode(hashlib.sha1(password.encode() + b"saltsalt").digest() + b"saltsalt").decode()


class Ds389Server(DirectoryServer):
    KIND = "389ds"
    base = "dc=example,dc=com"
    bind_dn = f"cn=subgate,{base}"
    admin_dn = "cn=Directory Manager"
    admin_password = "ds-Admin-4711"

    @staticmethod
    def is_installed():
        return program("ns-slapd") is not None

    def __init__(self, folder, authority):
        super().__init__(folder, authority)
        self.port, self.clear_port = free_port(), free_port()
        self._config = self.folder / "config"
        for name in ("config/schema", "db", "log"):
            (self.folder / name).mkdir(parents=True)
        for name in ("slapd-collations.conf", "certmap.conf"):
            shutil.copy(f"/etc/dirsrv/config/{name}", self._config)
        shutil.copy("/etc/dirsrv/schema/99user.ldif", self._config / "schema")
        (self._config / "dse.ldif").write_text(self._settings())
        self._keep_certificate()
        entries = self.folder / "entries.ldif"
        entries.write_text(self._first_entries() + self.all_entries(PEOPLE + (SEVERAL,)) + self.referral_entry())
        self._quietly(program("ns-slapd"), "ldif2db", "-D", self._config, "-n", "userroot", "-i", entries)

    @staticmethod
    def _quietly(*arguments):
        done = subprocess.run(arguments, capture_output=True, text=True)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"

    def _settings(self):
        values = dict.fromkeys(("lock_dir", "tmp_dir", "ldif_dir", "bak_dir", "run_dir", "inst_dir"), self.folder)
        values |= {
            "schema_dir": self._config / "schema", "cert_dir": self._config, "config_dir": self._config,
            "log_dir": self.folder / "log", "db_dir": self.folder / "db", "db_home_dir": self.folder / "db",
            "db_lib": "bdb", "fqdn": "localhost", "ds_port": self.clear_port, "ds_user": "root",
            "rootdn": self.admin_dn, "ds_passwd": hashed(self.admin_password), "ldapi_enabled": "off",
            "ldapi": self.folder / "ldapi", "ldapi_autobind": "off", "ds_suffix": self.base, "ds_bename": "userroot"}
        text = "\n\n".join((TEMPLATES / name).read_text() for name in ("template-dse.ldif", "template-suffix-db.ldif"))
        text = re.sub("^#.*\n", "", text, flags=re.M)
        text = re.sub("%(\\w+)%", lambda match: str(values[match[1]]), text)
        text = re.sub("\n{2,}", "\n\n", text).lstrip()
        for dn, lines in SETTINGS.items():
            text = text.replace(f"dn: {dn}\n",
                                f"dn: {dn}{lines.format(port=self.port, attempts=self.ATTEMPTS)}", 1)
        head, plugin = text.split("dn: cn=MemberOf Plugin,cn=plugins,cn=config\n")
        plugin = re.sub("(?i)(nsslapd-pluginenabled): off", r"\1: on", plugin, count=1)
        return f"{head}dn: cn=MemberOf Plugin,cn=plugins,cn=config\n{plugin}"

    def _keep_certificate(self):
        certificate, key = self.authority.certificate("directory.example")
        bundle = self.folder / "server.p12"
        self._quietly("openssl", "pkcs12", "-export", "-in", certificate, "-inkey", key, "-name", "Server-Cert",
                      "-passout", "pass:", "-out", bundle)
        self._quietly("certutil", "-N", "-d", self._config, "--empty-password")
        self._quietly("pk12util", "-i", bundle, "-d", self._config, "-W", "", "-K", "")
        self._quietly("certutil", "-A", "-d", self._config, "-n", "CA", "-t", "CT,,", "-i", self.authority.ca)

    def _first_entries(self):
        return ldif(self.base, ("objectClass", "domain"), ("dc", "example"),
                    ("aci", ACI.format(bind_dn=self.bind_dn)), ("aci", OWN_PASSWORD)) + \
            ldif(self.bind_dn, ("objectClass", "person"), ("cn", "subgate"), ("sn", "subgate"),
                 ("userPassword", BIND_PASSWORD))

    def command(self):
        return [program("ns-slapd"), "-D", self._config, "-d", "0", "-i", self.folder / "pid"], None

    def start(self):
        super().start()
        self.lock_the_locked()
        return self

    def person_entry(self, person):
        return ldif(self.dn(person), ("objectClass", "inetOrgPerson"), ("objectClass", "mailRecipient"),
                    ("objectClass", "nsMemberOf"), ("uid", person.uid), ("cn", person.name), ("sn", person.uid),
                    ("userPassword", person.password),
                    *(("mail", mail) for mail in person.mails),
                    *(("mailAlternateAddress", alias) for alias in person.aliases),
                    *STATES.get(person.state, ()),
                    *(("memberOf", self.group_dn(name)) for name in self.all_groups(person) if not self._process))

    def add(self, person):
        super().add(person)
        # An administrator's password must be changed by its owner, unless this says otherwise.
        if person.state != "must_change":
            self.modify(self.dn(person), "replace: passwordExpirationTime\npasswordExpirationTime: 20991231000000Z")
