"""
Names of users, domains and groups have the one form that RFC 8265, IDNA 2008 and RFC 4514 give them: random ones are
made canonical by Subgate and by Python, which shares no table and no parser with it.
"""

import os
import random
import struct
import subprocess
import unicodedata

import idna
import ldap.dn

SEED = int(os.environ.get("SUBGATE_NAMES_SEED", "20261129"))
COUNT = int(os.environ.get("SUBGATE_NAMES", "30000"))
NAMES = os.path.join(os.environ["BUILD"], "readers/names")

# What both versions of Unicode have known for long.
KNOWN = [chr(c) for c in range(0x80, 0x30000) if unicodedata.ucd_3_2_0.category(chr(c)) not in ("Cn", "Cs", "Co")]
LETTERS = [c for c in KNOWN if unicodedata.category(c) in ("Ll", "Lu", "Lo") and unicodedata.normalize("NFKC", c) == c]
TRICKY = list("\u00b7lL\u0375\u03a3\u03c3\u03c2\u05f3\u05d0\u05d1\u30fb\u30ab\u0660\u06f0\u0627\u200c\u200d\u094d"
              "\u0915\u0301\u0308\u0130\u0131\u00df\u1e9e\uff20\uff21\uff41\u00ad\ufb01\u212b\u1100\uac00\u0640\u3007"
              "\u00a0\u200b1-.")

EXCEPTIONS = {**dict.fromkeys("\u00df\u03c2\u06fd\u06fe\u0f0b\u3007", True),
              **dict.fromkeys("\u0640\u07fa\u302e\u302f\u3031\u3032\u3033\u3034\u3035\u303b", False)}
CONTEXTUAL = "\u00b7\u0375\u05f3\u05f4\u30fb" + "".join(chr(c) for c in [*range(0x660, 0x66a), *range(0x6f0, 0x6fa)])
IGNORABLE = [(0xad, 0xad), (0x34f, 0x34f), (0x61c, 0x61c), (0x115f, 0x1160), (0x17b4, 0x17b5), (0x180b, 0x180f),
             (0x200b, 0x200f), (0x202a, 0x202e), (0x2060, 0x206f), (0x3164, 0x3164), (0xfe00, 0xfe0f),
             (0xfeff, 0xfeff), (0xffa0, 0xffa0), (0xfff0, 0xfff8), (0x1bca0, 0x1bca3), (0x1d173, 0x1d17a)]


def is_ignorable(c):
    return any(low <= ord(c) <= high for low, high in IGNORABLE)


def ask_subgate(kind, texts):
    packed = b"".join(kind.encode() + struct.pack("<I", len(text)) + text for text in texts)
    run = subprocess.run([NAMES], input=packed, capture_output=True, check=True, timeout=300)
    lines = run.stdout.decode().split("\n")[:-1]
    assert len(lines) == len(texts)
    return [None if line == "-" else bytes.fromhex(line) for line in lines]


# ---- users


def narrow(text):
    parts = [(c, unicodedata.decomposition(c).split()) for c in text]
    return "".join(chr(int(p[1], 16)) if p and p[0] in ("<wide>", "<narrow>") else c for c, p in parts)


def is_identifier(c):
    """RFC 8264, 8, of one character."""
    if c in EXCEPTIONS or c in CONTEXTUAL or c in "\u200c\u200d":
        return EXCEPTIONS.get(c, True)
    if ord(c) < 0x80:
        return 0x21 <= ord(c) <= 0x7e
    is_jamo = 0x1100 <= ord(c) <= 0x11ff
    if is_jamo or is_ignorable(c) or unicodedata.normalize("NFKC", c) != c:
        return False
    return unicodedata.category(c) in ("Ll", "Lu", "Lo", "Nd", "Lm", "Mn", "Mc")


def fits(text):
    """RFC 5892, A and RFC 5893, 2, as the module idna has them."""
    for at, c in enumerate(text):
        if c in "\u200c\u200d" and not idna.valid_contextj(text, at):
            return False
        if c in CONTEXTUAL and not idna.valid_contexto(text, at):
            return False
    try:
        return idna.check_bidi(text)
    except idna.IDNABidiError:
        return False


def user_in_python(text):
    text = narrow(text)
    if not all(map(is_identifier, text)) or "@" in text:
        return None
    for _ in range(4):
        mapped = unicodedata.normalize("NFC", narrow(text).lower())
        if mapped == text:
            return text.encode() if text.isascii() or (all(map(is_identifier, text)) and fits(text)) else None
        text = mapped
    return None


def make_user(r):
    pool = r.choice([TRICKY, LETTERS, KNOWN, TRICKY + LETTERS])
    return "".join(r.choice(pool) for _ in range(r.randint(1, 6)))


