#!/usr/bin/env python3
"""Whether what frees itself (…_AUTO) has a value before anything may return: else garbage would be freed."""

import pathlib
import re
import sys

DECLARATION = re.compile(r"^\t+(?:const )?(?:struct )?\w+ \**(\w+) \w+_AUTO;$")
EXIT = re.compile(r"\b(?:return|goto|TRY)\b")


def faults_in(path):
    lines = path.read_text().split("\n")
    for at, line in enumerate(lines):
        declared = DECLARATION.match(line)
        if not declared:
            continue
        name = re.compile(rf"\b{declared[1]}\b")
        for later in lines[at + 1:]:
            if name.search(later) or later == "}":
                break
            if EXIT.search(later):
                yield f"{path}:{at + 1}: {declared[1]} has no value when this may return: {later.strip()}"
                break


def main():
    root = pathlib.Path(".")
    files = [p for top in ("proxy", "auth", "tests") for p in sorted(root.glob(f"{top}/**/*.c"))]
    faults = [fault for path in files for fault in faults_in(path)]
    for fault in faults:
        print(fault)
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
