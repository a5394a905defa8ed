"""
An upstream that lies, floods or vanishes, beyond what test_upstream_matrix.py plays stage by stage: kept connections
that are dead, promised recipients, clients that are slow or leave.
"""

import concurrent.futures
import smtplib
import socket
import threading
import time

import pytest

from harness.client import hear, login, message
from harness.process import PATIENCE, wait_until
from harness.raw_upstream import AUTH, BDAT, BODY, DATA, DOT, EHLO, MAIL, QUIT, RCPT, RSET, USUAL, RawUpstream
from harness.subgate import relay_section
from harness.upstream import Upstream

USER = "alice@example.com"
OUTCOMES = ("message.sent", "message.failed", "message.unknown", "message.refused")


@pytest.fixture
def raw():
    upstream = RawUpstream().start()
    yield upstream
    upstream.stop()


@pytest.fixture
def second():
    upstream = RawUpstream().start()
    yield upstream
    upstream.stop()


def send(subgate, password, body="Hello\r\n", number=0, to=("bob@example.net",)):
    """(code, text, seconds) of one message, at whichever command it ended."""
    began = time.monotonic()
    with login(subgate, USER, password) as client:
        try:
            client.sendmail(USER, list(to), message(USER, body=body, number=number))
            code, text = 250, b""
        except smtplib.SMTPRecipientsRefused as refused:
            code, text = next(iter(refused.recipients.values()))
        except smtplib.SMTPResponseException as refused:
            code, text = refused.smtp_code, refused.smtp_error
    return code, text.decode(), time.monotonic() - began


def used(subgate):
    return subgate.ctl_json("quota", "show", USER)["used"]


def outcomes(subgate):
    """Of the first message: the record may come a moment after the reply."""
    wait_until(lambda: subgate.audit(*OUTCOMES), "an outcome")
    return [r["type"] for r in subgate.audit(*OUTCOMES)]


def check_next(subgate, password, counted=0):
    """Mail flows again, and only what was accepted, or may have been, is counted."""
    wait_until(lambda: send(subgate, password, number=99)[0] == 250, "mail to flow again", 30)
    wait_until(lambda: used(subgate) == len(subgate.audit("message.sent")) + counted,
               lambda: f"{used(subgate)} counted, {len(subgate.audit('message.sent'))} sent")

    def attempts(*types):
        return sorted((r["message"], r["attempt"]) for r in subgate.audit(*types))

    wait_until(lambda: attempts("message.leaving") == attempts(*OUTCOMES[:3]),
               lambda: f"one outcome of each: {attempts('message.leaving')}, {attempts(*OUTCOMES[:3])}")


def hang(connection):
    connection.hang()


def close(connection):
    connection.close()


def garbage(connection):
    connection.send(b"\x16\x03\x01\x02\x00 this is no SMTP\r\n")


def many_replies(connection):
    connection.flood(b"250 2.0.0 OK\r\n" * 1000)


def half_and_close(connection):
    connection.send(b"250 2.0.")
    connection.close()


def farewell(connection):
    connection.reply("421 4.3.2 Going down")
    connection.close()


@pytest.mark.parametrize("stage", [DATA, BODY])
def test_many_replies_in_front_of_the_dot_are_451_and_given_back(raw, start, stage):
    subgate = start(raw.section())
    password = subgate.create_app_password(USER)
    raw.script[stage] = [many_replies]
    body = "x" * 70 + "\r\n" if stage == DATA else ("x" * 998 + "\r\n") * 9000
    code, text, seconds = send(subgate, password, body=body)
    assert (code, text[:5]) == (451, "4.4.1") and seconds < PATIENCE
    assert outcomes(subgate) == ["message.failed"]
    assert raw.messages == []
    check_next(subgate, password)


