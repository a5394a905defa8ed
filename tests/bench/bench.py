#!/usr/bin/env python3
"""
What a message, a session and an idle client cost with Subgate, and in turns in the same run with nginx's mail proxy and
Dovecot's submission service. Prints the tables of README.md. `make bench` builds what it needs and runs it; `--quick`
does less of everything.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
import typing
from statistics import median

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1])]

from harness.certificates import Authority  # noqa: E402
from harness.measure import Trace, cpu_ms, family, memory_kib, switches, times_ms  # noqa: E402
from harness.process import wait_until  # noqa: E402
from harness.subgate import BUILD  # noqa: E402
from servers import SERVERS, SINK_NAME, USERS, Roles  # noqa: E402

QUICK = "--quick" in sys.argv
TURNS = 2 if QUICK else 5
SHARE = 8 if QUICK else 1  # of the messages, one of so many is sent
REST_S = 5  # before their memory is measured, idle clients have been idle for so long
NAMED_CALLS = 8  # the rest is "others"
DIRECT = "direct"  # clients and sink alone: the floor of what can be seen here
OURS, FIRST_PEER = SERVERS[0].name, SERVERS[1].name


class Job(typing.NamedTuple):
    name: str
    size: int    # bytes of a message
    busy: int    # clients that send
    kept: bool   # over the connection that each has, or over a new one for each message
    count: int   # messages measured
    light: int   # so many times more with nginx, whose CPU is small beside a clock tick
    traced: int  # messages under strace; 0: none

    def messages(self, server):
        return max(self.busy, self.count // SHARE) * (self.light if server == FIRST_PEER else 1)


KEPT = Job("50 kept connections", 4 << 10, USERS, True, 8000, 4, 1000)
SESSIONS = Job("one message a session", 4 << 10, 20, False, 1500, 1, 0)
LARGE = Job("10 MiB", 10 << 20, 4, True, 25, 3, 0)
ALONE = Job("one client, message after message", 4 << 10, 1, True, 1000, 6, 300)
JOBS = [KEPT, SESSIONS, LARGE, ALONE]


class Sample(typing.NamedTuple):
    cpu_us: float  # of a message
    rate: float    # messages a second
    p50_ms: float


class Row(typing.NamedTuple):
    name: str
    job: typing.Optional[Job]  # None: the idle clients
    value: typing.Callable     # of a Sample
    digits: int
    has_floor: bool = False    # whether clients and sink alone have one


ROWS = [
    Row("50 kept connections: CPU µs a message", KEPT, lambda sample: sample.cpu_us, 0),
    Row("… messages a second", KEPT, lambda sample: sample.rate, 0, True),
    Row("one message a session: CPU µs", SESSIONS, lambda sample: sample.cpu_us, 0),
    Row("10 MiB: CPU ms a MiB", LARGE, lambda sample: sample.cpu_us / 1000 / (LARGE.size >> 20), 2),
    Row("one client, message after message: p50 ms", ALONE, lambda sample: sample.p50_ms, 3, True),
    Row("… CPU µs a message", ALONE, lambda sample: sample.cpu_us, 0),
    Row("idle authenticated client, KiB PSS", None, lambda kib: kib, 1),
]


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
        self._popen.wait(60)


class Sink(Talker):
    def __init__(self, authority):
        super().__init__("sink", *authority.certificate(SINK_NAME))
        self.secure, self.plain = map(int, self.listen().split())

    def taken(self):
        return int(self.ask())


class Direct:
    """The sink, as if it were a server: what clients and sink take for themselves."""

    name = DIRECT
    users = [(f"user{number}@example.com", "password") for number in range(USERS)]

    def __init__(self, sink):
        self.port, self.pid = sink.secure, None


class Bench:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.authority = Authority(self.folder / "tls")
        self.sink = Sink(self.authority)
        self.samples = {}  # (job's name or None, server's name): one a turn
        self.details = {}  # (job's name, server's name): {role: what a message takes}, of the last turn

    def clients(self, server, count):
        path = self.folder / "users"
        path.write_text("".join("{} {}\n".format(*server.users[i % len(server.users)]) for i in range(count)))
        load = Talker("load", server.port, path)
        assert load.listen() == "ready"
        return load

    def send(self, load, job, count):
        """(seconds, p50 ms); the sink has it all by then."""
        before = self.sink.taken()
        answer = load.ask(f"{count} {job.size} {job.busy} {int(job.kept)} 1 0")
        wait_until(lambda: self.sink.taken() - before >= count, lambda: f"{count} messages at the sink", 60)
        return map(float, answer.split())

    # ---- one job, one server

    def measure(self, job, server):
        load = self.clients(server, job.busy)
        count = job.messages(server.name)
        self.send(load, job, max(job.busy, count // 10))
        before = cpu_ms(family(server.pid)) if server.pid else 0
        seconds, p50_ms = self.send(load, job, count)
        cpu = cpu_ms(family(server.pid)) - before if server.pid else 0
        load.stop()
        self.note(job.name, server.name, Sample(1000 * cpu / count, count / seconds, p50_ms))

    def measure_idle(self, server):
        """First of all, as memory that was freed hides what is taken."""
        count = server.idle_clients // 4 if QUICK else server.idle_clients
        self.clients(server, 2).stop()
        before = memory_kib(family(server.pid))
        load = self.clients(server, count)
        time.sleep(REST_S)
        kib = (memory_kib(family(server.pid)) - before) / count
        load.stop()
        self.note(None, server.name, kib)

    def note(self, job, server, sample):
        self.samples.setdefault((job, server), []).append(sample)

    # ---- by process

    def measure_details(self, job, server):
        """User and system µs, context switches and system calls a message, of each role."""
        load, roles, count = self.clients(server, job.busy), Roles(server.roles, server.pid), job.messages(server.name)
        self.send(load, job, max(job.busy, count // 10))
        before, switched = roles.each(times_ms), roles.each(switches)
        self.send(load, job, count)
        after, switched_after = roles.each(times_ms), roles.each(switches)
        calls = self.trace(load, job, roles)
        load.stop()
        self.details[job.name, server.name] = {role: {
            "user": 1000 * (after[role][0] - before[role][0]) / count,
            "system": 1000 * (after[role][1] - before[role][1]) / count,
            "switches": (switched_after[role] - switched[role]) / count,
            "calls": calls[role],
        } for role in after}

    def trace(self, load, job, roles):
        """{role: {system call: calls a message}}, in a pass of its own, as strace slows what it looks at."""
        pids = {role: pids for role, pids in roles.pids().items() if pids}
        traces = {role: Trace(pids[role], self.folder, role) for role in pids}
        for role, trace in traces.items():
            wait_until(trace.is_attached, f"strace to hold {role}")
        self.send(load, job, job.traced // SHARE)
        counts = {role: trace.stop() for role, trace in traces.items()}
        return {role: {name: calls / (job.traced // SHARE) for name, calls in counts.get(role, {}).items()}
                for role in roles.pids()}

    # ---- turns

    def turn(self, number, is_last):
        folder = self.folder / f"turn{number}"
        folder.mkdir()
        servers = []
        try:
            for kind in SERVERS:
                servers.append(kind(folder, self.authority, self.sink).start())
            for server in servers:
                self.measure_idle(server)
            for job in JOBS:
                for server in servers:
                    self.measure(job, server)
                self.measure(job, Direct(self.sink))
            for job in [job for job in JOBS if is_last and job.traced]:
                for server in servers:
                    self.measure_details(job, server)
        finally:
            for server in servers:
                server.stop()

    def run(self):
        for number in range(TURNS):
            print(f"turn {number + 1} of {TURNS}", file=sys.stderr, flush=True)
            self.turn(number, number == TURNS - 1)

    # ---- tables

    def values(self, row, server):
        return [row.value(sample) for sample in self.samples[row.job and row.job.name, server]]

    def ratio(self, row, peer):
        """Median, and the least and the greatest of the turns."""
        ratios = sorted(ours / theirs for ours, theirs in zip(self.values(row, OURS), self.values(row, peer)))
        return f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"

    def print_table(self):
        names = [kind.name for kind in SERVERS]
        print("| job | " + " | ".join(names) + f" | {DIRECT} | " +
              " | ".join(f"{OURS} : {peer}" for peer in names[1:]) + " |")
        print("|---|" + "---:|" * (2 * len(names)))
        for row in ROWS:
            cells = [f"{median(self.values(row, name)):.{row.digits}f}" for name in names]
            cells.append(f"{median(self.values(row, DIRECT)):.{row.digits}f}" if row.has_floor else "")
            print(f"| {row.name} | " + " | ".join(cells + [self.ratio(row, peer) for peer in names[1:]]) + " |")

    def print_details(self):
        print("\n| job | server | process | CPU µs, user + system | context switches | system calls | by name |")
        print("|---|---|---|---:|---:|---:|---|")
        for (job, server), roles in self.details.items():
            for role, detail in roles.items():
                named = sorted(detail["calls"].items(), key=lambda item: -item[1])
                rest = sum(count for _, count in named[NAMED_CALLS:])
                words = [f"{name} {count:.2f}" for name, count in named[:NAMED_CALLS] if count >= 0.005]
                words += [f"others {rest:.2f}"] if rest >= 0.005 else []
                print(f"| {job} | {server} | {role} | {detail['user']:.0f} + {detail['system']:.0f} | "
                      f"{detail['switches']:.2f} | {sum(detail['calls'].values()):.1f} | {', '.join(words)} |")


def main():
    assert os.getuid() == 0, "the benchmark wants to be root, for strace and for Dovecot"
    with tempfile.TemporaryDirectory(prefix="subgate-bench-") as folder:
        os.chmod(folder, 0o755)
        bench = Bench(folder)
        try:
            bench.run()
        finally:
            bench.sink.stop()
        bench.print_table()
        bench.print_details()


if __name__ == "__main__":
    main()
