#!/usr/bin/env python3
"""What subgatectl audit search, show and report take over 1 GB, plain and packed. `make searches` runs it."""

import datetime
import gzip
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time

SIZE = 1 << 30
USERS = [f"user{number}@example.com" for number in range(500)]
BEGIN = datetime.datetime(2026, 11, 1, tzinfo=datetime.timezone.utc)
SEARCHES = [
    ("one user of 500", ["--json", "audit", "search", "FILE", "--user", "USER7@example.com"]),
    ("one message", ["--json", "audit", "search", "FILE", "--id", "00000000000003e8"]),
    ("20 newest of a user",
     ["audit", "search", "FILE", "--user", "user7@example.com", "--newest-first", "--limit", "20"]),
    ("count by result", ["audit", "search", "FILE", "--count-by", "result"]),
    ("show a message", ["audit", "show", "00000000000003e8", "FILE"]),
    ("report", ["audit", "report", "FILE", "--since", "2026-11-01"]),
]


def records(number, chance):
    """Those of a session with one message."""
    user = chance.choice(USERS)
    client = {"user": user, "user_id": f"corp:{chance.getrandbits(128):032x}", "auth_method": "ldap",
              "sasl_mechanism": "PLAIN", "client_address": f"192.0.2.{chance.randint(1, 250)}", "client_port": 50000,
              "listener": "submissions", "tls_version": "TLSv1.3", "tls_cipher": "TLS_AES_256_GCM_SHA384",
              "helo": "client"}
    recipients = [{"address": f"p{chance.randint(0, 99999)}@d{chance.randint(0, 999)}.example.net", "code": 250,
                   "enhanced_code": "2.1.5", "text": "Ok"} for _ in range(chance.choice([1, 1, 1, 2, 5]))]
    mail = {"message": f"{number:016x}", **client, "attempt": 1, "mail_from": user, "header_from": user,
            "rcpt_to": recipients, "size": chance.randint(1000, 90000), "relay": chance.choice(["gmail", "office"]),
            "message_id": f"<{chance.getrandbits(80):020x}@example.com>", "relay_host": "smtp.example.net"}
    response = {"code": 250, "enhanced_code": "2.0.0", "text": f"OK {chance.getrandbits(48):012x} - gsmtp"}
    yield from (("session.open", client), ("auth.success", client), ("message.leaving", mail),
                ("message.sent", {**mail, "response": response}), ("session.close", {**client, "reason": "QUIT"}))


def write_audit(path):
    chance = random.Random(1)
    size = number = 0
    with open(path, "w", buffering=1 << 20, encoding="ascii") as out:
        while size < SIZE:
            number += 1
            at = BEGIN + datetime.timedelta(seconds=2 * number)
            for step, (kind, members) in enumerate(records(number, chance)):
                record = {"ts": f"{at:%Y-%m-%dT%H:%M:%S}.{step:06d}Z", "type": kind, "node": "mail.example.com",
                          "session": f"1-{number}", **members,
                          "chain": {"id": "0123456789abcdef", "seq": number, "mac": f"{chance.getrandbits(256):064x}"}}
                size += out.write(json.dumps(record, separators=(",", ":")) + "\n")


def peak_kib(process):
    """So far; 0 once it has ended. What wait4 tells would count Python's own memory, from before the exec."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:") and os.readlink(f"/proc/{process.pid}/exe").endswith("subgatectl"):
            return int(line.split()[1])
    return 0


def measure(command):
    memory, begin = 0, time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        try:
            memory = max(memory, peak_kib(process))
        except OSError:
            pass  # it ended meanwhile
        time.sleep(0.002)
    assert status == 0, command
    return time.monotonic() - begin, usage.ru_utime + usage.ru_stime, memory


def main():
    subgatectl = pathlib.Path(os.environ["BUILD"]) / "subgatectl"
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        plain = pathlib.Path(folder) / "audit.jsonl"
        write_audit(plain)
        packed = plain.with_suffix(".jsonl.gz")
        with open(plain, "rb") as source, gzip.open(packed, "wb", compresslevel=1) as out:
            while block := source.read(1 << 20):
                out.write(block)
        print("| search | file | seconds | CPU s | KiB |\n|---|---|---:|---:|---:|")
        for title, words in SEARCHES:
            for path in (plain, packed):
                command = [subgatectl, *(str(path) if word == "FILE" else word for word in words)]
                seconds, cpu, memory = measure(command)
                print(f"| {title} | {path.suffix[1:]} | {seconds:.2f} | {cpu:.2f} | {memory} |", flush=True)


if __name__ == "__main__":
    main()
