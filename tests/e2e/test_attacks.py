"""What a hostile client tries, with a user's password and without: it may cost him, and nobody else."""

import base64
import os
import signal

from harness.client import Line, login, message
from harness.subgate import relay_section

USER = "alice@example.com"


def plain(name, password):
    return base64.b64encode(f"\0{name}\0{password}".encode()).decode()


def log_in(subgate, password):
    line = Line(subgate)
    line.read_reply()
    line.command("EHLO client.example")
    assert line.command("AUTH PLAIN " + plain(USER, password))[0].startswith("235")
    return line


def send_one(subgate, password):
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER))


def test_sixty_thousand_refused_recipients_cost_nobody_else_his_mail(subgate, upstream):
    upstream.script["RCPT TO:<no*"] = ["550 5.1.1 No such user"] * 200
    password = subgate.create_app_password(USER)
    line = log_in(subgate, password)
    line.command(f"MAIL FROM:<{USER}>")
    domain = ".".join(["d" * 60] * 2)
    for batch in range(600):
        line.send(b"".join(f"RCPT TO:<no{batch}.{i}.{'x' * 50}@{domain}>\r\n".encode() for i in range(100)))
        for _ in range(100):
            assert line.read_reply()[0][:3] in ("550", "452")
    assert line.command("NOOP")[0].startswith("250")
    for _ in range(8):  # both gates
        send_one(subgate, password)
    assert len(upstream.wait_for(8)) == 8


def test_a_burst_of_envelopes_on_a_relay_that_pauses_costs_no_gate_its_door(upstream, start):
    subgate = start(relay_section(upstream) + "limits { connections_per_address = 5000 }\n")
    password = subgate.create_app_password(USER)
    lines = [log_in(subgate, password) for _ in range(700)]  # 30 MB of envelopes, for two doors of 8 MiB
    relay = subgate.pids("relay")
    domain = ".".join(["d" * 60] * 3)
    burst = f"MAIL FROM:<{USER}>\r\n" + "".join(f"RCPT TO:<{i}{'x' * 60}@{domain}>\r\n" for i in range(100))
    os.kill(relay[0], signal.SIGSTOP)
    try:
        for line in lines:
            line.send(burst.encode())
        for line in lines:
            assert line.read_reply()[0].startswith("250")  # MAIL, by the gate alone
    finally:
        os.kill(relay[0], signal.SIGCONT)
    codes = {line.read_reply()[0][:9] for line in lines}
    assert codes <= {"250 2.1.5", "451 4.7.1"}, codes  # one user may have 20 under way
    for line in lines:
        line.close()
    for _ in range(8):
        send_one(subgate, password)
    assert len(upstream.wait_for(8)) == 8


def test_a_burst_of_logins_on_an_auth_that_pauses_costs_no_gate_its_door(upstream, start):
    subgate = start(relay_section(upstream) + "limits { connections_per_address = 5000 }\n")
    password = subgate.create_app_password(USER)
    lines = [Line(subgate) for _ in range(1600)]  # 18 MB of responses, for two doors of 8 MiB
    for line in lines:
        line.read_reply()
        line.command("EHLO client.example")
    auth = subgate.pids("auth")[0]
    os.kill(auth, signal.SIGSTOP)
    try:
        for line in lines:
            line.send(b"AUTH PLAIN " + b"A" * 12000 + b"\r\n")
        lines[-1].read_reply()  # one that had no room: the gates have read them all
    finally:
        os.kill(auth, signal.SIGCONT)
    codes = {line.read_reply()[0][:9] for line in lines[:-1]}
    assert codes <= {"454 4.7.0", "500 5.5.6", "501 5.5.2"}, codes
    for line in lines:
        line.close()
    for _ in range(8):
        send_one(subgate, password)
    assert len(upstream.wait_for(8)) == 8
