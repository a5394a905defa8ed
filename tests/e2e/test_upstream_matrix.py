"""
An upstream that fails at each stage of its dialog in each way: what the client hears, what the upstream saw, what is
recorded, what is counted, that the next mail works, and where the message goes when the route has another relay.

One Subgate serves many cells at once: each has a user, a relay and a route of its own. MATRIX=FILE writes the table.
"""

import concurrent.futures
import dataclasses
import os
import pathlib
import socket
import time

import pytest

from harness.client import hear, login, message
from harness.process import PATIENCE, wait_until
from harness.raw_upstream import (AUTH, BDAT, BODY, CONNECT, DATA, DOT, EHLO, GREETING, MAIL, RCPT, TLS, RawUpstream)

CELLS_OF_ONE = 40  # of one Subgate, all at once
PARALLEL = 14  # fewer than administrators may be at once
OUTCOMES = ("message.leaving", "message.failed", "message.sent", "message.unknown", "message.refused")
LARGE = ("x" * 998 + "\r\n") * 9000  # more than all buffers between here and there hold


@dataclasses.dataclass(frozen=True)
class Expect:
    """
    `client`: what it hears; `saw`: messages up to their end that the upstream saw; `audit`: what is recorded;
    `counted`: of the quota; `next`: of the next mail, once the upstream is sound; `second`: what the client hears when
    the route has a sound relay after this one.
    """

    client: str
    saw: int
    audit: str
    counted: int
    next: str = "250"
    second: str = "250"


# In front of the message, about the relay: another one takes over, else the client is to come again.
EARLY = Expect("451 4.4.1", 0, "refused", 0)
# The same after the client's dot and before ours.
LATE = Expect("451 4.4.1", 0, "leaving failed", 0)
# The upstream saw the whole message and refused it for reasons of its own.
REFUSED = Expect("451 4.4.1", 1, "leaving failed", 0)
# It may have the message: nobody else gets it.
UNKNOWN = Expect("451 4.4.2", 1, "leaving unknown", 1, second="451 4.4.2")
LOGIN = dataclasses.replace(EARLY, client="451 4.3.5")


def passed(expect, reply):
    """About the recipient, the message or the sender: the client hears it as it is, whatever relays there are."""
    return dataclasses.replace(expect, client=reply, second=reply)


def resting(expect):
    """About the account: it rests for longer than a test waits, and the next mail hears that."""
    return dataclasses.replace(expect, client="451 4.3.2", next="451 4.3.2")


def throttled(expect):
    """The same, for some seconds."""
    return dataclasses.replace(expect, client="451 4.3.2")


# ---- ways to fail

def hang(connection):
    connection.hang()


def disconnect(connection):
    connection.close()


def reset(connection):
    connection.reset()


def garbage(connection):
    connection.send(b"\x16\x03\x01\x02\x00 this is no SMTP\r\n")


def huge(connection):
    connection.flood(b"250-and more\r\n" * 1000)


def other_protocol(connection):
    connection.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    connection.close()


def endless_line(connection):
    connection.flood(b"250-" + b"x" * 65536)


def half_a_reply(connection):
    connection.send(b"250 2.0.")
    connection.close()


def drip(connection):
    connection.drip("250 2.0.0 this takes long to say", 0.5)


def farewell(connection):
    connection.reply("421 4.3.2 Going down")
    connection.close()


WAYS = [farewell, hang, disconnect, reset, garbage, other_protocol, endless_line, huge, half_a_reply, drip]

