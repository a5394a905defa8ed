#!/usr/bin/env python3
"""
What a login by app password costs, of each role, among 200,000 passwords; how long those take to be read, and the
memory they take. `make logins` runs it.
"""

import hashlib
import json
import os
import pathlib
import secrets
import subprocess
import sys
import tempfile
import time

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1])]

from harness.certificates import Authority  # noqa: E402
from harness.measure import cpu_ms, memory_kib  # noqa: E402
from harness.subgate import BUILD, Subgate  # noqa: E402
from servers import Roles, SubgateServer  # noqa: E402

PASSWORDS = 200_000
USERS = 20
LOGINS = 5000
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
SECTIONS = """
limits {{ connections_per_address = 1000 }}
relay none {{ host = "127.0.0.1"  port = 9  tls = "none"  auth = "none" }}
"""


def make_password():
    """Normal, with its checksum."""
    digits = "".join(secrets.choice(ALPHABET) for _ in range(23))
    total = 1
    for digit in digits:
        total = (total * 32 + ALPHABET.index(digit)) % 1021
    return digits + ALPHABET[total // 32] + ALPHABET[total % 32]


def line_of(number, user, password):
    salt = secrets.token_bytes(16)
    return json.dumps({"v": 2, "op": "create", "id": f"N{number}", "owner": f"name:{user}", "user": user,
                       "label": f"phone {number}", "salt": salt.hex(),
                       "hash": hashlib.sha256(salt + password.encode()).hexdigest(), "iterations": 4096,
                       "stored": secrets.token_hex(32), "server": secrets.token_hex(32), "created": 1700000000})


def fill(path, known):
    with open(path, "w") as file:
        for number in range(PASSWORDS):
            user = f"user{number}@example.com"
            file.write(line_of(number, user, known.get(user) or "A" * 25) + "\n")
    path.chmod(0o600)


def roles_of(subgate):
    return Roles(SubgateServer.roles, subgate.pid)


def measure(subgate, users):
    roles = roles_of(subgate)
    before = roles.each(cpu_ms)
    seconds = float(subprocess.run([BUILD / "bench" / "logins", str(subgate.implicit), users, str(LOGINS)], check=True,
                                   capture_output=True, text=True).stdout)
    after = roles.each(cpu_ms)
    print(f"\n{LOGINS} logins by app password, {LOGINS / seconds:.0f} a second on this machine:\n")
    print("| role | CPU ms a login | of one core at 1,000 a second |\n|---|---:|---:|")
    for role in after:
        cost = (after[role] - before[role]) / LOGINS
        print(f"| {role} | {cost:.3f} | {cost * 100:.0f} % |")
    print(f"\nauth with {PASSWORDS:,} passwords: {memory_kib(roles.pids()['auth']) / 1024:.0f} MiB")


def main():
    with tempfile.TemporaryDirectory(prefix="logins-") as folder:
        folder = pathlib.Path(folder)
        known = {f"user{number * 1000}@example.com": make_password() for number in range(USERS)}
        users = folder / "users"
        users.write_text("".join(f"{user} {password}\n" for user, password in known.items()))
        subgate = Subgate(folder / "subgate", Authority(folder / "tls"), SECTIONS.format(), {"upstream": "password"})
        subgate.start()
        try:
            print(f"auth with no passwords: {memory_kib(roles_of(subgate).pids()['auth']) / 1024:.0f} MiB")
            fill(subgate.state / "app-passwords.new", known)
            os.rename(subgate.state / "app-passwords.new", subgate.state / "app-passwords")
            began = time.monotonic()
            subgate.ctl("reload")
            print(f"reload with {PASSWORDS:,}: {time.monotonic() - began:.2f} s")
            measure(subgate, users)
        finally:
            subgate.stop()


if __name__ == "__main__":
    main()
