"""
A directory of any kind that holds the people of people.py: what tests ask of it, and what its kinds have in common.
A kind says how it is prepared, which entries it makes of people, and what configures Subgate for it.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess

from .people import BIND_PASSWORD, GROUPS, PEOPLE, escape_dn, ldif
from .process import Process, is_listening, wait_until

PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"


def program(name):
    return shutil.which(name, path=PATH)


class DirectoryServer:
    """
    `uri` is its ldaps address, `clear_uri` the one for StartTLS. Its certificate is of `authority`. change() and what
    stands on it work while it runs; who uses them puts things back, as the server is shared by tests.
    """

    KIND = ""  # the profile of that name
    ATTEMPTS = 10  # wrong passwords lock an account
    host = "127.0.0.1"
    admin_dn = admin_password = ""

    def __init__(self, folder, authority):
        self.folder = pathlib.Path(folder)
        self.authority = authority
        self.elsewhere = socket.create_server(("127.0.0.1", 0))  # where the referral below `base` leads to
        self.elsewhere.setblocking(False)
        self._process = None

    # What a kind says

    @staticmethod
    def is_installed():
        raise NotImplementedError

    def command(self):
        """(arguments that start it in the foreground, environment)"""
        raise NotImplementedError

    def person_entry(self, person):
        """LDIF of a new entry."""
        raise NotImplementedError

    def options(self):
        """The options of an ldap section for it: its profile sets the rest."""
        return {"profile": self.KIND, "uri": [self.uri], "ca_file": str(self.authority.ca), "timeout": "30s",
                "bind_dn": self.bind_dn, "bind_password_file": "secrets/ldap", "base": self.people_dn}

    # Names

    @property
    def uri(self):
        return f"ldaps://{self.host}:{self.port}"

    @property
    def clear_uri(self):
        return f"ldap://{self.host}:{self.clear_port}"

    @property
    def people_dn(self):
        return f"ou=people,{self.base}"

    def dn(self, person):
        return f"cn={escape_dn(person.name)},{self.people_dn}"

    def group_dn(self, name):
        return f"cn={escape_dn(name)},ou=groups,{self.base}"

    def section(self, name="corp", **changes):
        """The ldap section for it, with these options put in or changed; its password is in secrets/ldap."""
        def value(item):
            if isinstance(item, (list, tuple)):
                return "{" + ", ".join(map(value, item)) + "}"
            if isinstance(item, bool):
                return str(item).lower()
            return str(item) if isinstance(item, int) else '"' + str(item).replace("\\", "\\\\") + '"'

        lines = "".join(f"  {key} = {value(item)}\n" for key, item in {**self.options(), **changes}.items())
        return f"ldap {name} {{\n{lines}}}\n"

    # Entries

    def all_entries(self, people=PEOPLE):
        """LDIF of the units, the people and the groups."""
        text = "".join(ldif(f"ou={unit},{self.base}", ("objectClass", "organizationalUnit"), ("ou", unit))
                       for unit in ("people", "groups"))
        text += "".join(self.person_entry(person) for person in people)
        return text + "".join(self.group_entry(name, people) for name in GROUPS)

    def referral_entry(self):
        host, port = self.elsewhere.getsockname()
        return ldif(f"ou=elsewhere,{self.base}", ("objectClass", "referral"), ("objectClass", "extensibleObject"),
                    ("ou", "elsewhere"), ("ref", f"ldap://{host}:{port}/ou=elsewhere,dc=example,dc=org"))

    def members(self, name, people=PEOPLE):
        """DNs of the members of a group, people and groups."""
        return ([self.dn(person) for person in people if name in person.groups]
                + [self.group_dn(inner) for inner, outers in GROUPS.items() if name in outers])

    def all_groups(self, person):
        """Names of the groups that hold a person, also by way of other groups."""
        names = list(person.groups)
        for name in names:
            names += [outer for outer in GROUPS[name] if outer not in names]
        return names

    def group_entry(self, name, people=PEOPLE):
        members = self.members(name, people) or [self.bind_dn]
        return ldif(self.group_dn(name), ("objectClass", "groupOfNames"), ("cn", name),
                    *(("member", dn) for dn in members))

    # While it runs

    def start(self):
        arguments, env = self.command()
        self._process = Process(arguments, self.folder / "output.log", env=env)
        wait_until(self._is_ready, lambda: f"{arguments[0]}: {self._process.output}", seconds=120)
        return self

    def _is_ready(self):
        assert self._process.is_running(), self._process.output
        return is_listening(self.port, self.host) and is_listening(self.clear_port, self.host)

    def stop(self):
        if self._process:
            self._process.stop()
        self._process = None

    def kill(self):
        self._process.signal(signal.SIGKILL)
        self._process.popen.wait()
        self._process = None

    def freeze(self):
        self._process.signal(signal.SIGSTOP)

    def thaw(self):
        self._process.signal(signal.SIGCONT)

    def _run(self, tool, dn, password, *arguments, text=None):
        return subprocess.run([program(tool), "-x", "-H", self.uri, "-D", dn, "-w", password, *arguments], text=True,
                              input=text, capture_output=True, env={**os.environ, "LDAPTLS_CACERT": self.authority.ca})

    def change(self, text):
        """LDIF of changes, done by its administrator."""
        done = self._run("ldapmodify", self.admin_dn, self.admin_password, text=text)
        assert done.returncode == 0, f"{done.stderr}\n{text}"

    def add(self, person):
        self.change(self.person_entry(person).replace("\n", "\nchangetype: add\n", 1))
        for name in person.groups:
            self.modify(self.group_dn(name), f"add: member\nmember: {self.dn(person)}")

    def modify(self, dn, lines):
        self.change(f"dn: {dn}\nchangetype: modify\n{lines}\n")

    def delete(self, person):
        self.change(f"dn: {self.dn(person)}\nchangetype: delete\n")

    def set_password(self, person, password):
        """The person changes it: what an administrator sets, its owner would have to change first."""
        done = self._run("ldapmodify", self.dn(person), person.password, text=(
            f"dn: {self.dn(person)}\nchangetype: modify\nreplace: userPassword\nuserPassword: {password}\n"))
        assert done.returncode == 0, done.stderr

    def binds(self, person, password):
        """Whether the directory itself takes this password."""
        told = self._run("ldapsearch", self.dn(person), password, "-s", "base", "-b", "").stderr
        return "bind" not in told

    def has_visitors_elsewhere(self):
        """Whether somebody followed the referral."""
        try:
            self.elsewhere.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def lock(self, person):
        """Tries wrong passwords until the directory locks the account."""
        for number in range(self.ATTEMPTS):
            assert not self.binds(person, f"wrong-{number}")
        assert not self.binds(person, person.password), f"{person.uid} is not locked"

    def lock_the_locked(self, people=PEOPLE):
        for person in people:
            if person.state == "locked":
                self.lock(person)

    def read(self, filter_, *attributes):
        """What the searching account sees, as LDIF."""
        return self._run("ldapsearch", self.bind_dn, BIND_PASSWORD, "-LLL", "-o", "ldif-wrap=no", "-b", self.base,
                         filter_, *attributes).stdout
