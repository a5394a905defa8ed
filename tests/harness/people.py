"""
Who is in each directory of the tests, whatever its kind: one person for each way in which people differ. A server adds
what its kind needs to hold them.
"""

import base64
import dataclasses

BIND_PASSWORD = "directory-Search-0815"  # of the account that searches
RANGE = 1600  # groups of one person: more than Active Directory gives in one piece


@dataclasses.dataclass(frozen=True)
class Person:
    """`state`: "", "disabled", "locked", "expired" or "must_change". `groups` holds names of groups."""

    uid: str
    mails: tuple
    aliases: tuple = ()
    groups: tuple = ()
    state: str = ""
    cn: str = ""  # what the entry is called; "": the uid

    @property
    def name(self):
        return self.cn or self.uid

    @property
    def password(self):
        return f"{self.uid.capitalize()}-Password-1"


def person(uid, **more):
    return Person(uid, **{"mails": (f"{uid}@example.com",), **more})


RANGE_GROUPS = tuple(f"range-{i:04}" for i in range(RANGE))

PEOPLE = (
    person("alice", groups=("staff",)),
    person("bob", groups=("staff", "Press, Radio")),
    person("dora", state="disabled"),
    person("lars", state="locked"),
    person("erik", state="expired"),
    person("mona", state="must_change"),
    person("nina", groups=("inner",)),
    person("rita", groups=RANGE_GROUPS),
    person("alan", aliases=("sales@example.com", "press@example.net")),
    person("meta", cn='Meta (the *odd*), "M" \\ <#1>; a=b+c'),
    person("o'neil(x)", mails=("oneil@example.com",)),
    person("nomail", mails=()),
    person("ida", mails=("ida@xn--bcher-kva.test",)),
    person("twin1", mails=("twin@example.com",)),
    person("twin2", mails=("twin@example.com",)),
)

# Their mail has several values, where the directory lets it.
SEVERAL = person("many", mails=("many@example.com", "many.more@example.com"))

# Groups, and the groups that they are members of themselves.
GROUPS = {"staff": (), "Press, Radio": (), "inner": ("outer",), "outer": (), **{name: () for name in RANGE_GROUPS}}


def escape_dn(value):
    """RFC 4514, section 2.4."""
    escaped = "".join(f"\\{c}" if c in '"+,;<>\\=' else c for c in value)
    return f"\\{escaped}" if escaped[:1] in ("#", " ") else escaped


def ldif(dn, *attributes):
    """An entry; `attributes` are pairs of a name and a value, a text or bytes; empty values are left out."""
    lines = [line("dn", dn)] + [line(name, value) for name, value in attributes if value]
    return "\n".join(lines) + "\n\n"


def line(name, value):
    data = value.encode() if isinstance(value, str) else value
    return f"{name}:: {base64.b64encode(data).decode()}"