@pytest.mark.parametrize("reply", ["552 5.3.4 Too large", "554 5.6.0 Not this"])
@pytest.mark.parametrize("closes", [False, True])
def test_a_refusal_within_the_body_reaches_the_client(raw, start, reply, closes):
    def refuse(connection):
        connection.reply(reply)
        if closes:
            connection.close()

    subgate = start(raw.section())
    password = subgate.create_app_password(USER)
    raw.script[BODY] = [refuse]
    code, text, seconds = send(subgate, password, body=("x" * 998 + "\r\n") * 9000)
    assert f"{code} {text}" == reply and seconds < PATIENCE
    assert outcomes(subgate) == ["message.failed"] and raw.messages == []
    check_next(subgate, password)


@pytest.mark.parametrize("stage, fault", [(MAIL, close), (MAIL, farewell), (MAIL, half_and_close), (RCPT, close),
                                          (DATA, close)])
def test_kept_connections_that_are_dead_cost_no_mail(raw, start, stage, fault):
    subgate = start(raw.section(reply_timeout="50s"))  # the first to come waits for the last
    password = subgate.create_app_password(USER)
    together = threading.Barrier(3)
    raw.script[DOT] = [lambda c: (together.wait(), c.reply("250 2.0.0 OK"))] * 3
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        sent = [pool.submit(send, subgate, password) for _ in range(3)]
    assert [each.result()[0] for each in sent] == [250] * 3
    assert raw.connections == 3 and len(raw.messages) == 3
    raw.script[stage] = [lambda c: fault(c) if c.transactions else c.reply(USUAL[stage])] * 4
    assert send(subgate, password)[0] == 250
    raw.script[stage].clear()
    check_next(subgate, password)


def test_a_connection_that_was_closed_while_it_rested_costs_no_mail(raw, start):
    subgate = start(raw.section())
    password = subgate.create_app_password(USER)
    raw.script[DOT] = [lambda c: (c.reply("250 2.0.0 OK"), c.close())]
    for _ in range(3):
        assert send(subgate, password)[0] == 250
    assert raw.connections == 2


def test_a_reply_that_nothing_was_asked_for_is_not_taken_for_the_next_one(raw, start):
    subgate = start(raw.section())
    password = subgate.create_app_password(USER)
    raw.script[DOT] = [lambda c: c.send(b"250 2.0.0 OK\r\n250 2.0.0 and this\r\n250 2.0.0 too\r\n")]
    assert send(subgate, password)[0] == 250
    raw.script[RCPT] = ["550 5.1.1 Nobody"]
    assert send(subgate, password)[0] == 550


def later(text, seconds=1.0):
    return lambda connection: (connection.upstream.sleep(seconds), connection.reply(text))


def twice(text, seconds):
    """The second time while the next command is on its way, or long before."""
    return lambda connection: (connection.reply(text), connection.upstream.sleep(seconds), connection.reply(text))


SHIFTS = {
    "a surplus before MAIL's": {MAIL: "250 OK\n250 2.1.0 Sender OK", RCPT: later("250 2.1.5 OK")},
    "a verdict's twin before MAIL's": {MAIL: "250 2.0.0 OK\n250 2.1.0 Sender OK", RCPT: later("250 2.1.5 OK")},
    "MAIL's twice": {MAIL: "250 2.1.0 OK\n250 2.1.0 OK", RCPT: later("250 2.1.5 OK")},
    "RCPT's twice at once": {RCPT: "250 2.1.5 OK\n250 2.1.5 OK"},
    "RCPT's twice, late": {RCPT: twice("250 2.1.5 OK", 1)},
    "a code of another hundred": {MAIL: "150 2.1.0 Wait\n250 2.1.0 OK"},
    "lines that disagree": {MAIL: "250-2.1.0 OK\n550 2.1.0 OK"},
    "a surplus within DATA's": {DATA: "354 Go on\n250 2.0.0 OK"},
    "a surplus in front of DATA's": {DATA: "250 2.0.0 OK\n354 Go on"},
}


