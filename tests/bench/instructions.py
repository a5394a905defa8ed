#!/usr/bin/env python3
"""
Instructions of one message's way through the gate and through the relay, and of a session's in a gate, counted by
callgrind, held to those that are kept in instructions.txt: more than 3 % more is a failure, and the rooms show where.
`make instructions` builds what it needs and runs it; with --record the figures are kept, for this compiler and this
Debian.

The gate is that of fuzz_gate, the relay the whole role of the simulation where nothing goes wrong, so no clock, kernel
or other process changes the count by more than 0.1 %. What counts is our own code, and what libraries do when it calls
them, but for OpenSSL: signatures would hide the rest. What the played neighbours do is not in it, nor is the judgement
after the simulation. A message is the difference of two runs of which one has more messages: of the relay, in the same
time with more clients, so that what each second costs is in both.

A session's gate is a whole one, with real sockets and real TLS (sessions.c), so OpenSSL is most of it. Which of its
code for which processor is taken is told to OpenSSL, as valgrind knows fewer of them than processors have.
"""

import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from harness.subgate import BUILD  # noqa: E402

BASELINES = pathlib.Path(__file__).parent / "instructions.txt"
TOLERANCE = 1.03
ROOM = re.compile(r"(?:^|/)((?:proxy/\w+|auth))/[^/]*(?:/[^/]*)?\.[ch]$")
JUDGE = re.compile(r"/json_text\.c$")  # jansson's memory: the simulation reads the audit as it grows
LEFT_OUT = re.compile(r"/lib(?:crypto|ssl)\.so")
OURS = "subgate"  # beside libraries, which would hide what it takes more
LIBRARIES = {"libcrypto": "openssl", "libssl": "openssl", "libc": "libc", "libev": "libev"}
PROCESSOR = "0x0602020207808000:0"  # OPENSSL_ia32cap: SSE2 to SSSE3, AES and PCLMUL
PLAYED = re.compile(r"(?:^|/)tests/\w+/[^/]*\.[ch]$")

LOGIN = "cEHLO pc.local\r\nAUTH PLAIN good\r\n"
HEADER = "From: alice@example.com\r\nTo: bob@example.net\r\nSubject: A message\r\nMessage-ID: <1@pc.local>\r\n" \
         "Date: Mon, 23 Nov 2026 08:00:00 +0000\r\n\r\n"
MESSAGE = ["cMAIL FROM:<alice@example.com>\r\n", "cRCPT TO:<bob@example.net>\r\n", "cDATA\r\n",
           "c" + HEADER + 4 * ("x" * 76 + "\r\n") + ".\r\n"]


class Profile:
    """What callgrind wrote: functions with their files, what each takes itself, and what its calls take."""

    def __init__(self, path):
        self._names = {"file": {}, "function": {}, "object": {}}
        self.own = collections.Counter()    # by (file, function)
        self.calls = collections.Counter()  # by (caller, callee), each as above
        self._objects = collections.Counter()
        self._read(path)

    def _name(self, kind, text):
        number, _, name = text.partition(" ")
        if name:
            self._names[kind][number] = name
        return self._names[kind][number]

    def _read(self, path):
        file = callee_file = caller = callee = own_object = called_object = None
        is_call = False
        for line in path.read_text().splitlines():
            key, _, value = line.partition("=")
            if key in ("fl", "fi", "fe"):  # the last two within a function, for what was inlined
                file = self._name("file", value)
            elif key == "ob":
                own_object = self._name("object", value)
            elif key == "cob":
                called_object = self._name("object", value)
            elif key in ("cfi", "cfl"):
                callee_file = self._name("file", value)
            elif key == "fn":
                caller, callee_file = (file, self._name("function", value)), None
            elif key == "cfn":
                callee = (callee_file or file, self._name("function", value))
            elif key == "calls":
                is_call = True
            elif re.match(r"[-+*\d]", line):  # the place in the file, and the cost
                cost = int((line.split() + ["0"])[1])  # where it is 0 it isn't said
                if not is_call:
                    self.own[caller] += cost
                    self._objects[own_object] += cost
                elif not LEFT_OUT.search(called_object or own_object):
                    self.calls[caller, callee] += cost
                if is_call:
                    is_call, callee_file, called_object = False, None, None

    def rooms(self):
        """{room: instructions of its code, and of what it calls of libraries}"""
        found = collections.Counter()
        for (file, _), cost in self.own.items():
            room = ROOM.search(file)
            if room and not JUDGE.search(file):
                found[room[1]] += cost
        for ((file, _), (called, _)), cost in self.calls.items():
            room = ROOM.search(file)
            if room and not JUDGE.search(file) and not ROOM.search(called) and not PLAYED.search(called):
                found[room[1]] += cost
        return found

    def parts(self):
        """{library, or OURS for all else: instructions of its code}"""
        found = collections.Counter()
        for path, cost in self._objects.items():
            found[LIBRARIES.get(pathlib.Path(path or "").name.partition(".")[0], OURS)] += cost
        return found


