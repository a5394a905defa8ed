"""subgatectl relay authorize: an administrator's consent becomes the relay's refresh token, and stays it."""

import base64
import hashlib
import html
import re
import subprocess
import urllib.parse
import urllib.request

import pytest

from e2e.test_console_login import ANNA, BEN, ROLES
from e2e.test_console_pages import log_in
from e2e.test_tokens import APPLICATION, begin, endpoint, relay, send  # noqa: F401
from harness.console import Console
from harness.process import wait_until
from harness.subgate import BUILD


class Dialog:
    """A running subgatectl, as its administrator sees it."""

    def __init__(self, subgate, *arguments):
        self._process = subprocess.Popen(
            [BUILD / "subgatectl", "-s", subgate.run / "admin.sock", *arguments], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.shown = ""

    def find(self, pattern):
        """Reads on until it is shown."""
        while not re.search(pattern, self.shown):
            line = self._process.stderr.readline()
            assert line, f"it ended: {self.shown}"
            self.shown += line
        return re.search(pattern, self.shown)

    def end(self, text=None):
        out, errors = self._process.communicate(text, timeout=60)
        return self._process.returncode, out, self.shown + errors


@pytest.fixture
def unauthorized(begin, endpoint):  # noqa: F811
    def begin_one(sections="", **flow):
        options = "  ".join(f'{name} = "{endpoint.url}/{path}"' for name, path in flow.items())
        return begin(f"{APPLICATION}  {options}", sections, provider="custom")

    return begin_one


def consent(address, **more):
    """Where the consent page sends the browser."""
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
    return asked, asked["redirect_uri"] + "?" + urllib.parse.urlencode({"state": asked["state"], **more})


def test_by_the_device_flow(unauthorized, endpoint, relay):  # noqa: F811
    subgate, password = unauthorized(device_url="device")
    assert send(subgate, password)[0] == 451
    subgate.wait_for_log("no refresh token yet: subgatectl relay authorize")
    dialog = Dialog(subgate, "relay", "authorize", "upstream")
    shown = dialog.find(r"Open (\S+), log in as the relay's mailbox, and enter the code (\S+)")
    assert shown.groups() == (f"{endpoint.url}/activate", "WDJB-MJHT")
    endpoint.wait_for(2)  # it asks, and hears that it is not yet done
    endpoint.consented = True
    assert dialog.end()[0] == 0
    wait_until(lambda: send(subgate, password)[0] == 250, lambda: subgate.log)
    assert relay.logins[-1][3] == endpoint.access[-1]


def test_by_the_consent_page_in_a_browser_on_this_machine(unauthorized, endpoint, relay):  # noqa: F811
    subgate, password = unauthorized(authorize_url="consent")
    dialog = Dialog(subgate, "--json", "relay", "authorize", "upstream")
    asked, sent_to = consent(dialog.find(rf"{endpoint.url}/consent\S+").group(), code="code-1-77aa01")
    assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
    endpoint.accepts.add("code-1-77aa01")
    with urllib.request.urlopen(sent_to, timeout=30) as page:
        assert page.status == 200
    assert dialog.end()[0] == 0
    form = endpoint.requests[-1].form
    assert form["grant_type"] == "authorization_code" and form["redirect_uri"] == asked["redirect_uri"]
    digest = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["code_challenge"]
    wait_until(lambda: send(subgate, password)[0] == 250, lambda: subgate.log)
    for secret in ("code-1-77aa01", form["code_verifier"], *endpoint.access, *endpoint.refresh):
        assert secret not in subgate.log


def test_by_pasting_the_address_and_what_is_no_answer_to_it(unauthorized, endpoint, relay):  # noqa: F811
    subgate, password = unauthorized(authorize_url="consent")
    endpoint.accepts.add("code-2-77aa01")
    for answer, why in (
            (lambda to: to.replace("state=", "state=x"), "no code of this consent"),
            (lambda to: to.replace("code=", "error=access_denied&x="), "the consent page said no"),
            (lambda to: "two words", "no code of this consent")):
        dialog = Dialog(subgate, "relay", "authorize", "upstream")
        _, sent_to = consent(dialog.find(r"https://\S+").group(), code="code-2-77aa01")
        code, _, errors = dialog.end(answer(sent_to) + "\n")
        assert code == 1 and why in errors
    dialog = Dialog(subgate, "relay", "authorize", "upstream")
    _, sent_to = consent(dialog.find(r"https://\S+").group(), code="code-2-77aa01")
    assert dialog.end(sent_to + "\n")[0] == 0
    assert len([r for r in endpoint.requests if r.form["grant_type"] == "authorization_code"]) == 1
    wait_until(lambda: send(subgate, password)[0] == 250, lambda: subgate.log)


@pytest.fixture
def administrator(unauthorized, authority):
    """administrator(device_url=…): a Subgate, an app password for mail, and whoever administers it, at the console."""

    def log_in_there(**flow):
        console = Console(authority, ROLES)
        subgate, password = unauthorized(console.section, **flow)
        return subgate, password, log_in(console, subgate, ANNA)

    return log_in_there


def fields_of(page):
    """What the form that goes on with a consent sends along; None: the page has none."""
    form = re.search(r'action="/relays/consent">(.*?)</form>', page, re.DOTALL)
    fields = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[1]) if form else []
    return {name: html.unescape(value) for name, value in fields if name != "csrf"} or None


