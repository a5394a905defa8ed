"""What a hostile client tries, with a user's password and without: it may cost him, and nobody else."""

import base64

from harness.client import Line, login, message

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
