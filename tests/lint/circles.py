#!/usr/bin/env python3
"""Whether the files of a room call each other in a circle.

A unit is a .c file with its header. It calls another unit when it names one of the functions that the other defines for
all to call, as the linker sees it. What is called through a handler struct is not named, and makes no circle. Each
circle (units that can all reach each other) is listed below with its reason, and nothing else is: a circle that is
gone, or has lost or gained a unit, is a fault until the list is corrected.

--count shows the circles of each room instead of judging them.
"""

import pathlib
import re
import sys

from rooms import room_of

# Room, the units of one circle in alphabetical order, and why they stay in one.
CIRCLES = [
    ("relay", "upstream/account upstream/backoff upstream/connection upstream/dialog upstream/login "
     "upstream/neighbours upstream/oauth upstream/pool upstream/share upstream/transfer upstream/trial "
     "upstream/upstream upstream/yield",
     "whatever frees a connection or an account wakes the pool, and the pool begins what runs on them"),
]

COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
MACRO = re.compile(r"^[ \t]*#[ \t]*define[ \t](?:[^\n]*\\\n)*[^\n]*", re.M)
BODY = re.compile(r"^\{\n.*?^\}", re.M | re.S)
# Our style begins the head of a function in column 0, and its body with a brace in column 0.
DEFINITION = re.compile(r"^(?!static\b|typedef\b|#)[A-Za-z_][^;{}=#]*?\b(\w+)\([^;{}]*\)\s*\n\{", re.M)
WORD = re.compile(r"\b[A-Za-z_]\w*\b")
ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)")
PASTED = re.compile(r"\b(\w+_)##")
TABLE = re.compile(r'^#include "([^"]+\.def)"', re.M)


def code_of(path):
    """The file without comments and texts, and with the words of the tables (.def) that it makes code of."""
    if not path.exists():
        return ""
    text = path.read_text()
    tables = [pathlib.Path("proxy", name).read_text() for name in TABLE.findall(text) if path.suffix == ".c"]
    return ATTRIBUTE.sub(" ", COMMENT_OR_TEXT.sub(" ", "\n".join([text] + tables)))


def words_of(source, header):
    """What a unit names: of its header only what is run, as a header also declares what others define."""
    run = "\n".join([source] + MACRO.findall(header) + BODY.findall(header))
    words = set(WORD.findall(run))
    return words | {prefix + word for prefix in set(PASTED.findall(run)) for word in words}


def calls_in(stems):
    """Maps each unit to the units that it calls."""
    source = {stem: code_of(stem.with_suffix(".c")) for stem in stems}
    header = {stem: code_of(stem.with_suffix(".h")) for stem in stems}
    owner = {name: stem for stem in stems for name in DEFINITION.findall(source[stem])}
    return {stem: {owner[word] for word in words_of(source[stem], header[stem]) if word in owner} - {stem}
            for stem in stems}


def reached_from(start, calls):
    seen, ahead = set(), [start]
    while ahead:
        for unit in calls[ahead.pop()] - seen:
            seen.add(unit)
            ahead.append(unit)
    return seen


def circles_in(calls):
    """The sets of more than one unit that all reach each other."""
    reached = {unit: reached_from(unit, calls) for unit in calls}
    circles = {frozenset(other for other in reached[unit] if unit in reached[other]) for unit in calls}
    return sorted((tuple(sorted(circle)) for circle in circles if circle), key=str)


def rooms():
    """Maps each room to the stems of its files."""
    stems = {}
    for top in ("proxy", "auth"):
        for path in pathlib.Path(top).glob("**/*.[ch]"):
            stems.setdefault(room_of(path), set()).add(path.with_suffix(""))
    return stems


def name_of(room, stem):
    """The unit's path below its room."""
    return str(stem.relative_to("auth" if room == "auth" else f"proxy/{room}"))


def faults_in(found, listed):
    """`found` and `listed` are sets of (room, units)."""
    for room, units in sorted(found - listed):
        yield f"{room}: {', '.join(units)} call each other in a circle"
    for room, units in sorted(listed - found):
        yield f"{room}: {', '.join(units)}: this circle is gone or another; correct tests/lint/circles.py"


def main():
    found, counts = set(), {}
    for room, stems in sorted(rooms().items()):
        circles = [tuple(sorted(name_of(room, stem) for stem in circle)) for circle in circles_in(calls_in(stems))]
        found |= {(room, circle) for circle in circles}
        counts[room] = (len(stems), len(circles), sum(len(circle) for circle in circles))
    if sys.argv[1:] == ["--count"]:
        for room, (units, circles, inside) in counts.items():
            print(f"{room}: {units} units, {circles} circles, {inside} units in them")
        for room, circle in sorted(found):
            print(f"  {room}: {', '.join(circle)}")
        return 0
    faults = list(faults_in(found, {(room, tuple(units.split())) for room, units, _ in CIRCLES}))
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults or not counts else 0


if __name__ == "__main__":
    sys.exit(main())
