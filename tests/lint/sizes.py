#!/usr/bin/env python3
"""
Files stay below 500 lines, those of tests too, and functions of the product below 70: beyond that, it is two rooms or
two functions. No line is wider than 120 columns, but for tables and commands of pages.
"""

import pathlib
import re
import subprocess
import sys

FILE_LINES = 500
FUNCTION_LINES = 70
COLUMNS = 120
TAB = 8
PRODUCT = ("proxy", "auth")
PATTERNS = ["*.c", "*.h", "*.def", "*.lua", "*.py", "*.mk", "*.md", "Makefile"]
# Recorded data, whatever its first line says.
DATA = ("tests/dialog/", "tests/fuzz/seeds/")
# Made from tables of the product.
REFERENCES = (pathlib.Path("conf/options.md"), pathlib.Path("conf/commands.md"))
SHELL = re.compile(rb"#!.*\b(ba|da)?sh\b")


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


def tracked(*patterns):
    names = subprocess.run(["git", "ls-files", "-z", "--", *patterns], stdout=subprocess.PIPE, check=True, text=True)
    return [path for path in map(pathlib.Path, names.stdout.split("\0")[:-1]) if path.is_file()]


def is_shell(path):
    with path.open("rb") as file:
        return not str(path).startswith(DATA) and SHELL.match(file.readline(100)) is not None


def may_be_wide(path, line):
    return path.suffix == ".md" and (path in REFERENCES or line.startswith(("|", "    ")))


def too_wide():
    for path in sorted({*tracked(*PATTERNS), *filter(is_shell, tracked())}):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            width = len(line.expandtabs(TAB))
            if width > COLUMNS and not may_be_wide(path, line):
                yield f"{path}:{number}: {width} columns"


def too_long():
    for path in tracked("*.c", "*.h", "*.py"):
        lines = path.read_text().splitlines()
        if len(lines) >= FILE_LINES:
            yield f"{path}: {len(lines)} lines"
        if path.parts[0] not in PRODUCT or path.suffix == ".py":
            continue
        for name, first, size in functions_in(lines):
            if size >= FUNCTION_LINES:
                yield f"{path}:{first}: {name} has {size} lines"


def main():
    faults = [*too_long(), *too_wide()]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