@pytest.mark.parametrize("chunking", [False, True], ids=["DATA", "BDAT"])
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "TLS"])
@pytest.mark.parametrize("kept", [False, True], ids=["fresh", "kept"])
def test_no_reply_too_many_becomes_the_verdict(authority, start, chunking, tls, kept):
    """Each shift by one, and a relay that refuses the message: no client hears 250, and no message is there."""
    wrong = []
    raws = {name: RawUpstream(authority=authority if tls else None, chunking=chunking) for name in SHIFTS}
    sections = ""
    for number, raw in enumerate(raws.values()):
        raw.USER = f"relay@shift{number}.example"
        sections += raw.start().section(f"r{number}", reply_timeout="5s")
        sections += f'route c{number} {{ users = {{"u{number}@example.com"}}  relays = {{"r{number}"}} }}\n'
    subgate = start(sections + 'route default { relays = {"r0"} }\n')

    def play(number, name):
        raw, user = raws[name], f"u{number}@example.com"
        password = subgate.create_app_password(user)
        with login(subgate, user, password, timeout=90) as client:
            if kept and hear(client, user, "bob@example.net", message(user))[0] != 250:
                wrong.append(f"{name}: the first one")
            count = len(raw.messages)
            for stage, action in SHIFTS[name].items():
                raw.script[stage] = [action]
            raw.script[DOT] = raw.script[BDAT] = ["554 5.7.1 Refused"] * 5
            code, text = hear(client, user, "bob@example.net", message(user, number=2))
            if code == 250:
                wrong.append(f"{name}: {code} {text}")
            raw.script.clear()
        with login(subgate, user, password, timeout=90) as client:
            wait_until(lambda: hear(client, user, "bob@example.net", message(user, number=3))[0] == 250,
                       f"{name}: mail to flow again", 30)
        assert len(raw.messages) > count

    with concurrent.futures.ThreadPoolExecutor(len(SHIFTS)) as pool:
        list(pool.map(play, range(len(SHIFTS)), SHIFTS))
    for raw in raws.values():
        raw.stop()
    assert not wrong, wrong


@pytest.mark.parametrize("stage, action", [(BDAT, "250 2.0.0 OK\n250 2.0.0 OK"), (BDAT, twice("250 2.0.0 OK", 0.2)),
                                           (RSET, "250 2.0.0 OK\n250 2.0.0 OK"), (RSET, twice("250 2.0.0 OK", 0.2))])
def test_a_surplus_between_transactions_ends_the_connection(start, stage, action):
    raw = RawUpstream(chunking=True).start()
    subgate = start(raw.section())
    password = subgate.create_app_password(USER)
    raw.script[stage] = [action]
    if stage == RSET:
        raw.script[RCPT] = ["550 5.1.1 Nobody"]
        assert send(subgate, password)[0] == 550
    else:
        assert send(subgate, password)[0] == 250
    wait_until(lambda: subgate.ctl_json("relay", "list")["relays"][0]["connections"].startswith("0 of"), "its end")
    raw.script[BDAT] = ["554 5.7.1 Refused"]
    assert send(subgate, password, number=2)[0] == 554
    assert raw.connections == 2
    raw.stop()


def test_a_relay_that_says_more_after_each_login_is_not_logged_in_to_again_and_again(raw, start):
    subgate = start(raw.section())
    password = subgate.create_app_password(USER)
    raw.script[AUTH] = ["235 2.7.0 Welcome\n250 2.0.0 and more"] * 1000
    code, text, seconds = send(subgate, password)
    assert (code, text[:5]) == (451, "4.4.1") and seconds < PATIENCE
    assert raw.connections < 4
    raw.script[AUTH].clear()
    check_next(subgate, password)


def test_a_relay_that_refuses_connections_costs_no_time(second, start):
    gone = RawUpstream()
    route = 'route default { relays = {"first", "second"} }\n'
    subgate = start(gone.section("first", connect_timeout="30s") + second.section("second") + route)
    password = subgate.create_app_password(USER)
    for _ in range(3):
        code, _, seconds = send(subgate, password)
        assert code == 250 and seconds < 20  # no connect_timeout


def test_both_relays_gone_is_451(start):
    relays = RawUpstream(), RawUpstream()
    route = 'route default { relays = {"first", "second"} }\n'
    sections = [r.section(name, connect_timeout="30s") for r, name in zip(relays, ("first", "second"))]
    subgate = start("".join(sections) + route)
    password = subgate.create_app_password(USER)
    code, text, seconds = send(subgate, password)
    assert (code, text[:5]) == (451, "4.4.1") and seconds < 20
    assert used(subgate) == 0 and outcomes(subgate) == ["message.refused"]


