"""From: fields such as attackers, careless programs and odd but honest people write them, made at random."""

import base64
import random

OWN = "me@own.example"
OWNS = [OWN, "Me@OWN.example", "me+x@own.example"]
FOREIGN = ["ceo@corp.example", "boss@corp.example", "ceo@localhost"]
PIECES = [*FOREIGN, *OWNS, "ceo", "@", "corp.example", "ceo@", "@corp.example", "corp", ".", ".example", "me",
          "own.example", " ", ",", "<", ">", "\"", "Boss", "\r\n", ":", ";", "(", ")", "=40", "\0", "\t", "[", "]",
          "\\", "=?", "?=", "J\u00f6rg"]
CHARSETS = ["utf-8", "UTF-8", "us-ascii", "iso-8859-1", "windows-1252", "iso-2022-jp", "gb2312", "utf-7", "utf-16",
            "utf-16be", "utf-32le", "cp037", "cp500", "hz", "x-unknown", "", "utf-8*en", "shift_jis", "big5", "koi8-r",
            "iso-2022-kr"]
USUAL = ["utf-8", "UTF-8", "iso-8859-1", "us-ascii"]
WORDS = ["Ceo", "Boss", "Me", "J.", "Q.", ".", "..", ".NET", "a.b", "Team", "-", "--", "'Ceo'", "`x`", "{x}", "~", "|",
         "via", "=", "=?", "?=", "?", "!", "#1", "\u00d6zt\u00fcrk", "\u7530\u4e2d", "[", "]", "[x]", "ceo[", "ceo]",
         "@", "ceo@", "@corp", "\\", "/", "root"]


def encode(r, text):
    """An encoded word (RFC 2047), now and then a faulty one."""
    charset = r.choice(USUAL if r.random() < 0.7 else CHARSETS)
    try:
        raw = text.encode(charset.partition("*")[0] or "utf-8")
    except (LookupError, UnicodeError):
        raw = text.encode()
    if r.random() < 0.4:
        word = base64.b64encode(raw).decode()
        letter = "bB"[r.random() < 0.5]
        if r.random() < 0.1:
            word = word.rstrip("=")
    else:
        safe = (b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" +
                (b"@.,<>\"? ;:()" if r.random() < 0.1 else b""))
        word = "".join("_" if b == 32 and r.random() < 0.8 else chr(b) if b in safe else f"={b:02X}" for b in raw)
        letter = "qQ"[r.random() < 0.5]
    if r.random() < 0.05:
        at = r.randrange(len(word) + 1)
        word = word[:at] + r.choice(["?", " ", "=", "==", "_", "\r\n ", "?=", "=?"]) + word[at:]
    return f"=?{charset}?{letter}?{word}?="


def pieces(r, most=4):
    return "".join(r.choice(PIECES) for _ in range(r.randint(1, most)))


def quoted(r):
    inside = r.choice(["Doe, Jane", "Doe, Jane (@jane)", "monitor: root@web1", "[ops@web1] alert", "a \\\" b",
                       "a\\\\b", "", pieces(r, 3), pieces(r, 5), r.choice(PIECES) + "\r\n " + r.choice(PIECES),
                       pieces(r, 2) + " " + pieces(r, 2), encode(r, pieces(r)), encode(r, "x\" <"), r.choice(WORDS),
                       " ".join(r.choices(WORDS, k=3))])
    return f"\"{inside}\""


def comment(r):
    return "(" + r.choice(["Sales", "x y", pieces(r, 2), encode(r, pieces(r)), encode(r, "x) <ceo@corp.example>"),
                           "(x)", "a\\)b", ""]) + ")"


def bracket(r):
    inside = r.choice(OWNS) if r.random() < 0.9 else r.choice([
        f"{quoted(r)}@own.example", pieces(r), f" {OWN} ", f"\"me\"@own.example",
        f"\"me+ {r.choice(WORDS)}\"@own.example", f"@x.example:{OWN}", f"{OWN}{comment(r)}"])
    return f"<{inside}>"


def word(r):
    make = r.random()
    if make < 0.45:
        return r.choice(WORDS)
    if make < 0.65:
        return encode(r, pieces(r) if r.random() < 0.7 else r.choice(WORDS))
    if make < 0.85:
        return quoted(r)
    return comment(r)


def gap(r):
    if r.random() >= 0.5:
        return " "
    return r.choice([" ", " ", " ", " ", " ", "", "\r\n ", "\t", "  ", "\r\n\t", "\r\n .", "."])


def mailbox(r):
    make = r.random()
    if make < 0.12:
        return r.choice(OWNS) + (gap(r) + comment(r) if r.random() < 0.5 else "")
    if make < 0.15:
        return f"{quoted(r)}@own.example"
    text = "".join(word(r) + gap(r) for _ in range(r.choice([0, 1, 1, 1, 2, 2, 2, 3, 4]))) + bracket(r)
    return text + (gap(r) + word(r) if r.random() < 0.08 else "")


def value(r):
    text = mailbox(r)
    while r.random() < 0.08:
        text += r.choice([",", ", ", ";", ",\r\n "]) + mailbox(r)
    if r.random() < 0.04:
        text = f"{word(r)}: {text};"
    if r.random() < 0.12:
        at = r.randrange(len(text) + 1)
        text = text[:at] + r.choice([*WORDS, *PIECES, ""]) + text[at + r.choice([0, 0, 1, 2]):]
    return text


def field(r):
    """The bytes of one or, now and then, several From: fields."""
    text = f"From:{r.choice(['', ' ', ' ', ' '])}{value(r)}\r\n"
    while r.random() < 0.02:
        text += f"{r.choice(['From', 'FROM', 'From ', 'from'])}: {value(r)}\r\n"
    raw = text.encode(errors="surrogatepass")
    return raw.replace("\u00f6".encode(), b"\xf6") if r.random() < 0.05 else raw


def generate(seed, count):
    r = random.Random(seed)
    return [field(r) for _ in range(count)]
