"""What /proc and strace tell of processes: CPU, memory, system calls."""

import os
import pathlib
import re
import subprocess
from signal import SIGINT

TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """
    The fields of /proc/PID/stat after the name: [1] is the parent, [11:15] utime, stime and those of dead children.
    """
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def times_ms(pids):
    """(user, system) CPU of these processes so far, with that of children of theirs that have ended."""
    found = [list(map(int, fields[11:15])) for fields in map(_stat, pids) if fields]
    return tuple(sum(ticks[i] + ticks[i + 2] for ticks in found) * 1000 / TICKS for i in (0, 1))


def cpu_ms(pids):
    return sum(times_ms(pids))


def switches(pids):
    """Context switches of all their threads so far, of both kinds."""
    total = 0
    for pid in pids:
        for status in pathlib.Path(f"/proc/{pid}/task").glob("*/status"):
            try:
                total += sum(map(int, re.findall(r"ctxt_switches:\t(\d+)", status.read_text())))
            except OSError:
                continue
    return total


def memory_kib(pids):
    """PSS: a page shared by n processes counts 1/n for each."""
    total = 0
    for pid in pids:
        try:
            rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(re.search(r"^Pss: +(\d+) kB", rollup, re.M)[1])
    return total


def family(pid):
    """The process and all below it."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(entry.name)
            if fields:
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for member in found:
        found += parents.get(member, [])
    return found


def title(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def is_traced(pid):
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return all("TracerPid:\t0\n" not in (task / "status").read_text() for task in tasks)


class Trace:
    """strace -c on some processes and their threads, from start() to stop()."""

    def __init__(self, pids, folder, name):
        self.pids = pids
        self._report = pathlib.Path(folder) / f"{name}.strace"
        targets = [argument for pid in pids for argument in ("-p", str(pid))]
        self._popen = subprocess.Popen(["strace", "-f", "-q", "-c", "-U", "calls,name", "-o", self._report, *targets],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def is_attached(self):
        return all(map(is_traced, self.pids))

    def stop(self):
        """{system call: number of calls}"""
        self._popen.send_signal(SIGINT)
        self._popen.wait(10)
        lines = re.findall(r"^ *(\d+) (\w+)$", self._report.read_text(), re.M)
        return {name: int(calls) for calls, name in lines if name != "total"}