def test_a_next_relay_that_refuses_a_promised_recipient_gets_nothing(raw, second, start):
    route = 'route default { relays = {"first", "second"} }\n'
    subgate = start(raw.section("first") + second.section("second") + route)
    password = subgate.create_app_password(USER)
    raw.script[DATA] = [close] * 2
    second.script[RCPT] = ["250 2.1.5 OK", "550 5.1.1 Nobody"]
    code, text, _ = send(subgate, password, to=("bob@example.net", "carol@example.net"))
    assert (code, text[:5]) == (451, "4.4.1")
    assert raw.messages == [] and second.messages == []
    wait_until(lambda: used(subgate) == 0, "the refund")


SEVEN_BIT = "250-raw.example\n250-PIPELINING\n250 AUTH PLAIN"
EIGHT_BIT = {"body": "Subject: x\r\n\r\nsch\u00f6n\r\n", "header": "Subject: sch\u00f6n\r\n\r\nplain\r\n"}


def send_bytes(subgate, password, content, options=()):
    with login(subgate, USER, password) as client:
        try:
            client.sendmail(USER, ["bob@example.net"], f"From: {USER}\r\n".encode() + content, options)
            return "250"
        except smtplib.SMTPResponseException as refused:
            return f"{refused.smtp_code} {refused.smtp_error.decode()}"


@pytest.mark.parametrize("where", EIGHT_BIT)
@pytest.mark.parametrize("options", [(), ("BODY=8BITMIME",)], ids=["silent", "declared"])
def test_eight_bit_content_goes_to_no_relay_without_8bitmime(raw, second, start, where, options):
    raw.script[EHLO] = [SEVEN_BIT] * 20
    second.script[EHLO] = [SEVEN_BIT]
    subgate = start(raw.section("first") + second.section("second") + """
route both { users = {"alice@example.com"}  relays = {"first", "second"} }
route default { relays = {"first"} }
""")
    password = subgate.create_app_password(USER)
    content = EIGHT_BIT[where].encode()
    assert send_bytes(subgate, password, content, options) == (
        "554 5.6.3 The message has 8-bit content, and the relay for it does not offer 8BITMIME")
    assert raw.messages == [] and second.messages == []
    assert send_bytes(subgate, password, b"Subject: x\r\n\r\nplain\r\n", options) == "250"
    assert len(raw.messages) == 1 and b"BODY=" not in "".join(raw.commands).encode()
    second.cut()  # it offers 8BITMIME from now on
    assert send_bytes(subgate, password, content, options) == "250"
    assert second.messages[-1].endswith(content.split(b"\r\n\r\n")[1]) and "sch\u00f6n".encode() in second.messages[-1]
    assert any("BODY=8BITMIME" in line for line in second.commands)
    wait_until(lambda: used(subgate) == 2, "the refund")


def test_a_slow_client_gives_its_connection_to_those_who_wait(raw, start):
    subgate = start(raw.section(extra="connections = 1"))
    password = subgate.create_app_password(USER)
    slow = login(subgate, USER, password)
    slow.mail(USER)
    assert slow.rcpt("bob@example.net")[0] == 250
    began = time.monotonic()
    assert send(subgate, password, number=2)[0] == 250
    assert time.monotonic() - began < PATIENCE
    assert "RSET" in raw.commands
    code, text = slow.data(message(USER, number=1))
    assert code == 250, text
    assert [b"<2.test@" in content for content in raw.messages] == [True, False]
    assert raw.connections == 1 and raw.commands.count(f"MAIL FROM:<{USER}> SIZE=") <= 3


def test_a_replayed_recipient_that_is_refused_now_is_451(raw, start):
    subgate = start(raw.section(extra="connections = 1"))
    password = subgate.create_app_password(USER)
    slow = login(subgate, USER, password)
    slow.mail(USER)
    assert slow.rcpt("bob@example.net")[0] == 250
    assert send(subgate, password, number=2)[0] == 250
    raw.script[RCPT] = ["550 5.1.1 Nobody any more"]
    code, text = slow.data(message(USER, number=1))
    assert code == 451 and len(raw.messages) == 1
    check_next(subgate, password)


