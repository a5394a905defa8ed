"""
Nobody is deceived: what Subgate takes as a user's own From: shows nobody else as the author, whoever reads it. Random
fields are judged by Subgate, and those that it takes are read by the readers of tests/readers.
"""

import os
import re
import struct
import subprocess

import pytest

from readers import fields, readers

SEED = int(os.environ.get("SUBGATE_FIELDS_SEED", "20261123"))
COUNT = int(os.environ.get("SUBGATE_FIELDS", "100000"))
JUDGE = os.path.join(os.environ["BUILD"], "readers/judge")

OWN = re.compile(r"me(\+.*)?@own\.example", re.I)
WHOLE = re.compile(r"[^\s<>()\[\],;:\\\"@]+@[\w.-]+")


def judge(generated):
    packed = b"".join(struct.pack("<I", len(field)) + field for field in generated)
    run = subprocess.run([JUDGE, fields.OWN], input=packed, capture_output=True, check=True, timeout=300)
    verdicts = run.stdout.split()
    assert len(verdicts) == len(generated)
    return [verdict == b"taken" for verdict in verdicts]


def unstuff(field):
    return re.sub(rb"(?m)^\.", b"", field)


def has_dot(address):
    return "." in address.partition("@")[2]


def strangers(name, authors):
    """
    Whom `authors` shows besides the user. Readers that decode too early, or don't unfold, take honest names apart: of
    what they show a name without an @ counts for nothing, and an address only with a dotted domain.
    """
    is_careless = readers.FOLDED in name or readers.DECODED in name
    for author in authors:
        author = author.replace("\\ufffd", "\ufffd")  # Python writes it so, of bytes whose charset nobody told
        found = [address.strip(".'-") for address in WHOLE.findall(author)]
        whole = [address for address in found if not address.startswith("@")]
        yield from (a for a in whole if not OWN.fullmatch(a) and (has_dot(a) or not is_careless))
        if author not in ("", "<>") and "@" not in author and not is_careless:
            yield author


def deceived(kept):
    """(reader, field, strangers) for each field that shows some."""
    for name, shown in readers.show(kept).items():
        assert len(shown) == len(kept), name
        for field, authors in zip(kept, shown):
            seen = list(strangers(name, authors))
            if seen:
                yield name, field, seen


@pytest.mark.seconds(30)
def test_no_reader_shows_a_stranger_as_the_author():
    print(f"seed {SEED}, {COUNT} fields")
    generated = fields.generate(SEED, COUNT)
    taken = judge(generated)
    kept = [unstuff(field) for field, is_taken in zip(generated, taken) if is_taken]
    assert len(kept) > COUNT / 5
    faults = list(deceived(kept))
    assert not faults, f"{len(faults)} of {len(kept)}, seed {SEED}: {sorted(faults, key=lambda f: len(f[1]))[:10]}"
    refused = [unstuff(field) for field, is_taken in zip(generated, taken) if not is_taken][:5000]
    names = {name for name, _, _ in deceived(refused)}
    assert names == set(readers.show(refused[:1])), "a reader that nothing deceives tests nothing"


def test_honest_fields_are_taken():
    honest = [
        'From: "Doe, Jane (@jane)" <me@own.example>', 'From: "monitor: root@web1" <me@own.example>',
        'From: "[ops@web1] alert" <me@own.example>', "From: .NET Team <me@own.example>",
        "From: John Q. Public <me@own.example>",
        "From: me@own.example (Cron Daemon)", "From: =?utf-8?Q?M=C3=BCller=2C_Hans?= <me@own.example>",
        "From: J\u00f6rg <me+news@OWN.example>", "From: =?iso-2022-jp?B?GyRCJEAbKEI=?= <me@own.example>",
        'From: "me@own.example" <me@own.example>', 'From: "A\r\n B" <me@own.example>', "From: O'Neill <me@own.example>",
        "From: =?utf-8?B?TcO8bGxlcg==?= =?utf-8?Q?_Gmb?=\r\n =?utf-8?Q?H?= <me@own.example>",
        "From: Me via Desk <me@own.example>",
    ]
    verdicts = judge([field.encode() + b"\r\n" for field in honest])
    assert [field for field, is_taken in zip(honest, verdicts) if not is_taken] == []
