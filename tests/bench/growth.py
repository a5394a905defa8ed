#!/usr/bin/env python3
"""
Whether a message costs the same however much there is of everything else: connections that send at once, recipients,
bytes, users, relays. Prints a table for each, of CPU a message and memory; with names of tables as arguments only
those. Recipients come one by one, each a round trip to the upstream; those of envelopes in one piece. `make growth`
builds what it needs and runs it.
"""

import os
import pathlib
import resource
import sys
import tempfile
import typing

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1])]

from bench import Sink, Talker  # noqa: E402
from harness.certificates import Authority  # noqa: E402
from harness.measure import cpu_ms, memory_kib  # noqa: E402
from harness.process import wait_until  # noqa: E402
from harness.subgate import Subgate  # noqa: E402
from logins import line_of, make_password  # noqa: E402
from servers import SINK_NAME, Roles, SubgateServer  # noqa: E402

FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
UPSTREAM_CONNECTIONS = 50

LIMITS = """
limits { connections = 25000  connections_per_address = 25000  sessions_per_user = 0  transactions_per_user = 10000
         message_size = "40M"  spool = "4G" }
quota default { messages_per_day = 0  recipients_per_day = 0  messages_per_minute = 0 }
"""
RELAY = """
relay sink{number} {{
  host = "127.0.0.1"  port = {port}  ca_file = "{ca}"  tls_name = "{name}"  connections = {connections}
  user = "relay{number}@example.com"  password_file = "secrets/upstream"
}}
"""
ROUTE = 'route {title} {{ {users} relays = {{"sink{number}"}} }}\n'


class Case(typing.NamedTuple):
    label: str
    messages: int
    size: int = 4 << 10
    clients: int = 50
    recipients: int = 1
    users: int = 50   # known ones; as many as there are clients, at most, send
    relays: int = 1
    pipelined: bool = False


TABLES = {
    "connections": [Case(f"{n:,} connections that send at once", max(2 * n, 4000), clients=n, users=50)
                    for n in (50, 100, 1000, 2000, 8000, 20000)],
    "recipients": [Case(f"{n} recipients", 4000 // (n + 3), recipients=n) for n in (1, 10, 30, 100)],
    "envelopes": [Case(f"{n} recipients at once", max(200, 4000 // (n + 3)), recipients=n, pipelined=True)
                  for n in (1, 10, 30, 100)],
    "bytes": [Case(f"{size >> 10:,} KiB", max(8, min(4000, (200 << 20) // size)), size=size, clients=min(50, count))
              for size, count in ((1 << 10, 50), (64 << 10, 50), (1 << 20, 8), (10 << 20, 4), (35 << 20, 2))],
    "users": [Case(f"{n:,} users", 4000, users=n, clients=50) for n in (50, 1000, 10_000, 100_000)],
    "relays": [Case(f"{n} relays", 4000, relays=n, users=max(n, 50)) for n in (1, 20, 100, 500)],
}


class Growth:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.authority = Authority(self.folder / "tls")
        self.sink = Sink(self.authority)
        self.runs = 0

    def sections(self, case):
        text = LIMITS
        for number in range(case.relays):
            text += RELAY.format(number=number, port=self.sink.secure, ca=self.authority.ca, name=SINK_NAME,
                                 connections=max(2, UPSTREAM_CONNECTIONS // case.relays))
            if number:
                users = f'users = {{"user{number}@example.com"}}'
                text += ROUTE.format(title=f"r{number}", users=users, number=number)
        return text + ROUTE.format(title="default", users="", number=0)

    def start(self, case):
        self.runs += 1
        folder = self.folder / f"run{self.runs}"
        folder.mkdir()
        subgate = Subgate(folder / "subgate", self.authority, self.sections(case), {"upstream": "password"})
        passwords = [make_password() for _ in range(min(case.users, case.clients))]
        subgate.state.mkdir(parents=True, exist_ok=True)
        path = subgate.state / "app-passwords"
        with open(path, "w") as file:
            for n in range(case.users):
                password = passwords[n] if n < len(passwords) else "A" * 25
                file.write(line_of(n, f"user{n}@example.com", password) + "\n")
        path.chmod(0o600)
        subgate.start()
        users = folder / "users"
        users.write_text("".join(f"user{i % len(passwords)}@example.com {passwords[i % len(passwords)]}\n"
                                 for i in range(case.clients)))
        return subgate, users

    def send(self, load, case, count):
        before = self.sink.taken()
        load.ask(f"{count} {case.size} {case.clients} 1 {case.recipients} {int(case.pipelined)}")
        wait_until(lambda: self.sink.taken() - before >= count, lambda: f"{count} messages at the sink", 120)

    def measure(self, case):
        """CPU µs a message of each role, and their memory in MiB while all clients are there."""
        subgate, users = self.start(case)
        try:
            load = Talker("load", subgate.implicit, users)
            assert load.listen() == "ready"
            roles = Roles(SubgateServer.roles, subgate.pid)
            count = max(case.clients, case.messages)
            self.send(load, case, max(case.clients, count // 10))
            before = roles.each(cpu_ms)
            self.send(load, case, count)
            after = roles.each(cpu_ms)
            memory = roles.each(memory_kib)
            load.stop()
        finally:
            subgate.stop()
        return {role: 1000 * (after[role] - before[role]) / count for role in after}, memory

    def print_table(self, name):
        print(f"\n| {name} | CPU µs a message | gates | relay | redis | others | MiB |")
        print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
        for case in TABLES[name]:
            if case.clients + 100 > FILES:
                print(f"| {case.label}: ulimit -n is too low | | | | | | |")
                continue
            cpu, memory = self.measure(case)
            rest = cpu["auth"] + cpu["others"]
            print(f"| {case.label} | {sum(cpu.values()):.0f} | {cpu['gates']:.0f} | {cpu['relay']:.0f} | "
                  f"{cpu['redis']:.0f} | {rest:.0f} | {sum(memory.values()) / 1024:.0f} |", flush=True)


def main():
    names = sys.argv[1:] or list(TABLES)
    with tempfile.TemporaryDirectory(prefix="subgate-growth-") as folder:
        os.chmod(folder, 0o755)
        growth = Growth(folder)
        try:
            for name in names:
                growth.print_table(name)
        finally:
            growth.sink.stop()


if __name__ == "__main__":
    main()