def test_a_user_name_is_username_case_mapped():
    r = random.Random(SEED)
    given = [make_user(r) for _ in range(COUNT)]
    given = [name for name in given if " " not in name and "@" not in name]
    answers = ask_subgate("u", [name.encode() for name in given])
    assert sum(answer is not None for answer in answers) > COUNT // 20
    for name, answer in zip(given, answers):
        assert answer == user_in_python(name), ascii(name)
    taken = [answer for answer in answers if answer]
    assert ask_subgate("u", taken) == taken


# ---- domains


def spell_domain(r, domain):
    spelled = unicodedata.normalize(r.choice(["NFC", "NFD"]), domain)
    return "".join(c.upper() if r.random() < 0.5 and c.upper().lower() == c else c for c in spelled)


def test_a_domain_is_its_a_labels():
    r = random.Random(SEED)
    lower = [c for c in LETTERS if c.lower() == c and ord(c) < 0x500]
    spelled, wanted = [], []
    for _ in range(COUNT // 3):
        label = "".join(r.choice(lower + list("abcxyz09")) for _ in range(r.randint(1, 8)))
        try:
            encoded = idna.encode(f"{label}.Test", uts46=True)
        except idna.IDNAError:
            continue
        spelled.append(spell_domain(r, f"{label}.test").encode())
        wanted.append(encoded)
    assert len(spelled) > COUNT // 6
    for given, answer, domain in zip(spelled, ask_subgate("d", spelled), wanted):
        assert answer == domain, ascii(given.decode())
    assert ask_subgate("d", wanted) == wanted


# ---- groups

TYPES = [["cn", "CN", "commonName", "2.5.4.3"], ["ou", "Ou", "2.5.4.11"], ["dc", "DC"], ["uid", "userId"]]
WORDS = ["a", "A", "b", "Sales", "sales", " ", "  ", ",", "+", "=", "\\", "\"", "#", ";", "<", "\u00fc", "u\u0308",
         "\u00dc", "\u00df", "ss", "\uff21", "\ufb01", "fi", "\u00ad", "\u00a0", "\u200b", "\t", "x"]


def prepare(value):
    """RFC 4518, 2."""
    mapped = ""
    for c in value:
        if c in "\t\n\v\f\r\u0085" or unicodedata.category(c) in ("Zs", "Zl", "Zp"):
            mapped += " "
        elif unicodedata.category(c) not in ("Cc", "Cf") and not is_ignorable(c):
            mapped += c
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", mapped).casefold())
    return " ".join(word for word in folded.split(" ") if word)


def short_type(name):
    return next(names[0] for names in TYPES if name.lower() in [n.lower() for n in names])


def group_in_python(text):
    rdns = ldap.dn.str2dn(text)
    return tuple(tuple(sorted((short_type(name), prepare(value)) for name, value, _ in rdn)) for rdn in rdns)


def escape(r, value):
    out = ""
    for at, c in enumerate(value):
        is_edge = (c == " " and at in (0, len(value) - 1)) or (c == "#" and at == 0)
        if c == "\t" or r.random() < 0.1:
            out += "".join(f"\\{byte:02{r.choice('xX')}}" for byte in c.encode())
        elif c in ",+\"\\<>;" or is_edge:
            out += "\\" + c
        else:
            out += c
    return out


def make_part(r):
    value = "".join(r.choice(WORDS) for _ in range(r.randint(1, 3)))
    return r.randrange(len(TYPES)), value


def spell(r, rdns):
    def blank():
        return " " if r.random() < 0.2 else ""

    return f"{blank()},{blank()}".join(
        f"{blank()}+{blank()}".join(f"{r.choice(TYPES[kind])}{blank()}={blank()}{escape(r, value)}"
                                    for kind, value in r.sample(rdn, len(rdn)))
        for rdn in rdns)


def test_equal_groups_are_equal_bytes_and_others_are_not():
    r = random.Random(SEED)
    spelled = []
    for _ in range(COUNT // 3):
        rdns = [[make_part(r) for _ in range(1 if r.random() < 0.8 else 2)] for _ in range(r.randint(1, 2))]
        spelled += [spell(r, rdns) for _ in range(2)]
    in_python = [group_in_python(text) for text in spelled]
    answers = ask_subgate("g", [text.encode() for text in spelled])
    by_answer, by_python = {}, {}
    for text, answer, wanted in zip(spelled, answers, in_python):
        assert answer is not None, ascii(text)
        assert by_answer.setdefault(answer, (wanted, text))[0] == wanted, (ascii(text), by_answer[answer])
        assert by_python.setdefault(wanted, (answer, text))[0] == answer, (ascii(text), by_python[wanted])
    assert 100 < len(by_python) < len(spelled) * 3 // 4
    taken = list(by_answer)
    assert ask_subgate("g", taken) == taken
