#!/usr/bin/env python3
"""Who may include whom: the floors of the house, and the one room that knows each library; and who may read JSON.

A room includes itself and rooms on lower floors. Rooms of one floor don't include each other.
"""

import pathlib
import re
import sys

FLOORS = [
    {"base"},
    {"smtp", "config"},
    {"stats"},
    {"net"},
    {"door", "redis", "audit"},
    {"quota", "role", "export", "setup"},
    {"gate", "relay", "auth", "admin", "console"},
    {"supervise"},
]
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# Of what a child does before its loop, the roles know the contract alone.
CONTRACT = "role/role.h"
# Elsewhere, jansson's own readers would lose bytes unseen when memory runs out.
JSON_READER = "proxy/base/json_text.c"
NAKED_JSON = re.compile(r"\bjson_load\w*\s*\(")
ROLES = {"gate", "relay", "auth", "admin", "console"}

# Inside of auth, each folder includes itself and these files of auth's root, which include nothing else of auth.
# Above them are auth's other files, and above those the folder of administrators' commands.
AUTH_GROUND = {"auth/form.h", "auth/identity.h", "auth/seal.h", "auth/verdict.h"}
AUTH_ABOVE = {"control"}
AUTH_ABOVE_FOR = {"auth/auth.c", "auth/relay_door.c"}  # who makes it, and who brings it the commands

# A third-party header and the rooms that may include it.
LIBRARIES = {
    r"ev\.h": {"net"},
    r"(zlib|zstd|zstd_errors)\.h": {"audit"},
    r"idn2\.h|uni(case|ctype|gbrk|norm|str|width)\.h": {"base"},
    r"openssl/.*": {"net", "base"},  # base: digests and signatures only
    r"ldap\.h|lber\.h|resolv\.h|arpa/nameser\.h": {"auth"},
    r"hiredis/.*": {"redis"},
    r"confuse\.h": {"config"},
    r"jansson\.h": {"base", "audit", "export", "auth", "relay", "admin", "console", "setup", "supervise"},
    r"ares\.h": {"net"},
    r"microhttpd\.h": {"admin", "console"},
    r"gnutls/.*": {"console"},
    r"seccomp\.h|linux/landlock\.h": {"role"},
    r"curl/.*": {"net"},
    r"cjose/.*": {"auth"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)


def room_of(path):
    parts = path.parts
    return "auth" if parts[0] == "auth" else parts[1]


def breaks_order_of_auth(path, name):
    """Whether a file of auth includes what stands above or beside it."""
    own = f"auth/{path.parts[1]}/"
    if path.parts[1] in AUTH_ABOVE:
        return False
    if name.split("/")[1] in AUTH_ABOVE:
        return str(path) not in AUTH_ABOVE_FOR
    is_low = len(path.parts) > 2 or str(path.with_suffix(".h")) in AUTH_GROUND
    return is_low and name.startswith("auth/") and name not in AUTH_GROUND and not name.startswith(own)


def faults_in(path):
    room = room_of(path)
    if room not in FLOOR_OF:
        yield f"{path}: the room {room} stands on no floor; name it in tests/lint/rooms.py"
        return
    text = path.read_text()
    if str(path) != JSON_READER and NAKED_JSON.search(text):
        yield f"{path}: reads JSON by jansson itself; json_read and json_parse notice lost bytes (base/json_text.h)"
    for quote, name in INCLUDE.findall(text):
        other = name.split("/")[0]
        if quote == '"' and "/" not in name:
            yield f'{path}: "{name}" names no room; write "room/file.h"'
        elif quote == '"' and other in FLOOR_OF and other != room and FLOOR_OF[other] >= FLOOR_OF[room]:
            yield f"{path}: {room} includes {name}, which is not on a lower floor"
        elif quote == '"' and room == other == "auth" and breaks_order_of_auth(path, name):
            yield f"{path}: includes {name}, which stands above or beside it in auth"
        elif quote == '"' and other == "role" and room in ROLES and name != CONTRACT:
            yield f"{path}: {room} includes {name}; of that room only {CONTRACT} is for roles"
        for library, rooms in LIBRARIES.items():
            if quote == "<" and re.fullmatch(library, name) and room not in rooms:
                yield f"{path}: <{name}> belongs to {', '.join(sorted(rooms))}"


def main():
    root = pathlib.Path(".")
    files = [p for top in ("proxy", "auth") for p in sorted(root.glob(f"{top}/**/*.[ch]"))]
    faults = [fault for path in files for fault in faults_in(path)]
    for fault in faults:
        print(fault)
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