# What each of WAYS leads to, and refusals with what they lead to.
STAGES = {
    TLS: (EARLY, {}),
    GREETING: (EARLY, {"450 4.3.2 Busy": EARLY, "554 5.3.2 Not here": EARLY}),
    EHLO: (EARLY, {"451 4.3.0 Not now": EARLY, "550 5.7.1 Not you": EARLY, "502 5.5.1 What?": EARLY}),
    AUTH: (EARLY, {"454 4.7.0 Too many login attempts": LOGIN, "535 5.7.8 Username and Password not accepted": LOGIN,
                   "534 5.7.9 Application-specific password required": LOGIN,
                   "535 5.7.139 Authentication unsuccessful, basic authentication is disabled": LOGIN,
                   "432 4.3.2 Concurrent connections limit exceeded": throttled(EARLY)}),
    MAIL: (EARLY, {"451 4.3.0 Later": EARLY, "452 4.3.1 Out of space": EARLY,
                   "550 5.7.1 Sender rejected": passed(EARLY, "550 5.7.1"),
                   "553 5.7.1 Not owned by user": passed(EARLY, "553 5.7.1"),
                   "552 5.3.4 Message too big": passed(EARLY, "552 5.3.4"),
                   "530 5.7.0 Authentication Required": LOGIN,
                   "550 5.7.30 Basic authentication is not supported": LOGIN,
                   "432 4.3.2 Concurrent connections limit exceeded": throttled(EARLY),
                   "454 Throttling failure: Maximum sending rate exceeded.": throttled(EARLY),
                   "550 5.4.5 Daily user sending limit exceeded": resting(EARLY),
                   "503 5.5.1 Out of step": EARLY}),
    RCPT: (EARLY, {"450 4.2.1 Receiving too quickly": passed(EARLY, "450 4.2.1"),
                   "550 5.1.1 No such user": passed(EARLY, "550 5.1.1"),
                   "454 4.7.1 Relay access denied": EARLY, "550 5.7.1 Relaying denied": EARLY,
                   "452 4.3.1 Out of space": EARLY, "503 5.5.1 Need MAIL first": EARLY,
                   # A recipient's server may have said these: they end the message, and nothing rests.
                   "550 5.4.5 Daily user sending limit exceeded": throttled(EARLY),
                   "432 4.3.2 Concurrent connections limit exceeded": throttled(EARLY),
                   "535 5.7.8 Username and Password not accepted": LOGIN,
                   "454 4.7.0 Too many login attempts, try again in 2 days": LOGIN}),
    DATA: (LATE, {"451 4.3.0 Later": LATE, "554 5.7.1 Policy": passed(LATE, "554 5.7.1"),
                  "552 5.2.2 Mailbox full": passed(LATE, "552 5.2.2"), "550 5.4.6 Loop": passed(LATE, "550 5.4.6"),
                  "503 5.5.1 RCPT first": LATE, "554 5.5.1 No valid recipients": LATE,
                  "250 2.0.0 OK, and what?": LATE,
                  "550 5.4.5 Daily user sending limit exceeded": resting(LATE)}),
    BODY: (LATE, {"451 4.3.0 Later": LATE, "552 5.3.4 Too large": passed(LATE, "552 5.3.4"),
                  "250 2.0.0 Already enough": LATE}),
    DOT: (UNKNOWN, {"451 4.3.0 Later": REFUSED, "452 4.3.1 Out of space": REFUSED,
                    "554 5.7.1 Looks like spam": passed(REFUSED, "554 5.7.1"),
                    "552 5.3.4 Too large": passed(REFUSED, "552 5.3.4"),
                    "552 5.2.2 Mailbox full": passed(REFUSED, "552 5.2.2"),
                    "550 5.2.1 Mailbox disabled": passed(REFUSED, "550 5.2.1"),
                    "554 5.4.0 Error: too many hops": passed(REFUSED, "554 5.4.0"),
                    "554 5.4.14 Hop count exceeded": passed(REFUSED, "554 5.4.14"),
                    "550 5.4.6 Loop": passed(REFUSED, "550 5.4.6"),
                    "554 5.7.7 Message integrity failure": passed(REFUSED, "554 5.7.7"),
                    "554 5.9.9 Something new": passed(REFUSED, "554 5.9.9"),
                    "554 5.3.2 Not accepting messages": REFUSED, "503 5.5.1 Out of step": REFUSED,
                    "550 5.7.26 Unauthenticated email is not accepted": passed(REFUSED, "550 5.7.26"),
                    "550 5.4.5 Daily user sending limit exceeded": resting(REFUSED),
                    "454 Throttling failure: Maximum sending rate exceeded.": throttled(REFUSED),
                    "535 5.7.3 Authentication unsuccessful": dataclasses.replace(REFUSED, client="451 4.3.5"),
                    "354 Go on": UNKNOWN}),
    BDAT: (UNKNOWN, {"451 4.3.0 Later": REFUSED, "554 5.7.1 Looks like spam": passed(REFUSED, "554 5.7.1"),
                     "552 5.2.2 Mailbox full": passed(REFUSED, "552 5.2.2"),
                     "502 5.5.1 What?": REFUSED, "503 5.5.1 RCPT first": REFUSED,
                     "550 5.4.5 Daily user sending limit exceeded": resting(REFUSED), "354 Go on": UNKNOWN}),
}
# Some ways are definite. 421 is a reply wherever it comes, and a verdict without end begins with its code.
ACCEPTED = Expect("250", 1, "leaving sent", 1)
DEFINITE = {farewell: REFUSED, endless_line: ACCEPTED, huge: ACCEPTED}


# ---- what a relay repeats of a recipient: no word of its own, wherever it comes

