"""Real clients deliver through both ports, and what comes out is what went in."""

import subprocess

import pytest

from harness.client import login
from harness.upstream import Upstream
from harness.subgate import relay_section

USER = "alice@example.com"
ADDED = (b"received:",)


def big_message():
    """3 MiB of UTF-8, with lines that begin with dots and one that is a dot alone."""
    head = (f"From: Älice <{USER}>\r\nTo: bob@example.net\r\nSubject: Grüße aus dem Norden\r\n"
            "Date: Mon, 23 Nov 2026 08:00:00 +0000\r\nMessage-ID: <big@example.com>\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n")
    lines = []
    size = 0
    while size < 3 << 20:
        number = len(lines)
        line = [".", "..", f". {number} ein Punkt am Anfang", f"{number} Žluťoučký kůň — ¡día! 汉字 🎉", ""][number % 5]
        lines.append(line)
        size += len(line.encode()) + 2
    return (head + "\r\n".join(lines) + "\r\n").encode()


def without_added_fields(content):
    """The message less the fields put in front of it: each a field name and its folded lines."""
    while content.lower().startswith(ADDED):
        end = content.index(b"\r\n") + 2
        while content[end:end + 1] in (b" ", b"\t"):
            end = content.index(b"\r\n", end) + 2
        content = content[end:]
    return content


def with_smtplib(subgate, password, mode, content, path):
    with login(subgate, USER, password, mode) as client:
        client.sendmail(USER, ["bob@example.net"], content, mail_options=["BODY=8BITMIME"])


def with_curl(subgate, password, mode, content, path):
    url = f"smtps://127.0.0.1:{subgate.implicit}" if mode == "implicit" else f"smtp://127.0.0.1:{subgate.starttls}"
    subprocess.run(["curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", subgate.authority.ca, "--url", url,
                    "--user", f"{USER}:{password}", "--mail-from", USER, "--mail-rcpt", "bob@example.net",
                    "--upload-file", path], check=True, timeout=60)


def with_swaks(subgate, password, mode, content, path):
    path.write_bytes(content.removesuffix(b"\r\n"))  # swaks ends the last line itself
    tls = (["--tls-on-connect", "--port", subgate.implicit] if mode == "implicit" else
           ["--tls", "--port", subgate.starttls])
    done = subprocess.run(["swaks", "--server", "127.0.0.1", *map(str, tls), "--auth", "PLAIN", "--auth-user", USER,
                           "--auth-password", password, "--from", USER, "--to", "bob@example.net", "--data",
                           f"@{path}", "--silent", "2", "--tls-verify", "--tls-ca-path", str(subgate.authority.ca)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("mode", ["implicit", "starttls"])
@pytest.mark.parametrize("send", [with_smtplib, with_curl, with_swaks])
def test_three_mebibytes_come_out_as_they_went_in(subgate, upstream, tmp_path, send, mode):
    password = subgate.create_app_password(USER)
    content = big_message()
    path = tmp_path / "message.eml"
    path.write_bytes(content)
    send(subgate, password, mode, content, path)
    received = upstream.wait_for(1)[0]
    assert without_added_fields(received.content) == content
    assert received.content.startswith(b"Received: by mail.example.com")
    assert received.rcpt_to == ["bob@example.net"]
    sent = subgate.wait_for_audit("message.sent")[0]
    assert sent["user"] == USER and sent["relay"] == "upstream" and sent["rcpt_to"][0]["code"] == 250
    assert len(subgate.audit("message.leaving")) == 1


def test_the_upstream_never_learns_who_the_client_is_in_private_mode(subgate, upstream):
    password = subgate.create_app_password(USER)
    with login(subgate, USER, password) as client:
        client.ehlo("my-own-laptop.local")
        client.sendmail(USER, ["bob@example.net"], f"From: {USER}\r\n\r\nhello\r\n")
    content = upstream.wait_for(1)[0].content
    assert b"127.0.0.1" not in content and b"my-own-laptop" not in content
    assert b"\r\nDate: " in content and b"\r\nMessage-ID: <" in content


@pytest.mark.parametrize("tls", ["implicit", "starttls", "none"])
@pytest.mark.parametrize("auth", ["plain", "login"])
def test_every_way_to_log_in_upstream(authority, tls, auth, start):
    upstream = Upstream(authority, tls=tls).start()
    try:
        subgate = start(relay_section(upstream, extra=f'auth = "{auth}"'))
        with login(subgate, USER, subgate.create_app_password(USER)) as client:
            client.sendmail(USER, ["bob@example.net"], f"From: {USER}\r\n\r\nhello\r\n")
        assert len(upstream.wait_for(1)) == 1
        assert upstream.logins == [(auth.upper(), Upstream.USER)]
    finally:
        upstream.stop()


def test_connections_are_reused_by_all_clients(subgate, upstream):
    password = subgate.create_app_password(USER)
    for number in range(10):
        with login(subgate, USER, password) as client:
            client.sendmail(USER, ["bob@example.net"], f"From: {USER}\r\n\r\nnumber {number}\r\n")
    assert len(upstream.wait_for(10)) == 10
    assert len(upstream.logins) == 1


def test_no_credentials_without_verified_tls(upstream, tmp_path, start):
    """Another authority than the one that signed the upstream's certificate: the password stays here."""
    from harness.certificates import Authority
    other = Authority(tmp_path / "other")
    section = relay_section(upstream).replace(str(upstream.authority.ca), str(other.ca))
    subgate = start(section)
    with login(subgate, USER, subgate.create_app_password(USER)) as client:
        client.mail(USER)
        code, text = client.rcpt("bob@example.net")
    assert code == 451 and text.startswith(b"4.")
    assert upstream.logins == [] and upstream.messages == []
