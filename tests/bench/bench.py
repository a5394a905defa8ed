#!/usr/bin/env python3
"""
CPU, system calls and memory a message, of each role of Subgate, with 50 kept client connections; and CPU of a Postfix
that does the same in the same run. Prints the tables of README.md. `make bench` builds what it needs and runs it.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import typing

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1])]

from harness.certificates import Authority  # noqa: E402
from harness.process import wait_until  # noqa: E402
from harness.subgate import BUILD, Subgate  # noqa: E402
from harness.measure import Trace, cpu_ms, family, memory_kib, title  # noqa: E402
from postfix import POSTFIX, Postfix  # noqa: E402

CONNECTIONS = 50
UPSTREAM_CONNECTIONS = 20
SINK_NAME = "sink.example"


class Run(typing.NamedTuple):
    name: str
    size: int  # bytes of a message
    busy: int  # connections that send; the others wait
    count: int  # messages measured
    traced: int  # messages under strace
    peer: int  # messages through Postfix


# All busy shows what is shared in one turn of a loop; one alone shows what a message costs when nothing is.
RUNS = [
    Run("2 KiB", 2 << 10, CONNECTIONS, 10000, 500, 2000),
    Run("100 KiB", 100 << 10, CONNECTIONS, 4000, 200, 1000),
    Run("2 KiB, one busy", 2 << 10, 1, 2000, 200, 500),
]
ROLES = ("gates", "auth", "relay", "redis", "others")
TRACED = ROLES[:-1]
NAMED_CALLS = 8  # the rest is "others"

SECTIONS = """
quota default {{ messages_per_day = 0  recipients_per_day = 0  messages_per_minute = 0 }}
relay sink {{
  host = "127.0.0.1"  port = {port}  ca_file = "{ca}"  tls_name = "{name}"  connections = {connections}
  user = "relay@example.com"  password_file = "secrets/upstream"
}}
"""


class Talker:
    """One of our C programs: a line in, a line out."""

    def __init__(self, name, *arguments):
        self._popen = subprocess.Popen([BUILD / "bench" / name, *map(str, arguments)], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)

    def listen(self):
        line = self._popen.stdout.readline()
        assert line, f"{self._popen.args[0]} ended with {self._popen.wait()}"
        return line.strip()

    def ask(self, line=""):
        self._popen.stdin.write(line + "\n")
        self._popen.stdin.flush()
        return self.listen()

    def stop(self):
        self._popen.stdin.close()
        self._popen.wait(20)


class Result(typing.NamedTuple):
    run: Run
    rate: float  # messages a second
    cpu: dict  # ms a message by role
    calls: dict  # a message, by role and name


class Roles:
    """Process ids of a running Subgate by role."""

    def __init__(self, subgate):
        self.pids = {}
        for pid in family(subgate.pid):
            self.pids.setdefault(self._role(title(pid)), []).append(pid)

    @staticmethod
    def _role(words):
        for role, mark in (("gates", "subgate: gate"), ("auth", "subgate: auth"), ("relay", "subgate: relay"),
                           ("redis", "subgate: redis")):
            if mark in words:
                return role
        return "others"

    def each(self, measure):
        return {role: measure(self.pids[role]) for role in ROLES}


class Bench:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.authority = Authority(self.folder / "tls")
        self.sink = Talker("sink", *self.authority.certificate(SINK_NAME))
        self.sink_port = int(self.sink.listen())

    def taken(self):
        return int(self.sink.ask())

    def send(self, load, run, count):
        """Sends and waits until the sink has it all; gives the seconds that the clients took."""
        before = self.taken()
        seconds = float(load.ask(f"{count} {run.size} {run.busy}"))
        wait_until(lambda: self.taken() - before >= count, lambda: f"{count} messages at the sink", 60)
        return seconds

    def clients(self, port, users):
        path = self.folder / "users"
        path.write_text("".join(f"{user} {password}\n" for user, password in users))
        load = Talker("load", port, path)
        assert load.listen() == "ready"
        return load

    # ---- Subgate

    def subgate(self):
        sections = SECTIONS.format(port=self.sink_port, ca=self.authority.ca, name=SINK_NAME,
                                   connections=UPSTREAM_CONNECTIONS)
        subgate = Subgate(self.folder / "subgate", self.authority, sections, {"upstream": "password"}).start()
        try:
            self.measure_subgate(subgate)
        finally:
            subgate.stop()

    def measure_subgate(self, subgate):
        names = [f"user{number}@example.com" for number in range(CONNECTIONS)]
        users = [(name, subgate.create_app_password(name)) for name in names]
        roles = Roles(subgate)
        idle = roles.each(memory_kib)
        load = self.clients(subgate.implicit, users)
        connected = roles.each(memory_kib)
        results = [Result(run, *self.cost(load, roles, run), self.calls(load, roles, run)) for run in RUNS]
        after = roles.each(memory_kib)
        load.stop()
        print_costs(results)
        print_calls(results)
        print_memory(idle, connected, after)

    def cost(self, load, roles, run):
        """(messages a second, {role: CPU ms a message})"""
        self.send(load, run, run.count // 10)
        before = roles.each(cpu_ms)
        seconds = self.send(load, run, run.count)
        after = roles.each(cpu_ms)
        return run.count / seconds, {role: (after[role] - before[role]) / run.count for role in after}

    def calls(self, load, roles, run):
        """{role: {system call: calls a message}}"""
        traces = {role: Trace(roles.pids[role], self.folder, role) for role in TRACED}
        for role, trace in traces.items():
            wait_until(trace.is_attached, f"strace to hold {role}")
        self.send(load, run, run.traced)
        counts = {role: trace.stop() for role, trace in traces.items()}
        return {role: {name: calls / run.traced for name, calls in counts[role].items()} for role in counts}

    # ---- Postfix

    def postfix(self):
        postfix = Postfix(self.folder / "postfix", self.authority, self.sink_port, SINK_NAME,
                          UPSTREAM_CONNECTIONS).start()
        try:
            self.measure_postfix(postfix)
        finally:
            postfix.stop()

    def measure_postfix(self, postfix):
        idle = memory_kib(family(postfix.pid))
        load = self.clients(postfix.port, [(f"user{number}@example.com", "") for number in range(CONNECTIONS)])
        connected = memory_kib(family(postfix.pid))
        print("| Postfix, all processes | CPU ms a message | messages/s taken |\n|---|---:|---:|")
        for run in RUNS:
            self.send(load, run, run.peer // 10)
            before = cpu_ms(family(postfix.pid))
            seconds = self.send(load, run, run.peer)
            cost = (cpu_ms(family(postfix.pid)) - before) / run.peer
            print(f"| {run.name} | {cost:.3f} | {run.peer / seconds:.0f} |")
        print(f"\nPostfix's memory (PSS): {idle} KiB idle, {connected} KiB with {CONNECTIONS} connections.")
        load.stop()


def print_costs(results):
    print(f"CPU ms a message, {CONNECTIONS} kept connections:\n")
    print("| Subgate | " + " | ".join(result.run.name for result in results) + " |")
    print("|---|" + "---:|" * len(results))
    for role in ROLES:
        print(f"| {role} | " + " | ".join(f"{result.cpu[role]:.3f}" for result in results) + " |")
    print("| **all** | " + " | ".join(f"**{sum(result.cpu.values()):.3f}**" for result in results) + " |")
    print("| messages/s | " + " | ".join(f"{result.rate:.0f}" for result in results) + " |\n")


def print_calls(results):
    print("System calls a message (strace -c -f, in a pass of its own):\n")
    print("| role | run | all | by name |\n|---|---|---:|---|")
    for result in results:
        for role, counts in result.calls.items():
            named = sorted(counts.items(), key=lambda item: -item[1])[:NAMED_CALLS]
            rest = sum(counts.values()) - sum(count for _, count in named)
            words = [f"{name} {count:.2f}" for name, count in named] + ([f"others {rest:.2f}"] if rest > 0.005 else [])
            print(f"| {role} | {result.run.name} | {sum(counts.values()):.1f} | {', '.join(words)} |")
    print()


def print_memory(idle, connected, after):
    print(f"Memory (PSS), KiB:\n\n| role | idle | {CONNECTIONS} connections | after the runs |\n|---|---:|---:|---:|")
    for role in idle:
        print(f"| {role} | {idle[role]} | {connected[role]} | {after[role]} |")
    print()


def main():
    with tempfile.TemporaryDirectory(prefix="subgate-bench-") as folder:
        os.chmod(folder, 0o755)
        bench = Bench(folder)
        try:
            bench.subgate()
            if POSTFIX and os.getuid() == 0 and "--no-peer" not in sys.argv:
                bench.postfix()
            else:
                print("Postfix is not compared (it needs root and its package).")
        finally:
            bench.sink.stop()


if __name__ == "__main__":
    main()
