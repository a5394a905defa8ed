"""Notices as calls of notify.url: signed, repeated until they are taken, and kept over a restart."""

import hashlib
import hmac
import http.server
import json
import threading

import pytest

from harness.process import free_port, wait_until
from harness.subgate import relay_section

SECRET = "webhook-Secret-4711"


class Receiver:
    """Answers with `code`, and the notices whose id is `refused` with 400; `calls` are (signature, body) of each."""

    def __init__(self, authority=None):
        self.code, self.calls, self.refused = 200, [], None
        self.port = free_port()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.calls.append((self.headers["Subgate-Signature"], body))
                self.send_response(400 if json.loads(body)["id"] == receiver.refused else receiver.code)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        if authority:
            context = authority.server_context("hook.example.com")
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    @property
    def notices(self):
        return [json.loads(body) for _, body in self.calls]


@pytest.fixture
def receiver(request, authority):
    receiver = Receiver(authority if getattr(request, "param", "http") == "https" else None)
    yield receiver
    receiver.stop()


def section(receiver, scheme, more=""):
    """A disk that is always nearly full: a notice at each start."""
    return (f'notify {{ url = "{scheme}://127.0.0.1:{receiver.port}/hook"  secret_file = "secrets/hook"  {more} }}\n'
            'audit { low_space = "1024T" }\n')


@pytest.mark.parametrize("receiver", ["https"], indirect=True)
def test_a_notice_is_a_signed_call(upstream, start, receiver, authority):
    subgate = start(relay_section(upstream) + section(receiver, "https", f'ca_file = "{authority.ca}"'),
                    more_secrets={"hook": SECRET})
    wait_until(lambda: receiver.calls, lambda: f"a call:\n{subgate.log}")
    signature, body = receiver.calls[0]
    time, mac = (part.split("=", 1)[1] for part in signature.split(","))
    assert hmac.new(SECRET.encode(), f"{time}.".encode() + body, hashlib.sha256).hexdigest() == mac
    notice = json.loads(body)
    assert notice["kind"] == "audit.low_space" and notice["severity"] == "warning" and notice["version"] == 1
    assert notice["node"] == "mail.example.com" and notice["subject"] and "user" not in notice
    assert SECRET not in subgate.log


def test_a_call_that_is_not_taken_is_made_again_also_after_a_restart(upstream, start, receiver):
    receiver.code = 503
    subgate = start(relay_section(upstream) + section(receiver, "http"), more_secrets={"hook": SECRET})
    wait_until(lambda: len(receiver.calls) > 1, lambda: f"a second try:\n{subgate.log}")
    first = receiver.notices[0]["id"]
    assert {notice["id"] for notice in receiver.notices} == {first}
    subgate.wait_for_log("notify.url: it answers 503")
    subgate.stop()
    receiver.calls.clear()
    receiver.code = 204
    subgate.start()
    # In the order in which they were seen: that of the first start, then that of this one.
    wait_until(lambda: len(receiver.calls) == 2, lambda: f"both calls; there are {receiver.notices}:\n{subgate.log}")
    assert receiver.notices[0]["id"] == first
    wait_until(lambda: (subgate.state / "webhook-spool").stat().st_size == 0, "the spool to be empty")


def test_a_call_that_is_refused_holds_up_no_other(upstream, start, receiver):
    receiver.code = 400
    subgate = start(relay_section(upstream) + section(receiver, "http"), more_secrets={"hook": SECRET})
    wait_until(lambda: receiver.calls, lambda: f"a call:\n{subgate.log}")
    subgate.stop()
    receiver.refused, receiver.code = receiver.notices[0]["id"], 204
    receiver.calls.clear()
    subgate.start()
    wait_until(lambda: any(notice["id"] != receiver.refused for notice in receiver.notices),
               lambda: f"the next call; there are {receiver.notices}:\n{subgate.log}")


def test_an_url_of_another_machine_needs_tls_and_a_secret(upstream, start):
    subgate = start(relay_section(upstream), more_secrets={"hook": SECRET})
    subgate.write_config(relay_section(upstream) + 'notify { url = "http://192.0.2.1/hook" }\n')
    told = subgate.check().stderr
    assert "notify.url" in told and "notify.secret_file" in told
