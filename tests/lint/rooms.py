#!/usr/bin/env python3
"""Who may include whom: the floors of the house, and the one room that knows each library.

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
    {"quota", "role"},
    {"gate", "relay", "auth", "admin"},
    {"supervise"},
]
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# Of what a child does before its loop, the roles know the contract alone.
CONTRACT = "role/role.h"
ROLES = {"gate", "relay", "auth", "admin"}

# Inside of auth, each folder includes itself and these files of auth's root, which include nothing else of auth.
AUTH_GROUND = {"auth/identity.h", "auth/jobs.h", "auth/name.h", "auth/verdict.h"}

# A third-party header and the rooms that may include it.
LIBRARIES = {
    r"ev\.h": {"net"},
    r"openssl/.*": {"net", "base"},  # base: digests and signatures only
    r"ldap\.h|lber\.h": {"auth"},
    r"hiredis/.*": {"redis"},
    r"confuse\.h": {"config"},
    r"jansson\.h": {"audit", "auth", "relay", "admin", "supervise"},
    r"ares\.h": {"net"},
    r"microhttpd\.h": {"admin"},
    r"seccomp\.h|linux/landlock\.h": {"role"},
    r"curl/.*|gsasl\.h": {"auth"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)


def room_of(path):
    parts = path.parts
    return "auth" if parts[0] == "auth" else parts[1]


def breaks_order_of_auth(path, name):
    """Whether a file of auth's ground or of one of its folders includes what stands above or beside it."""
    own = f"auth/{path.parts[1]}/"
    is_low = len(path.parts) > 2 or str(path.with_suffix(".h")) in AUTH_GROUND
    return is_low and name.startswith("auth/") and name not in AUTH_GROUND and not name.startswith(own)


def faults_in(path):
    room = room_of(path)
    if room not in FLOOR_OF:
        yield f"{path}: the room {room} stands on no floor; name it in tests/lint/rooms.py"
        return
    for quote, name in INCLUDE.findall(path.read_text()):
        other = name.split("/")[0]
        if quote == '"' and "/" not in name:
            yield f'{path}: "{name}" names no room; write "room/file.h"'
        elif quote == '"' and other in FLOOR_OF and other != room and FLOOR_OF[other] >= FLOOR_OF[room]:
            yield f"{path}: {room} includes {name}, which is not on a lower floor"
        elif quote == '"' and room == "auth" and breaks_order_of_auth(path, name):
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
