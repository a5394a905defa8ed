"""OpenLDAP with its password policy, and groups that say so at their members."""

import shutil
import subprocess

from .directory_server import DirectoryServer, program
from .people import BIND_PASSWORD, PEOPLE, SEVERAL, ldif
from .process import free_port

CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 2.16.840.1.113730.3.1.13 NAME 'mailAlternateAddress' EQUALITY caseIgnoreIA5Match
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
objectclass ( 2.16.840.1.113730.3.2.3 NAME 'mailRecipient' SUP top AUXILIARY MAY mailAlternateAddress )
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
moduleload memberof
pidfile {folder}/slapd.pid
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
disallow bind_anon
database mdb
suffix "{base}"
rootdn "{admin_dn}"
rootpw {admin_password}
directory {folder}/data
maxsize 67108864
index uid,mail,member,uniqueMember eq
overlay memberof
memberof-refint true
overlay ppolicy
ppolicy_default "cn=policy,{base}"
access to attrs=userPassword by anonymous auth by self write by * none
access to * by dn.exact="{bind_dn}" read by * none
limits dn.exact="{bind_dn}" size=unlimited
"""

STATES = {
    "disabled": (("pwdAccountLockedTime", "000001010000Z"),),
    "expired": (("pwdEndTime", "20200101000000Z"),),
    "must_change": (("pwdReset", "TRUE"),),
}


class OpenldapServer(DirectoryServer):
    KIND = "openldap"
    base = "dc=example,dc=com"
    bind_dn = f"cn=subgate,{base}"
    admin_dn = f"cn=admin,{base}"
    admin_password = "slapd-Admin-4711"

    @staticmethod
    def is_installed():
        return program("slapd") is not None

    def __init__(self, folder, authority):
        super().__init__(folder, authority)
        self.port, self.clear_port = free_port(), free_port()
        (self.folder / "data").mkdir(parents=True)
        certificate, key = authority.certificate("directory.example")
        self._config = self.folder / "slapd.conf"
        self._config.write_text(CONFIG.format(
            folder=self.folder, certificate=certificate, key=key, base=self.base, bind_dn=self.bind_dn,
            admin_dn=self.admin_dn, admin_password=self.admin_password))
        subprocess.run([program("slapadd"), "-q", "-f", self._config, "-b", self.base],
                       input=self._first_entries() + self.all_entries(PEOPLE + (SEVERAL,)) + self.referral_entry(),
                       text=True, check=True, capture_output=True)

    def _first_entries(self):
        return ldif(self.base, ("objectClass", "dcObject"), ("objectClass", "organization"), ("o", "Example"),
                    ("dc", "example")) + \
            ldif(self.bind_dn, ("objectClass", "organizationalRole"), ("objectClass", "simpleSecurityObject"),
                 ("cn", "subgate"), ("userPassword", BIND_PASSWORD)) + \
            ldif(f"cn=policy,{self.base}", ("objectClass", "device"), ("objectClass", "pwdPolicy"), ("cn", "policy"),
                 ("pwdAttribute", "userPassword"), ("pwdLockout", "TRUE"), ("pwdMaxFailure", str(self.ATTEMPTS)),
                 ("pwdLockoutDuration", "0"), ("pwdMustChange", "TRUE"))

    def command(self):
        return [program("slapd"), "-d", "0", "-h", f"{self.uri} {self.clear_uri}", "-f", self._config], None

    def start(self):
        super().start()
        self.lock_the_locked()
        return self

    def person_entry(self, person):
        return ldif(self.dn(person), ("objectClass", "inetOrgPerson"), ("objectClass", "mailRecipient"),
                    ("uid", person.uid), ("cn", person.name), ("sn", person.uid), ("userPassword", person.password),
                    *(("mail", mail) for mail in person.mails),
                    *(("mailAlternateAddress", alias) for alias in person.aliases),
                    *STATES.get(person.state, ()),
                    *(("memberOf", self.group_dn(name)) for name in person.groups if not self._process))

    def configure(self, change):
        """From its next start on its configuration is what `change` makes of it."""
        self._config.write_text(change(self._config.read_text()))

    def twin(self, folder):
        """A second server with a copy of the first one's data, as it is now."""
        twin = OpenldapServer.__new__(OpenldapServer)
        DirectoryServer.__init__(twin, folder, self.authority)
        twin.port, twin.clear_port = free_port(), free_port()
        (twin.folder / "data").mkdir(parents=True)
        twin._config = twin.folder / "slapd.conf"
        twin._config.write_text(self._config.read_text().replace(str(self.folder), str(twin.folder)))
        for file in (self.folder / "data").iterdir():
            shutil.copy(file, twin.folder / "data")
        return twin
