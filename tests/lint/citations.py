#!/usr/bin/env python3
"""What comments and pages cite is there: a promise by its number, a file by its name.

A promise is one of proxy/README.md. A file is named from the root, from proxy/ as an include names it, or from the
folder of what cites it; by its last name alone where no other file has that. Pages also name folders, and units
without their ending.
"""

import pathlib
import re
import subprocess
import sys

PROMISES = pathlib.Path("proxy/README.md")
PROMISE = re.compile(r"\b[Pp]romises? (\d+)(?:(?:, | to | and | or )(\d+))*")
FILE = re.compile(r"(?<![\w/.<*-])([\w-]+(?:/[\w-]+)*\.(?:h|c|def|md|py|lua))\b(?![\w(])")
CITING = {".c", ".h", ".def", ".lua", ".md", ".mk"}
UNIT = re.compile(r"`([a-z_]+(?:/[a-z_]+)+)/?`")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


def cited_text(path):
    """Comments of C, everything of other texts, each with the number of its first line."""
    text = path.read_text()
    if path.suffix not in (".c", ".h"):
        return [(1, text)]
    return [(text.count("\n", 0, m.start()) + 1, m[0]) for m in COMMENT.finditer(text)]


def is_there(name, path, last_names):
    return last_names.count(name) == 1 or any(pathlib.Path(base, name).exists() for base in (".", "proxy", path.parent))


def faults_in(path, promises, last_names):
    for first, text in cited_text(path):
        for found in PROMISE.finditer(text):
            line = first + text.count("\n", 0, found.start())
            for number in re.findall(r"\d+", found[0]):
                if number not in promises:
                    yield f"{path}:{line}: {PROMISES} has no promise {number}"
        for found in FILE.finditer(text):
            if not is_there(found[1], path, last_names):
                line = first + text.count("\n", 0, found.start())
                yield f"{path}:{line}: there is no {found[1]}, or more than one"
        for found in UNIT.finditer(text) if path.suffix == ".md" else ():
            if not any(is_there(found[1] + ending, path, ()) for ending in ("", ".c", ".h")):
                line = first + text.count("\n", 0, found.start())
                yield f"{path}:{line}: there is no {found[1]}"


def main():
    promises = set(re.findall(r"^(\d+)\. \*\*", PROMISES.read_text(), re.M))
    listed = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True).stdout.splitlines()
    paths = [path for path in map(pathlib.Path, listed) if path.exists()]
    last_names = [path.name for path in paths]
    faults = [fault for path in paths if path.suffix in CITING for fault in faults_in(path, promises, last_names)]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults or not promises else 0


if __name__ == "__main__":
    sys.exit(main())