def test_by_the_device_flow_on_the_console(administrator, endpoint, relay):  # noqa: F811
    subgate, password, reader = administrator(device_url="device")
    assert 'action="/relays/authorize"' in reader.get("/relays")[2]
    status, _, page = reader.post("/relays/authorize", {"relay": "upstream"})
    assert status == 200 and f'href="{endpoint.url}/activate"' in page and "<code>WDJB-MJHT</code>" in page
    for _ in range(2):
        status, _, page = reader.post("/relays/consent", fields_of(page))
        assert status == 200 and "has not come yet" in page and "<code>WDJB-MJHT</code>" in page
    endpoint.consented = True
    status, _, page = reader.post("/relays/consent", fields_of(page))
    assert status == 200 and "The relay is authorized." in page and fields_of(page) is None
    wait_until(lambda: send(subgate, password)[0] == 250, lambda: subgate.log)


def test_by_pasting_the_address_on_the_console(administrator, endpoint, relay):  # noqa: F811
    subgate, password, reader = administrator(authorize_url="consent")
    endpoint.accepts.add("code-3-77aa01")
    page = reader.post("/relays/authorize", {"relay": "upstream"})[2]
    asked, sent_to = consent(fields_of(page)["uri"], code="code-3-77aa01")
    assert asked["redirect_uri"] == "http://127.0.0.1:1/"
    status, _, page = reader.post("/relays/consent", {**fields_of(page), "answer": "two words"})
    assert status == 422 and "no code of this consent" in page
    status, _, page = reader.post("/relays/consent", {**fields_of(page), "answer": sent_to})
    assert status == 200 and "The relay is authorized." in page
    wait_until(lambda: send(subgate, password)[0] == 250, lambda: subgate.log)
    records = (subgate.state / "audit.jsonl").read_text()
    assert "relay authorize" in records and "code-3-77aa01" not in records + subgate.log


def test_who_may_authorize_on_the_console_and_what_is_no_link(administrator, endpoint, relay):  # noqa: F811
    subgate, _, reader = administrator(device_url="device")
    operator = log_in(reader.console, subgate, BEN)
    assert "/relays/authorize" not in operator.get("/relays")[2]
    assert operator.post("/relays/authorize", {"relay": "upstream"})[0] == 403
    fields = fields_of(reader.post("/relays/authorize", {"relay": "upstream"})[2])
    page = reader.post("/relays/consent", {**fields, "uri": "javascript:alert(1)"})[2]
    assert 'href="#"' in page and 'href="javascript' not in page


def test_a_rotated_token_outlives_reload_and_crash(unauthorized, endpoint, relay):  # noqa: F811
    endpoint.rotates = True
    subgate, password = unauthorized(device_url="device")
    endpoint.consented = True
    assert Dialog(subgate, "relay", "authorize", "upstream").end()[0] == 0
    for number, again in enumerate((lambda: subgate.ctl("reload"), lambda: subgate.kill() or subgate.start())):
        fetched = len(endpoint.access)
        again()
        wait_until(lambda: len(endpoint.access) > fetched, lambda: subgate.log)
        wait_until(lambda: send(subgate, password, number)[0] == 250, lambda: subgate.log)
    used = [r.form["refresh_token"] for r in endpoint.requests if "refresh_token" in r.form]
    assert used == endpoint.refresh[:len(used)] and len(used) == 2
    assert subgate.state.joinpath("oauth-google").stat().st_mode & 0o077 == 0


def test_what_can_not_be_authorized(begin):  # noqa: F811
    subgate, _ = begin()
    done = subgate.ctl("relay", "authorize", "nowhere", check=False)
    assert done.returncode == 1 and "needs no consent" in done.stderr
    assert subgate.ctl("relay", "authorize", check=False).returncode == 2
