#!/usr/bin/env python3
"""What the product declares and never uses: it lies to whoever reads it, or serves tests alone.

  - functions that a header declares and only tests call, or nobody does
  - messages of a door that nobody sends or reads, and fields of theirs that no reader looks at
  - counters that are exported and never written, types of audit records that are never written
  - options of the configuration that only the config room knows

Names are found by their words, without a compiler: a use in dead code, or a field of the same name in another struct,
counts as one. What is found and shall stay is listed below with its reason; an entry that is no longer needed is a
fault.
"""

import pathlib
import re
import sys

from circles import COMMENT_OR_TEXT, PASTED, TABLE, WORD

ALLOWED = {
    "ldap_srv_use_server": "the same, for directories",
    "resolver_use_servers": "a name server of the tests; those of the machine stand in a file that tests can't change",
}

# A prototype, or the head of a definition: our style begins it in column 0.
HEAD = re.compile(r"^(?!typedef\b)[A-Za-z_][^;{}=#()]*?\b(\w+)\([^;{}#]*\)[^;{}()#]*(?:;|\n\{)", re.M)
CASE = re.compile(r"\bcase\s+\w+:")
READERS = re.compile(r"\bstats_(?:sum|longest_us|has_word)\([^;{}]*\)")
MESSAGE = re.compile(r"^MESSAGE\((\w+), (\w+),(.*?)\)\s*(?=^/\*|^MESSAGE|\Z)", re.M | re.S)
FIELD = re.compile(r"FIELD\(\w+, (\w+)\)")
SECTION = re.compile(r"^SECTION\((\w+), (\w+),(.*?)\)\s*(?=^SECTION|\Z)", re.M | re.S)
OPTION = re.compile(r"^\t(?:TEXT|PATH|FLAG|COUNT|SIZE|DURATION|CHOICE|LIST)\((\w+)", re.M)
ENTRY = re.compile(r"^(?:COUNTER|EVENT)\((\w+),", re.M)
PAIR = re.compile(r"\b(\w+)(?:\.|->)(?=(\w+))")
# A member that is read: not one that an initializer names or an assignment sets.
MEMBER = re.compile(r"(?<=[\w\])])(?:\.|->)(\w+)\b(?!\s*=[^=])")


def bare(text):
    return COMMENT_OR_TEXT.sub(" ", text)


def tables_of(path):
    """The tables (.def) that a file makes code of, and theirs."""
    names = TABLE.findall(path.read_text())
    return "\n".join(bare(text) for name in names for file in [pathlib.Path("proxy", name)] for text in
                     [file.read_text(), tables_of(file)])


class Code:
    """The C files below some folders: each without comments, texts and the heads of functions."""

    def __init__(self, *tops):
        self.whole, self.files, self.declared = {}, {}, {}
        for path in sorted(path for top in tops for path in pathlib.Path(top).glob("**/*.[ch]")):
            text = self.whole[path] = bare(path.read_text())
            if path.suffix == ".h":
                self.declared.update({name: path for name in HEAD.findall(text)})
            self.files[path] = HEAD.sub(" ", text)
        self.words = {word for path, text in self.files.items() for word in self._words_of(path, text)}

    @staticmethod
    def _words_of(path, text):
        """The words of a file and of its tables, with what the file pastes in front of them."""
        words = set(WORD.findall(text + tables_of(path)))
        return words | {prefix + word for prefix in set(PASTED.findall(text)) for word in words}

    def texts_with(self, word, room):
        """Of the files outside this room, heads included, those that have the word."""
        return [text for path, text in self.whole.items() if room not in path.parts and word in text]

    def text_outside(self, *rooms):
        return "\n".join(text for path, text in self.files.items() if not any(room in path.parts for room in rooms))


def functions(product, tests):
    for name, path in sorted(product.declared.items()):
        if name not in product.words:
            yield name, f"{path}: {name}: " + ("only tests call it" if name in tests.words else "nobody calls it")


def members_in(texts):
    return {name for text in texts for name in MEMBER.findall(text)}


def messages(product):
    outside = product.text_outside("door")
    for path in sorted(pathlib.Path("proxy/door").glob("*.def")):
        for number, name, fields in MESSAGE.findall(bare(path.read_text())):
            for verb in ("send", "read"):
                if f"door_{verb}_{name}(" not in outside:
                    yield number, f"{path}: nobody {verb}s {number}"
            read = members_in(product.texts_with(f"door_{name}", "door"))
            for field in FIELD.findall(fields):
                if field not in read:
                    yield f"{number}.{field}", f"{path}: nobody reads {number}.{field}"


def counters(product):
    written = READERS.sub(" ", CASE.sub(" ", product.text_outside()))
    for number in ENTRY.findall(pathlib.Path("proxy/stats/counters.def").read_text()):
        if not re.search(rf"\bCOUNTER_{number}\b", written):
            yield f"COUNTER_{number}", f"proxy/stats/counters.def: {number} is exported and never written"
    # The chain writes its own records.
    written = product.text_outside("audit") + product.files[pathlib.Path("proxy/audit/audit_chain.c")]
    for number in ENTRY.findall(pathlib.Path("proxy/audit/events.def").read_text()):
        if not re.search(rf"\bAUDIT_{number}\b", written):
            yield f"AUDIT_{number}", f"proxy/audit/events.def: no record {number} is ever written"


def options(product):
    """One is read as a member of its section or of a `config`, or in a file that knows the section's struct."""
    pairs = set(PAIR.findall(product.text_outside("config")))
    for section, _, body in SECTION.findall(pathlib.Path("proxy/config/options.def").read_text()):
        known = members_in(product.texts_with(f"config_{section}", "config"))
        for option in OPTION.findall(body):
            if option not in known and not pairs & {(section, option), ("config", option)}:
                yield f"{section}.{option}", f"proxy/config/options.def: nothing reads {section}.{option}"


def main():
    product, tests = Code("proxy", "auth"), Code("tests")
    found = [*functions(product, tests), *messages(product), *counters(product), *options(product)]
    lines = [text for name, text in found if name not in ALLOWED]
    unused = {name for name, _ in found}
    lines += [f"tests/lint/callers.py: {name} is used, or gone: allow it no longer"
              for name in ALLOWED if name not in unused]
    print("\n".join(lines), end="\n" if lines else "")
    return 1 if lines or not product.declared else 0


if __name__ == "__main__":
    sys.exit(main())