def callgrind(out, *command, options=(), **environment):
    done = subprocess.run(["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}", "--dump-line=no",
                           "--trace-children=no", *options, *map(str, command)],
                          capture_output=True, text=True, env={**os.environ, **environment})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run(folder, *command, options=()):
    """(rooms, output)"""
    output = callgrind(folder / "callgrind.out.%p", *command, options=options)
    rooms = collections.Counter()
    for part in folder.glob("callgrind.out.*"):  # of a simulation the child has nearly all
        rooms += Profile(part).rooms()
        part.unlink()
    return rooms, output


def each(rooms, more_rooms, count):
    return {room: (more_rooms[room] - rooms[room]) / count for room in more_rooms if more_rooms[room] > rooms[room]}


def gate(folder):
    few, more = 3, 13
    runs = []
    for messages in (few, more):
        seeds = folder / f"seeds{messages}"
        seeds.mkdir()
        (seeds / "messages").write_bytes("\x1e".join([LOGIN, *(messages * MESSAGE)]).encode())
        rooms, output = run(folder, BUILD / "replay" / "gate", seeds)
        assert "OK" in output, output
        runs.append(rooms)
    return each(*runs, more - few)


def relay(folder):
    runs, mails = [], []
    for clients in (4, 40):
        rooms, output = run(folder, BUILD / "simulate" / "simulate", "-w", 60, "-s", clients, 1,
                            options=["--toggle-collect=sim_step"])
        runs.append(rooms)
        mails.append(int(re.search(r"(\d+) accepted", output).group(1)))
    return each(*runs, mails[1] - mails[0])


def session(folder):
    few, more = 5, 25
    runs = []
    for count in (few, more):
        out = folder / f"sessions{count}"
        callgrind(out, BUILD / "bench" / "sessions", count, OPENSSL_ia32cap=PROCESSOR)
        runs.append(Profile(out).parts())
    return each(*runs, more - few)


def platform():
    version = re.search(r'VERSION_ID="?([\w.]+)', pathlib.Path("/etc/os-release").read_text())[1]
    compiler = subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
    return f"debian-{version} gcc-{compiler}"


def read_baselines():
    """{"platform role": {room: instructions}}"""
    found = {}
    for line in BASELINES.read_text().splitlines() if BASELINES.exists() else []:
        if line and not line.startswith("#"):
            system, compiler, role, room, count = line.split()
            found.setdefault(f"{system} {compiler} {role}", {})[room] = int(count)
    return found


def write_baselines(baselines):
    lines = ["# Instructions of a message's way, by room: written by make instructions RECORD=1."]
    lines += [f"{key} {room} {count}" for key, rooms in sorted(baselines.items())
              for room, count in sorted(rooms.items(), key=lambda item: -item[1])]
    BASELINES.write_text("\n".join(lines) + "\n")


def judge(role, rooms, kept):
    """Prints a table; true: it takes no more than was kept."""
    unit = "" if role == "session" else " a message"
    total, former = sum(rooms.values()), sum(kept.values())
    print(f"\n| {role} | instructions{unit} | kept | |\n|---|---:|---:|---:|")
    for room, count in sorted(rooms.items(), key=lambda item: -item[1]) + [("all", total)]:
        before = former if room == "all" else kept.get(room)
        change = f"{100 * (count / before - 1):+.1f} %" if before else ""
        print(f"| {room} | {count:.0f} | {before or ''} | {change} |")
    if former and total > TOLERANCE * former:
        print(f"\nThe {role} takes {100 * (total / former - 1):.1f} % more instructions{unit} than were kept.")
        return False
    if rooms.get(OURS, 0) > TOLERANCE * kept.get(OURS, total):
        print(f"\nOur part of a {role} takes over 3 % more instructions than were kept.")
        return False
    return True


def main():
    baselines, is_well = read_baselines(), True
    with tempfile.TemporaryDirectory(prefix="subgate-instructions-") as folder:
        for role, measure in (("gate", gate), ("relay", relay), ("session", session)):
            rooms, key = measure(pathlib.Path(folder)), f"{platform()} {role}"
            if "--record" in sys.argv:
                baselines[key] = {room: round(count) for room, count in rooms.items() if round(count)}
            is_well &= judge(role, rooms, baselines.get(key, {}))
            if key not in baselines:
                print(f"\nNothing is kept for {key}: RECORD=1 keeps these.")
    if "--record" in sys.argv:
        write_baselines(baselines)
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
