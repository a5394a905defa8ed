#!/usr/bin/env python3
"""
How long refusals of a login take, by why it is refused: many clients at once, with all reasons among them in random
order, several times, at OpenLDAP and 389 Directory Server. Prints medians, 95th percentiles, and how many came a second
or more after the median; none of them must differ by the reason.
"""

import base64
import concurrent.futures
import pathlib
import random
import statistics
import sys
import tempfile
import threading
import time

sys.path[:0] = [str(pathlib.Path(__file__).parents[1])]

from harness.certificates import Authority  # noqa: E402
from harness.client import connect  # noqa: E402
from harness.ds389_server import Ds389Server  # noqa: E402
from harness.openldap_server import OpenldapServer  # noqa: E402
from harness.people import BIND_PASSWORD, PEOPLE, person  # noqa: E402
from harness.subgate import Subgate  # noqa: E402

AT_ONCE = 60
ROUNDS = 8
LIMITS = 'auth { backends = {"app_password", "ldap"}  failures_per_address = 0 }\n'
LOCKED = next(one for one in PEOPLE if one.state == "locked")


def refuse(subgate, login, start):
    """Milliseconds from AUTH to its reply, and the reply."""
    user, password = login
    plain = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
    with connect(subgate, timeout=120) as client:
        client.ehlo()
        start.wait()
        began = time.monotonic()
        reply = client.docmd("AUTH", f"PLAIN {plain}")
        return (time.monotonic() - began) * 1000, reply


def measure(subgate, logins):
    start = threading.Barrier(len(logins))
    with concurrent.futures.ThreadPoolExecutor(len(logins)) as pool:
        return list(pool.map(lambda login: refuse(subgate, login, start), logins))


def logins_of(subgate, people, number):
    """Those of a round, in random order: the reason, and the login."""
    secret = subgate.create_app_password("alice@example.com")
    share = range(AT_ONCE // 4)
    logins = [("unknown", (f"nobody{number}-{i}", "a wrong one")) for i in share] + \
        [("wrong", (people[i].uid, f"wrong {number}")) for i in share] + \
        [("locked", (LOCKED.uid, f"wrong {number} {i}")) for i in share] + \
        [("app-password-shaped", (people[-1 - i].uid, secret)) for i in share]
    random.shuffle(logins)
    return logins


def run(kind, folder, authority):
    directory = kind(folder / kind.KIND, authority).start()
    people = [person(f"person{i}") for i in range(AT_ONCE)]
    for one in people:
        directory.add(one)
    sections = directory.section() + LIMITS + 'relay none { host = "127.0.0.1"  auth = "none"  tls = "none" }\n'
    subgate = Subgate(folder / f"subgate-{kind.KIND}", authority, sections, {"ldap": BIND_PASSWORD}).start()
    took, texts = {}, set()
    for number in range(ROUNDS):
        reasons, logins = zip(*logins_of(subgate, people, number))
        for reason, (milliseconds, reply) in zip(reasons, measure(subgate, logins)):
            took.setdefault(reason, []).append(milliseconds)
            texts.add(reply)
    for reason, all_of_it in sorted(took.items()):
        median = statistics.median(all_of_it)
        late = sum(one >= median + 1000 for one in all_of_it)
        print(f"| {kind.KIND} | {reason} | {median:.0f} | {statistics.quantiles(all_of_it, n=20)[-1]:.0f} | {late} |")
    print(sorted(texts))
    subgate.stop()
    directory.stop()


def main():
    print(f"{AT_ONCE} at once, {ROUNDS} times\n\n| directory | reason | median, ms | 95th percentile, ms | late |\n"
          "|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        authority = Authority(pathlib.Path(folder) / "tls")
        for kind in (OpenldapServer, Ds389Server):
            if kind.is_installed():
                run(kind, pathlib.Path(folder), authority)


if __name__ == "__main__":
    main()
