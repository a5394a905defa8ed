#!/usr/bin/env python3
"""Files stay below 500 lines and functions below 70: beyond that, it is two rooms or two functions."""

import pathlib
import re
import sys

FILE_LINES = 500
FUNCTION_LINES = 70


def functions_in(lines):
    """Yields (name, first line, length) of each function: our style begins and ends a body with a brace in column 0."""
    name, first = None, 0
    for number, line in enumerate(lines, 1):
        if line == "{":
            head = " ".join(lines[max(0, number - 4) : number - 1])
            names = re.findall(r"(\w+)\(", head)
            name, first = names[-1] if names else "?", number
        elif line == "}" and name:
            yield name, first, number - first
            name = None


def main():
    faults = []
    root = pathlib.Path(".")
    for top in ("proxy", "auth"):
        for path in sorted(root.glob(f"{top}/**/*.[ch]")):
            lines = path.read_text().splitlines()
            if len(lines) >= FILE_LINES:
                faults.append(f"{path}: {len(lines)} lines")
            faults += [f"{path}:{first}: {name} has {size} lines" for name, first, size in functions_in(lines)
                       if size >= FUNCTION_LINES]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
