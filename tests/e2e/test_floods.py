"""What makes a log or an audit grow: one message, a crowd that never logs in, and a gate that was taken over."""

from harness.client import login
from harness.process import wait_until
from harness.subgate import relay_section

USER = "alice@example.com"


def test_a_message_with_thousands_of_foreign_senders_makes_one_line_of_the_log(upstream, start):
    subgate = start(relay_section(upstream) + 'sender { header = "audit" }\n')
    password = subgate.create_app_password(USER)
    strangers = ",\r\n ".join(f"u{i}@other.example" for i in range(8000))
    senders = ",\r\n ".join(f"s{i}@other.example" for i in range(100))
    before = len(subgate.log.splitlines())
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"],
                        f"From: {strangers}\r\nSender: {senders}\r\nSubject: hello\r\n\r\nhello\r\n")
    assert len(upstream.wait_for(1)) == 1
    wait_until(lambda: "is not an address of" in subgate.log, lambda: subgate.log)
    lines = [line for line in subgate.log.splitlines()[before:] if " gate " in line]
    assert len(lines) == 1 and "u0@other.example" in lines[0] and "8099 more" in lines[0], lines[:5]
