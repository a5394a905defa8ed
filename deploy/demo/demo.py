#!/usr/bin/env python3
"""
Shows Subgate at work: a demo certificate, a local upstream with TLS and AUTH, Subgate with its embedded Redis in front
of it, and two mails. With --stay it keeps running and prints the settings for a mail client.
"""

import argparse
import json
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from harness.certificates import Authority  # noqa: E402
from harness.process import free_port  # noqa: E402
from harness.subgate import Subgate, relay_section  # noqa: E402
from harness.upstream import Upstream  # noqa: E402

USER = "alice@example.com"


def say(text=""):
    print(text, flush=True)


def step(text):
    say(f"\n== {text}")


def port_for(wanted):
    """The port that mail clients expect, where it is free and ours to take."""
    for port in (wanted, wanted + 10000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    return free_port()


class Demo(Subgate):
    def choose_ports(self):
        self.implicit, self.starttls = port_for(465), port_for(587)


def send_with_curl(subgate, password, mail):
    say(f"curl, implicit TLS, port {subgate.implicit}, AUTH PLAIN as {USER}:")
    subprocess.run(["curl", "--silent", "--show-error", "--cacert", subgate.authority.ca, "--url",
                    f"smtps://127.0.0.1:{subgate.implicit}", "--user", f"{USER}:{password}", "--mail-from", USER,
                    "--mail-rcpt", "bob@example.net", "--upload-file", mail], check=True)
    say("  accepted")


def send_with_swaks(subgate, password):
    say(f"swaks, STARTTLS, port {subgate.starttls}, AUTH LOGIN as {USER}:")
    done = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(subgate.starttls), "--tls",
                           "--auth", "LOGIN", "--auth-user", USER, "--auth-password", password,
                           "--from", USER, "--to", "carol@example.net",
                           "--header", "Subject: The second mail", "--body", "Sent by swaks over STARTTLS.",
                           "--protect-prompt", "--auth-hide-password"], capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith(("<~  ", "<-  ", "<** ", " ~> ", " -> ")):
            say(f"  {line}")
    if done.returncode:
        raise SystemExit(f"swaks failed:\n{done.stdout}{done.stderr}")


def show_upstream(upstream):
    step("What the upstream received: the message as it was sent, below one Received line without the client's address")
    for message in upstream.wait_for(2):
        say(f"-- from {message.mail_from} to {', '.join(message.rcpt_to)}")
        say(message.content.decode().replace("\r\n", "\n"))
    say(f"The upstream saw {len(upstream.logins)} login, as {upstream.logins[0][1]}: Alice's password never reached "
        "it, and she never sees the relay's.")


def show_audit(subgate):
    step("The audit: every step of every message, linked by hashes that are signed each second, so that a change shows")
    explanations = {
        "audit.begin": "a process begins to write", "audit.checkpoint": "all up to here is signed, and the key erased",
        "admin.command": "an administrator asked for something, and what came of it",
        "session.open": "a client is about to log in", "session.close": "and gone",
        "auth.success": "a user proved who they are",
        "message.leaving": "written before the final dot goes out", "message.sent": "the upstream accepted it",
    }
    subgate.wait_for_audit("session.close", 2)
    for record in subgate.audit():
        say(f"-- {record['type']}: {explanations.get(record['type'], '')}")
        say(f"   {json.dumps(record)}")


def show(subgate, upstream, password, folder):
    step("One mail through each port")
    mail = folder / "mail.eml"
    mail.write_text(f"From: Alice <{USER}>\nTo: bob@example.net\nSubject: The first mail\n\nSent by curl over TLS.\n")
    send_with_curl(subgate, password, mail)
    send_with_swaks(subgate, password)
    show_upstream(upstream)
    step("Alice's quota: counted in Redis, exact across any number of nodes")
    say(subgate.ctl("quota", "show", USER).stdout.rstrip())
    show_audit(subgate)
    step("The processes: those that talk to clients hold no password and can open neither files nor sockets")
    say(subgate.ctl("status").stdout.rstrip())


def stay(subgate, password):
    step("Settings for a mail client on this machine")
    say(f"""  server       127.0.0.1
  port         {subgate.implicit} with SSL/TLS, or {subgate.starttls} with STARTTLS
  user name    {USER}
  password     {password}
  certificate  signed by {subgate.authority.ca} (a demo authority: import it, or accept the warning)

  build/subgatectl -s {subgate.run}/admin.sock status
  log: {subgate.folder}/subgate.log    audit: {subgate.state}/audit.jsonl

Mail goes to a demo upstream that keeps it in memory. Ctrl-C ends everything.""")
    try:
        signal.pause()
    except KeyboardInterrupt:
        say()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--stay", action="store_true", help="keep running until Ctrl-C")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="subgate-demo-") as name:
        folder = pathlib.Path(name)
        step("A demo certificate, and an upstream (aiosmtpd) that wants TLS and a login")
        upstream = Upstream(Authority(folder / "tls")).start()
        say(f"upstream: 127.0.0.1:{upstream.port}, account {upstream.USER}")
        subgate = Demo(folder / "subgate", upstream.authority, secrets={"upstream": upstream.PASSWORD})
        subgate.choose_ports()
        subgate.write_config(relay_section(upstream))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        try:
            step("Subgate, with its embedded Redis; and an app password for Alice's phone")
            subgate.start()
            password = subgate.create_app_password(USER, "Alice's phone")
            say(f"clients: 127.0.0.1:{subgate.implicit} (TLS) and 127.0.0.1:{subgate.starttls} (STARTTLS)")
            say(f"subgatectl app-password create {USER} --label \"Alice's phone\"  ->  {password}")
            show(subgate, upstream, password, folder)
            if options.stay:
                stay(subgate, password)
        finally:
            step("Ending: sessions are finished, then the roles, then Redis")
            subgate.stop()
            upstream.stop()
        say("done: nothing is left running")


if __name__ == "__main__":
    main()
