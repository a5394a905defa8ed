"""
Samba as an Active Directory domain controller, its LDAP server alone. The ports of that are fixed, so each has an
address of its own below 127.0.0.0/8. The domain is made once for all that run at the same time, and copied.
"""

import base64
import fcntl
import pathlib
import random
import shutil
import socket
import subprocess

from .directory_server import DirectoryServer, program
from .people import BIND_PASSWORD, PEOPLE, SEVERAL, ldif

CONFIG = """
[global]
netbios name = DC1
realm = AD.EXAMPLE.TEST
workgroup = EXAMPLE
server role = active directory domain controller
server services = ldap
dcerpc endpoint servers =
interfaces = {host}/8
bind interfaces only = yes
private dir = {folder}/private
state directory = {folder}/state
cache directory = {folder}/cache
lock directory = {folder}
pid directory = {folder}
ncalrpc dir = {folder}/ncalrpc
ntp signd socket directory = {folder}/ntp
winbindd socket directory = {folder}/winbindd
vfs objects = dfs_samba4 acl_xattr xattr_tdb
usershare path =
old password allowed period = 0
logging = file
log file = {folder}/log
tls enabled = yes
tls certfile = {certificate}
tls keyfile = {key}
tls cafile = {ca}
"""

NEVER = "9223372036854775807"
IN_2020 = "132223104000000000"  # 100 ns since 1601
STATES = {
    "disabled": {"userAccountControl": "514"},
    "expired": {"accountExpires": IN_2020},
    "must_change": {"pwdLastSet": "0"},
}


_claims = []


def free_address():
    """An address of loopback that no other test's server has; the claim is an abstract socket, kept while we live."""
    while True:
        host = f"127.{random.randint(64, 127)}.{random.randint(1, 254)}.{random.randint(1, 254)}"
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0subgate-test-address-{host}")
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return host


def quoted(password):
    """As unicodePwd wants it."""
    return f'"{password}"'.encode("utf-16-le")


class SambaServer(DirectoryServer):
    KIND = "active_directory"
    base = "dc=ad,dc=example,dc=test"
    realm = "ad.example.test"
    bind_dn = f"cn=subgate,cn=Users,{base}"
    admin_dn = f"cn=Administrator,cn=Users,{base}"
    admin_password = "samba-Admin-4711"
    port, clear_port = 636, 389

    @staticmethod
    def is_installed():
        return program("samba") is not None and pathlib.Path("/usr/share/samba/setup/provision.ldif").exists()

    def __init__(self, folder, authority, shared):
        """`shared`: a folder of all that run at the same time, for the domain."""
        super().__init__(folder, authority)
        self.host = free_address()
        shutil.copytree(self._domain(pathlib.Path(shared)), self.folder)
        self._configure(self.folder)

    def _configure(self, folder):
        certificate, key = self.authority.certificate("dc1.ad.example.test", [self.host])
        (folder / "smb.conf").write_text(CONFIG.format(
            folder=folder, host=self.host, certificate=certificate, key=key, ca=self.authority.ca))

    def _domain(self, shared):
        domain = shared / "samba-domain"
        with open(shared / "samba-domain.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not domain.exists():
                making = shared / "samba-domain-in-the-making"
                self._provision(making)
                making.rename(domain)
        return domain

    def _provision(self, folder):
        folder.mkdir()
        subprocess.run(
            [program("samba-tool"), "domain", "provision", f"--targetdir={folder}", "--realm=AD.EXAMPLE.TEST",
             "--domain=EXAMPLE", "--server-role=dc", "--dns-backend=NONE", "--host-name=dc1", "--host-ip=127.0.0.1",
             f"--adminpass={self.admin_password}", "--option=vfs objects=dfs_samba4 acl_xattr xattr_tdb",
             f"--option=log file={folder}/log", "--option=usershare path=", "--quiet"],
            check=True, capture_output=True)
        self._configure(folder)
        self._ldb("ldbmodify", folder, f"""dn: {self.base}
changetype: modify
replace: lockoutThreshold
lockoutThreshold: {self.ATTEMPTS}
-
replace: pwdProperties
pwdProperties: 0
-
replace: maxPwdAge
maxPwdAge: -9223372036854775808
-
replace: minPwdAge
minPwdAge: 0
""")
        self._ldb("ldbadd", folder, self._searcher() + self.all_entries(PEOPLE + (SEVERAL,)))

    @staticmethod
    def _ldb(tool, folder, text):
        done = subprocess.run([program(tool), f"--configfile={folder}/smb.conf", "-H", folder / "private/sam.ldb"],
                              input=text, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def _searcher(self):
        return ldif(self.bind_dn, ("objectClass", "user"), ("sAMAccountName", "subgate"),
                    ("userAccountControl", "512"), ("unicodePwd", quoted(BIND_PASSWORD)))

    def command(self):
        return [program("samba"), "-F", "-M", "single", "--no-process-group",
                f"--configfile={self.folder}/smb.conf"], None

    def start(self):
        super().start()
        self.lock_the_locked()
        return self

    def options(self):
        """Without groups of groups: Samba looks at each of its many groups for them, which takes a login seconds."""
        return {**super().options(), "group_filter": ""}

    def person_entry(self, person):
        values = {"userAccountControl": "512", "accountExpires": NEVER, **STATES.get(person.state, {})}
        addresses = [f"SMTP:{mail}" for mail in person.mails] + [f"smtp:{alias}" for alias in person.aliases]
        return ldif(self.dn(person), ("objectClass", "user"), ("sAMAccountName", person.uid), ("sn", person.uid),
                    ("userPrincipalName", f"{person.uid}@{self.realm}"), ("unicodePwd", quoted(person.password)),
                    *(("mail", mail) for mail in person.mails[:1]),
                    *(("proxyAddresses", address) for address in addresses),
                    *(("proxyAddresses", f"X500:/o=Example/cn={person.uid}") for _ in addresses[:1]),
                    *values.items())

    def group_entry(self, name, people=PEOPLE):
        return ldif(self.group_dn(name), ("objectClass", "group"), ("sAMAccountName", name.replace(",", "")),
                    *(("member", dn) for dn in self.members(name, people)))

    def set_password(self, person, password):
        new = base64.b64encode(quoted(password)).decode()
        self.modify(self.dn(person), f"replace: unicodePwd\nunicodePwd:: {new}\n")