NAME = "5.4.5 Error: too much mail from try again in 2d"
ECHOED = f'"{NAME}"@nosuch.invalid'
ECHOES = {
    "echo: 450, quoted": f"450 4.7.1 <{ECHOED}>: Domain not found",
    "echo: 450, as if it were its own": f"450 4.7.1 {NAME}@nosuch.invalid",
    "echo: 450, half of it": f"450 {NAME.removeprefix('5.4.5 ')}, you say",
    "echo: 550, quoted": f"550 5.1.1 <{ECHOED}>: No such user",
    "echo: 550, with a code": f"550 {NAME} is not known here",
    "echo: 452, twice": f"452 4.2.2 {ECHOED}... {NAME}",
}
ECHO_STAGES = {MAIL: EARLY, RCPT: EARLY, DATA: LATE, BODY: LATE, DOT: REFUSED, BDAT: REFUSED}


def echo_expectation(stage, reply):
    usual = ECHO_STAGES[stage]
    is_final = stage == RCPT or reply.startswith("550")
    return passed(usual, " ".join(reply.split(" ")[:2])) if is_final else usual


# ---- replies too many: the message is refused, and must not be said to be accepted

def later(text):
    return lambda connection: (connection.upstream.sleep(0.7), connection.reply(text))


def twice(text):
    return lambda connection: (connection.reply(text), connection.upstream.sleep(0.7), connection.reply(text))


NO = {DOT: "554 5.7.1 Refused", BDAT: "554 5.7.1 Refused"}
SHIFTS = {
    "a reply too many to MAIL": ({MAIL: "250 OK\n250 2.1.0 OK", RCPT: later("250 2.1.5 OK")}, LATE, LATE),
    "MAIL answered twice": ({MAIL: "250 2.1.0 OK\n250 2.1.0 OK", RCPT: later("250 2.1.5 OK")}, LATE, LATE),
    "RCPT answered twice": ({RCPT: "250 2.1.5 OK\n250 2.1.5 OK"}, LATE, LATE),
    "RCPT answered twice, late": ({RCPT: twice("250 2.1.5 OK")}, LATE, UNKNOWN),
    "150 in front of MAIL's": ({MAIL: "150 Wait\n250 2.1.0 OK"}, EARLY, EARLY),
}


@dataclasses.dataclass
class Cell:
    number: int
    stage: str
    way: str
    action: object
    expect: Expect
    to: str = "bob@example.net"
    body: str = "Hello\r\n"
    chunking: bool = False
    upstream: RawUpstream = None

    @property
    def user(self):
        return f"u{self.number}@example.com"


def refuse_to_connect(cell):
    """Nobody listens on its port until the relay is to be sound."""
    cell.upstream.stop()


def fill_queue(cell):
    """The kernel drops SYNs to a listener with a full queue."""
    cell.upstream.stop()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", cell.upstream.port))
    listener.listen(0)
    fill = [socket.socket() for _ in range(4)]
    for sock in fill:
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", cell.upstream.port))
    cell.full = [listener, *fill]


def make_cells():
    cells = []

    def add(stage, way, action, expect, to="bob@example.net", body="Hello\r\n"):
        body = LARGE if stage == BODY else body
        cells.append(Cell(len(cells), stage, way, action, expect, to, body, chunking=stage == BDAT))

    add(CONNECT, "refused", refuse_to_connect, EARLY)
    add(CONNECT, "queue full", fill_queue, EARLY)
    for way in (reset, disconnect):
        add(CONNECT, way.__name__, way, EARLY)
    for stage, (usual, refusals) in STAGES.items():
        for way in WAYS:
            expect = DEFINITE.get(way, usual) if stage in (DOT, BDAT) else usual
            add(stage, "421" if way is farewell else way.__name__.replace("_", " "), way, expect)
        for reply, expect in refusals.items():
            add(stage, reply, reply, expect)
    for stage in ECHO_STAGES:
        for way, reply in ECHOES.items():
            add(stage, way, reply, echo_expectation(stage, reply), to=ECHOED)
    for way, (script, by_data, by_chunk) in SHIFTS.items():
        add(DATA, f"{way}, then 554", script | NO, by_data)
        add(BDAT, f"{way}, then 554", script | NO, by_chunk)
    add(EHLO, "no 8BITMIME, 8-bit content", "250-raw.example\n250 AUTH PLAIN",
        dataclasses.replace(LATE, client="554 5.6.3", next="554 5.6.3"), body="sch\u00f6n\r\n")
    return cells


def send(subgate, cell, password, number, to="bob@example.net"):
    """What the client hears: "250", or code and enhanced code."""
    with login(subgate, cell.user, password, timeout=90) as client:
        code, text = hear(client, cell.user, to, message(cell.user, number=number, body=cell.body))
    return " ".join([str(code), *text.split()[:1]])


def audit_of(subgate, cell):
    records = [r for r in subgate.audit(*OUTCOMES) if r["user"] == cell.user]
    return " ".join(r["type"].removeprefix("message.") for r in records)


