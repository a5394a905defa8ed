#!/usr/bin/env python3
"""The console's pages as they are written: what would run or style inline, attributes that data could leave, and words.

The writer of pages escapes what it shows for text and for attributes in double quotes; here we see to it that data
stands nowhere else. Each catalogue has the words of every page, and each translation fills in what the English words
do.
"""

import html.parser
import pathlib
import re
import sys

FOLDER = pathlib.Path("proxy/console/pages")
TAG = re.compile(r"\{\{(.*?)\}\}")
URLS = {"href", "src", "action", "formaction"}
# What stands for a value, while the parser of HTML looks at the rest.
SHOWN = "\ufffd"
# What a filter has made a link: it may lead elsewhere, but only where a reader's click is needed.
LINK = "\ufffc"


class Page(html.parser.HTMLParser):
    """Whatever the Content-Security-Policy would refuse, or data could steer."""

    def __init__(self, text):
        super().__init__()
        self.faults, self.within = [], None
        self.feed(TAG.sub(self._stand_in, text))

    @staticmethod
    def _stand_in(tag):
        if tag[1][:1] in "#^/>":
            return ""
        return LINK if tag[1].endswith("|link") else SHOWN

    def handle_starttag(self, tag, attrs):
        self.within = tag if tag in ("script", "style") else None
        if self.within == "style":
            self.faults.append("a style of its own")
        for name, value in attrs:
            raw = self.get_starttag_text()
            if name.startswith("on") or name == "style":
                self.faults.append(f"an attribute {name}")
            if value and LINK in value and (tag, name, value) != ("a", "href", LINK):
                self.faults.append(f"a link elsewhere in {tag} {name}")
            if SHOWN in name or (value and SHOWN in value and f'="{value}"' not in raw.replace("&amp;", "&")
                                 and f'="{value}"' not in raw):
                self.faults.append(f"data in {tag} {name}, which is not in double quotes")
            if name in URLS and value and value.startswith((SHOWN, "http:", "https:", "//")):
                self.faults.append(f"{name} of {tag} leads elsewhere, or where data says")

    def handle_data(self, data):
        if self.within and data.strip():
            self.faults.append(f"a {self.within} of its own")


def words_of(path):
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    pairs = [line.partition("=") for line in lines]
    keys = [key.strip() for key, _, _ in pairs]
    return {key.strip(): words.strip() for key, _, words in pairs}, [k for k in set(keys) if keys.count(k) > 1]


def filled_in(words):
    return sorted(tag for tag in TAG.findall(words))


def keys_in(text):
    """(exact keys, beginnings of keys that data ends)"""
    keys = {tag[1:] for tag in TAG.findall(text) if tag.startswith("_")}
    return {key for key in keys if "$" not in key}, {key.partition("$")[0] for key in keys if "$" in key}


def main():
    faults, exact, begun = [], set(), set()
    catalogues = {path.name: words_of(path) for path in sorted(FOLDER.glob("*.words"))}
    english, _ = catalogues["en.words"]
    for path in sorted(FOLDER.glob("*.html")):
        faults += [f"{path}: {fault}" for fault in Page(path.read_text()).faults]
        for tag in TAG.findall(path.read_text()):
            if tag.startswith(">") and not (FOLDER / f"{tag[1:]}.html").exists():
                faults.append(f"{path}: there is no {tag[1:]}.html")
        one, other = keys_in(path.read_text())
        exact |= one
        begun |= other
    for words in english.values():
        one, other = keys_in(words)
        exact |= one
        begun |= other
    faults += [f"en.words: nothing says {key}" for key in sorted(exact - set(english))]
    faults += [f"en.words: {key} is used nowhere" for key in sorted(set(english) - exact)
               if not any(key.startswith(begin) for begin in begun)]
    for name, (words, twice) in catalogues.items():
        faults += [f"{name}: {key} stands there twice" for key in twice]
        faults += [f"{name}: nothing says {key}" for key in sorted(set(english) - set(words))]
        faults += [f"{name}: {key} is not in en.words" for key in sorted(set(words) - set(english))]
        faults += [f"{name}: {key} fills in {filled_in(words[key])}, and the English words {filled_in(english[key])}"
                   for key in sorted(set(words) & set(english)) if filled_in(words[key]) != filled_in(english[key])]
        faults += [f"{name}: {key} has a tag of HTML" for key in sorted(words) if "<" in words[key]]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