@pytest.mark.parametrize("fault", [hang, close, garbage], ids=lambda f: f.__name__)
def test_an_upstream_that_fails_at_rset_or_quit_harms_nobody(raw, start, fault):
    subgate = start(raw.section(extra="messages_per_connection = 3", reply_timeout="50s"))
    password = subgate.create_app_password(USER)
    raw.script[QUIT] = [fault] * 2
    raw.script[RSET] = [fault] * 2
    raw.script[RCPT] = ["550 5.1.1 Nobody"]
    assert send(subgate, password)[0] == 550
    for _ in range(5):
        code, _, seconds = send(subgate, password)
        assert code == 250 and seconds < PATIENCE
    assert subgate.stop() == 0


def test_an_upstream_whose_queue_is_full_answers_no_connect(start):
    """The kernel drops SYNs to a listener with a full queue: the connect hangs."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fill = [socket.socket() for _ in range(4)]
        for sock in fill:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        subgate = start(RawUpstream(port).section())
        password = subgate.create_app_password(USER)
        code, text, seconds = send(subgate, password)
        assert (code, text[:5]) == (451, "4.4.1") and 4 < seconds < PATIENCE
        for sock in fill:
            sock.close()


@pytest.mark.seconds(15)
def test_the_verdict_is_waited_for_as_long_as_the_option_says(start):
    """How long that may be is the unit tests' (test_relay_failover); both at once, as it takes its time."""
    relays = {"patient@example.com": "2m", "hasty@example.com": "10s"}
    raws, sections = [], ""
    for number, (user, timeout) in enumerate(relays.items()):
        raw = RawUpstream().start()
        raw.script[DOT] = [later("250 2.0.0 At last", 14)]
        raws.append(raw)
        sections += raw.section(f"r{number}", reply_timeout=timeout)
        sections += f'route c{number} {{ users = {{"{user}"}}  relays = {{"r{number}"}} }}\n'
    subgate = start(sections + 'route default { relays = {"r0"} }\n')
    passwords = {user: subgate.create_app_password(user) for user in relays}

    def play(user):
        with login(subgate, user, passwords[user], timeout=120) as client:
            return hear(client, user, "bob@example.net", message(user))

    with concurrent.futures.ThreadPoolExecutor() as pool:
        patient, hasty = pool.map(play, relays)
    assert patient[0] == 250
    assert hasty == (451, "4.4.2 Connection to the relay lost; the message may have been delivered")
    assert len(subgate.wait_for_audit("message.sent")) == len(subgate.wait_for_audit("message.unknown")) == 1
    for raw in raws:
        raw.stop()


def test_a_name_that_no_server_resolves_is_451(authority, start):
    section = relay_section(Upstream(authority)).replace('host = "127.0.0.1"', 'host = "relay.invalid"')
    subgate = start(section)
    code, text, seconds = send(subgate, subgate.create_app_password(USER))
    assert (code, text[:5]) == (451, "4.4.1") and seconds < PATIENCE  # however slow this machine's name server is


def test_a_client_that_leaves_within_its_message_leaves_nothing_behind(raw, start):
    subgate = start(raw.section())
    password = subgate.create_app_password(USER)
    client = login(subgate, USER, password)
    client.mail(USER)
    client.rcpt("bob@example.net")
    client.putcmd("DATA")
    assert client.getreply()[0] == 354
    client.send(b"Subject: half\r\n\r\nof it")
    client.close()
    subgate.wait_for_audit("session.close")
    assert raw.messages == [] and used(subgate) == 0
    check_next(subgate, password)


def test_the_connection_of_a_session_that_only_looked_is_used_again(raw, start):
    subgate = start(raw.section())
    password = subgate.create_app_password(USER)
    for _ in range(3):
        with login(subgate, USER, password) as client:
            client.mail(USER)
            assert client.rcpt("bob@example.net")[0] == 250
            client.rset()
    assert send(subgate, password)[0] == 250
    assert raw.connections == 1