def used(subgate, cell):
    return subgate.ctl_json("quota", "show", cell.user)["used"]


def arm(cell):
    cell.upstream.start()
    if cell.action in (refuse_to_connect, fill_queue):
        cell.action(cell)
        return
    script = cell.action if isinstance(cell.action, dict) else {cell.stage: cell.action}
    for stage, action in script.items():
        cell.upstream.script[stage] = [action] * 20


def make_sound(cell):
    cell.upstream.script.clear()
    for sock in getattr(cell, "full", []):
        sock.close()
    if cell.action in (refuse_to_connect, fill_queue):
        cell.upstream = RawUpstream(cell.upstream.port).start()


def settled(read, expected, seconds=PATIENCE):
    """What it is, given some time to become what is expected."""
    deadline = time.monotonic() + seconds
    while (value := read()) != expected and time.monotonic() < deadline:
        time.sleep(0.1)
    return value


def play(subgate, cell):
    """What became of the cell, to be compared with what is expected."""
    expect = cell.expect
    password = subgate.create_app_password(cell.user)
    client = send(subgate, cell, password, 1, cell.to)
    audit = settled(lambda: audit_of(subgate, cell), expect.audit)
    counted = settled(lambda: used(subgate, cell), expect.counted)
    saw = len(cell.upstream.messages)
    make_sound(cell)
    next_ = settled(lambda: send(subgate, cell, password, 2), expect.next, 30)
    return Expect(client, saw, audit, counted, next_, expect.second)


def play_with_second(subgate, cell, backup):
    password = subgate.create_app_password(cell.user)
    client = send(subgate, cell, password, cell.number, cell.to)
    marker = f"<{cell.number}.test@".encode()
    copies = sum(marker in content for content in backup.messages)
    make_sound(cell)
    by_first = cell.expect.client == "250"
    assert copies == (client == "250" and not by_first), f"{cell.stage} {cell.way}: {copies} copies at the second relay"
    return dataclasses.replace(cell.expect, second=client)


def section_of(cell, relays):
    """What answers at all is waited for, as this machine may be slow."""
    is_silent = cell.action in (hang, drip, fill_queue)
    waits = {} if is_silent else {"reply_timeout": "30s", "connect_timeout": "30s"}
    return cell.upstream.section(f"r{cell.number}", **waits) + f"""
route c{cell.number} {{ users = {{"{cell.user}"}}  relays = {{{relays}}} }}
"""


def run(start, authority, play_one, name, more_sections="", second=""):
    cells, found = make_cells(), []
    for cell in cells:
        cell.upstream = RawUpstream(authority=authority if cell.stage == TLS else None, chunking=cell.chunking)
        cell.upstream.USER = f"relay@cell{cell.number}.example"  # an account of its own, with rests of its own
        arm(cell)
    for first in range(0, len(cells), CELLS_OF_ONE):
        some = cells[first:first + CELLS_OF_ONE]
        sections = "".join(section_of(cell, f'"r{cell.number}"{second}') for cell in some) + more_sections
        default = f'route default {{ relays = {{"r{some[0].number}"}} }}\n'
        subgate = start(sections + default, name=f"{name}{first}")
        with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
            found += pool.map(lambda cell: play_one(subgate, cell), some)
    for cell in cells:
        cell.upstream.stop()
    return cells, found


def write_table(path, cells):
    rows = [f"| {c.stage.lower()} | {c.way} | {c.expect.client} | {c.expect.saw} | {c.expect.audit} "
            f"| {c.expect.counted} | {c.expect.next} | {c.expect.second} |\n" for c in cells]
    head = ("| stage | way | client hears | upstream saw | audit | counted | next mail | with a second relay |\n" +
            "|---" * 8 + "|\n")
    pathlib.Path(path).write_text(head + "".join(rows))


def check(cells, found):
    wrong = [f"{cell.stage} {cell.way}:\n  expected {cell.expect}\n  found    {what}"
             for cell, what in zip(cells, found) if what != cell.expect]
    assert not wrong, "\n".join(wrong)
    assert len(cells) >= 100


@pytest.mark.seconds(45)
def test_each_failure_ends_as_it_must(start, authority):
    cells, found = run(start, authority, play, "alone")
    check(cells, found)
    if path := os.environ.get("MATRIX"):
        write_table(path, cells)


@pytest.mark.seconds(40)
def test_another_relay_takes_over_where_it_may(start, authority):
    backup = RawUpstream().start()
    cells, found = run(start, authority, lambda subgate, cell: play_with_second(subgate, cell, backup), "second",
                       backup.section("backup", reply_timeout="20s", connect_timeout="20s"), ', "backup"')
    backup.stop()
    check(cells, found)
