"""A real slapd on ldaps, with a search account that needs its password and some users."""

import os
import pathlib
import shutil
import signal
import subprocess

from .process import Process, free_port, is_listening, wait_until

BASE = "dc=example,dc=com"

LDIF = f"""
dn: {BASE}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: cn=subgate,{BASE}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: subgate
userPassword: directory-Search-0815

dn: ou=people,{BASE}
objectClass: organizationalUnit
ou: people
"""

USER = """
dn: uid={uid},ou=people,{base}
objectClass: inetOrgPerson
uid: {uid}
cn: {uid}
sn: {uid}
mail: {uid}@example.com
userPassword: {password}
"""


class Directory:
    BIND_DN = f"cn=subgate,{BASE}"
    BIND_PASSWORD = "directory-Search-0815"
    LOG_LEVEL = "0"  # "stats": what is asked of it

    def __init__(self, folder, authority, users, languages=None):
        """`users`: name to password; each has the address NAME@example.com. `languages`: which some of them prefer."""
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.authority = authority
        self.uri = f"ldaps://127.0.0.1:{self.port}"
        self._process = None
        self._prepare(users, languages or {})

    def _prepare(self, users, languages):
        data = self.folder / "data"
        data.mkdir(parents=True)
        certificate, key = self.authority.certificate("directory.example")
        config = self.folder / "slapd.conf"
        config.write_text(f"""
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
moduleload back_mdb
modulepath /usr/lib/ldap
pidfile {self.folder}/slapd.pid
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
disallow bind_anon
database mdb
suffix "{BASE}"
directory {data}
maxsize 16777216
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{self.BIND_DN}" read by * none
""")
        ldif = LDIF + "".join(USER.format(uid=u, password=p, base=BASE) +
                              (f"preferredLanguage: {languages[u]}\n" if u in languages else "")
                              for u, p in users.items())
        subprocess.run([self._program("slapadd"), "-f", config, "-b", BASE], input=ldif, text=True, check=True,
                       capture_output=True)

    @staticmethod
    def _program(name):
        return shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/usr/lib/openldap")

    def start(self):
        self._process = Process([self._program("slapd"), "-d", self.LOG_LEVEL, "-h", self.uri,
                                 "-f", self.folder / "slapd.conf"], self.folder / "slapd.log")
        wait_until(lambda: is_listening(self.port), lambda: f"slapd: {self._process.output}")
        return self

    def stop(self):
        if self._process:
            self._process.stop()
        self._process = None

    def binds(self, uid):
        """How often a password of this user was tried; LOG_LEVEL must be "stats"."""
        log = (self.folder / "slapd.log").read_text(errors="replace")
        return log.count(f'BIND dn="uid={uid},ou=people,{BASE}" method=128')

    def freeze(self):
        self._process.signal(signal.SIGSTOP)

    def thaw(self):
        self._process.signal(signal.SIGCONT)

    def section(self, name="corp", extra="", timeout="30s"):
        """
        The ldap section for it; its password is in secrets/ldap. Whoever makes it silent wants a shorter `timeout`.
        """
        return f"""
ldap {name} {{
  uri = {{"{self.uri}"}}
  ca_file = "{self.authority.ca}"
  timeout = "{timeout}"
  bind_dn = "{self.BIND_DN}"
  bind_password_file = "secrets/ldap"
  base = "ou=people,{BASE}"
  {extra}
}}
"""
