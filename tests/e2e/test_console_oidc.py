"""Logging in at the console at an OpenID provider: the way there and back, and whatever else may come back."""

import base64
import hashlib
import http.cookies
import time
import urllib.parse

import pytest
from selenium.webdriver.common.by import By

from e2e.test_console_login import ANNA, ROLES
from harness.browser import Browser as Chromium
from harness.client import at_once
from harness.console import Console
from harness.oidc import CONSOLE_ID, CONSOLE_SECRET, Issuer, Key
from harness.process import wait_until
from harness.subgate import relay_section

ALICE = "alice@example.com"


@pytest.fixture
def issuer(authority):
    issuer = Issuer(authority).start()
    yield issuer
    issuer.stop()


def served(start, upstream, authority, issuer, ways='"password", "oidc"', more="", options="", **section):
    console = Console(authority, options)
    console.section = (f'console {{ address = {{"127.0.0.1:{console.port}"}}  {ROLES}  {options}\n'
                       f'  login = {{{ways}}}  url = "{console.url}" }}\n')
    subgate = start(relay_section(upstream) + console.section + issuer.login_section(console, **section) + more,
                    more_secrets={"console": CONSOLE_SECRET})
    return subgate, console


class Browser:
    """One that keeps cookies, but follows no link by itself; with SameSite as it was sent, for whoever asks."""

    def __init__(self, console, source="127.0.0.1"):
        self.console, self.source, self.cookies, self.sent = console, source, {}, {}

    def get(self, path, method="GET", **fields):
        """(status, fields, text)"""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection = self.console.connect(self.source)
        headers = {"Cookie": cookie, "Accept-Language": "en"}
        headers.update({name.replace("_", "-"): value for name, value in fields.items()})
        try:
            connection.request(method, path, None, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            self._keep(line)
        return answer.status, answer.headers, text

    def _keep(self, line):
        (name, morsel), = http.cookies.SimpleCookie(line).items()
        self.sent[name] = line
        if morsel["max-age"] == "0":
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = morsel.value

    def leave(self):
        """The query that it goes to the provider with."""
        status, fields, text = self.get("/login/oidc")
        assert status == 303, text
        return urllib.parse.urlsplit(fields["Location"])

    def come_back(self, where):
        return self.get(where.removeprefix(self.console.url))

    def log_in(self, issuer):
        return self.come_back(issuer.send_back(self.leave().query))

    @property
    def is_in(self):
        return "__Host-subgate" in self.cookies and self.get("/me")[0] == 200


def ready(subgate, console, issuer):
    """Once the provider's word has come, which may be after the start."""
    wait_until(lambda: Browser(console).get("/login/oidc")[0] == 303, "the provider to be known")


@pytest.fixture
def whole(start, upstream, authority, issuer):
    subgate, console = served(start, upstream, authority, issuer)
    ready(subgate, console, issuer)
    return subgate, console


def failures(subgate, count):
    return [(record["reason"], record.get("auth_method"), record["sasl_mechanism"], record["listener"])
            for record in subgate.wait_for_audit("auth.failure", count)][-count:]


def test_somebody_logs_in_at_the_provider(whole, issuer):
    subgate, console = whole
    browser = Browser(console)
    assert 'href="/login/oidc"' in browser.get("/login")[2]
    there = browser.leave()
    asked = dict(urllib.parse.parse_qsl(there.query))
    assert f"{there.scheme}://{there.netloc}{there.path}" == f"{issuer.url}/authorize"
    assert (asked["client_id"], asked["response_type"], asked["scope"]) == (CONSOLE_ID, "code", "openid email")
    assert asked["redirect_uri"] == f"{console.url}/login/callback"
    assert {len(asked[name]) for name in ("state", "nonce", "code_challenge")} == {43}
    assert len({asked[name] for name in ("state", "nonce", "code_challenge")}) == 3
    kept = browser.sent["__Host-subgate-login"].partition("; ")[2]
    assert set(kept.split("; ")) == {"Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age=600"}
    status, fields, text = browser.come_back(issuer.send_back(there.query))
    assert status == 200 and fields["Refresh"] == "0; url=/", text
    assert "SameSite=Strict" in browser.sent["__Host-subgate"]
    assert set(browser.cookies) == {"__Host-subgate"}
    assert browser.get("/")[1]["Location"] == "/me"
    assert ALICE in browser.get("/me")[2]
    record = subgate.wait_for_audit("admin.command")[-1]
    assert (record["command"], record["admin"], record["options"]) == ("console login", ALICE, "oidc")
    assert not issuer.faults
    for secret in (CONSOLE_SECRET, asked["state"], asked["nonce"], browser.cookies["__Host-subgate"]):
        assert secret not in subgate.log


@pytest.mark.parametrize("kind", ["basic", "post", "public"])
def test_each_kind_of_client_gets_its_token(start, upstream, authority, issuer, kind):
    issuer.is_public = kind == "public"
    if kind == "post":
        issuer.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"]}
    subgate, console = served(start, upstream, authority, issuer, secret=kind != "public")
    ready(subgate, console, issuer)
    browser = Browser(console)
    assert browser.log_in(issuer)[0] == 200 and browser.is_in, issuer.faults


def test_the_verifier_fits_the_challenge_and_is_no_browsers_to_know(whole, issuer):
    _, console = whole
    browser = Browser(console)
    query = browser.leave().query
    ticket = browser.cookies["__Host-subgate-login"]
    challenge = dict(urllib.parse.parse_qsl(query))["code_challenge"]
    for guess in (ticket, ticket[:43], dict(urllib.parse.parse_qsl(query))["state"]):
        assert base64.urlsafe_b64encode(hashlib.sha256(guess.encode()).digest()).rstrip(b"=").decode() != challenge
    assert browser.come_back(issuer.send_back(query))[0] == 200  # the provider has checked it
    assert not issuer.faults


# ---- what else may come back


def test_a_login_is_no_other_browsers(whole, issuer):
    subgate, console = whole
    victim, attacker = Browser(console), Browser(console)
    where = issuer.send_back(attacker.leave().query)  # the attacker is logged in there as themselves
    status, _, text = victim.come_back(where)  # whoever has not begun a login
    assert status == 400 and "another browser" in text
    victim.leave()
    status, _, text = victim.come_back(where)  # or has begun another one
    assert status == 400 and "another browser" in text
    assert victim.cookies.keys() == {"__Host-subgate-login"} and not victim.is_in
    subgate.wait_for_log("an answer of the provider's is none of a login that is under way there")
    assert "/realm/token" not in issuer.requests  # no code was shown to anybody
    assert attacker.come_back(where)[0] == 200 and attacker.is_in


def test_a_login_comes_back_once(whole, issuer):
    _, console = whole
    browser = Browser(console)
    query = browser.leave().query
    ticket = browser.cookies["__Host-subgate-login"]
    where = issuer.send_back(query)
    assert browser.come_back(where)[0] == 200
    for again in (where, issuer.send_back(query)):  # the same code, and a new one under the same state
        browser.cookies = {"__Host-subgate-login": ticket}
        assert browser.come_back(again)[0] == 400
        assert not browser.is_in
    assert issuer.requests.count("/realm/token") == 1


def test_state_and_ticket_are_not_to_be_made_up(whole, issuer):
    _, console = whole
    browser = Browser(console)
    query = browser.leave().query
    ticket = browser.cookies["__Host-subgate-login"]
    where = issuer.send_back(query)
    state = dict(urllib.parse.parse_qsl(query))["state"]
    for wrong in (where.replace(state, "A" * 43), where.replace(state, ""), where.replace(state, state[:-1]),
                  where.replace("state=", "x=")):
        assert browser.come_back(wrong)[0] == 400, wrong
    later = f"{int(ticket[32:48], 16) + 1:016x}"
    for wrong in ("0" * 80, ticket[:-1] + ("0" if ticket[-1] != "0" else "1"), ticket[:32] + later + ticket[48:],
                  ticket[:79], ticket + "0", "", "x" * 5000):
        browser.cookies = {"__Host-subgate-login": wrong}
        assert browser.come_back(where)[0] == 400, wrong
    assert "/realm/token" not in issuer.requests
    browser.cookies = {"__Host-subgate-login": ticket}
    assert browser.come_back(where)[0] == 200  # no failed try has spoiled it


def test_a_code_of_another_login_is_of_no_use(whole, issuer):
    subgate, console = whole
    victim, attacker = Browser(console), Browser(console, "127.0.0.9")
    stolen = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(issuer.send_back(victim.leave().query)).query))["code"]
    issuer.answer = {"code": stolen}
    assert attacker.log_in(issuer)[0] == 401
    assert issuer.faults == ["invalid_grant: another verifier"]
    assert failures(subgate, 1) == [("code not taken by the provider", "oidc", "OIDC", "console")]


def test_an_answer_of_another_provider_goes_to_nobody(start, upstream, authority, issuer):
    issuer.metadata = {"authorization_response_iss_parameter_supported": True}
    subgate, console = served(start, upstream, authority, issuer)
    ready(subgate, console, issuer)
    browser = Browser(console)
    for wrong in ("https://evil.example", f"{issuer.url}/", None):
        issuer.answer = {"iss": wrong}
        assert browser.log_in(issuer)[0] == 401, wrong
    assert "/realm/token" not in issuer.requests
    assert {reason for reason, *_ in failures(subgate, 3)} == {"answer of another provider"}
    issuer.answer = {"iss": issuer.url}
    assert browser.log_in(issuer)[0] == 200 and browser.is_in


def test_a_provider_that_names_itself_unasked_is_held_to_it(whole, issuer):
    _, console = whole
    issuer.answer = {"iss": "https://evil.example"}
    assert Browser(console).log_in(issuer)[0] == 401
    assert "/realm/token" not in issuer.requests


BAD = {
    "of another login": ({"nonce": "A" * 43}, "ID token of another login"),
    "of no login": ({"nonce": None}, "ID token of another login"),
    "for another client": ({"aud": "calendar"}, "token for another audience"),
    "for others, too": ({"aud": [CONSOLE_ID, "calendar"]}, "ID token for another client"),
    "made for another": ({"azp": "calendar"}, "ID token for another client"),
    "of another issuer": ({"iss": "https://evil.example"}, "token of another issuer"),
    "over": ({"exp": 1}, "token expired"),
    "without an end": ({"exp": None}, "token without an end"),
    "issued at no time": ({"iat": None}, "ID token issued at another time"),
    "issued long ago": ({"iat": int(time.time()) - 86400}, "ID token issued at another time"),
    "of tomorrow": ({"iat": int(time.time()) + 86400}, "ID token issued at another time"),
    "of nobody": ({"sub": None}, "ID token without a subject"),
    "with an address not verified": ({"email_verified": False}, "token whose e-mail address is not verified"),
    "without a name": ({"email": None}, "token that names nobody"),
    "with a text for a name": ({"email": "<b>@\"\n"}, "token that names nobody"),
    "bound to a key": ({"cnf": {"jkt": "x"}}, "ID token that can't be read"),
}


def test_no_other_id_token_logs_in(whole, issuer):
    subgate, console = whole
    addresses = {f"127.6.6.{number}": what for number, what in enumerate(BAD, 1)}

    def try_bad(address):
        browser = Browser(console, address)
        where = issuer.send_back(browser.leave().query)
        code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(where).query))["code"]
        issuer.codes[code]["twist"] = BAD[addresses[address]][0]
        return browser.come_back(where)[0], "__Host-subgate" in browser.cookies

    assert set(at_once([lambda address=address: try_bad(address) for address in addresses])) == {(401, False)}
    records = subgate.wait_for_audit("auth.failure", len(BAD))
    assert {addresses[record["client_address"]]: record["reason"] for record in records} == {
        what: reason for what, (_, reason) in BAD.items()}
    assert {record["auth_method"] for record in records} == {"oidc"}


def test_signatures_of_others_count_for_nothing(whole, issuer):
    subgate, console = whole
    heads = [({"key": Key("key-1")}, "token with a wrong signature"),
             ({"header": {"alg": "none"}}, "token with a wrong signature"),
             ({"header": {"alg": "HS256"}}, "token with a wrong signature"),
             ({"key": Key("key-9")}, "token signed with an unknown key"),
             ({"header": {"typ": "at+jwt"}}, "ID token of another kind")]
    for number, (head, _) in enumerate(heads, 1):
        browser = Browser(console, f"127.6.7.{number}")
        query = browser.leave().query
        issuer.bad_token = issuer.token(**head, aud=CONSOLE_ID, nonce=dict(urllib.parse.parse_qsl(query))["nonce"])
        assert browser.come_back(issuer.send_back(query))[0] == 401
    issuer.bad_token = "a.b.c"
    assert Browser(console, "127.6.7.99").log_in(issuer)[0] == 401
    assert [reason for reason, *_ in failures(subgate, len(heads) + 1)] == [
        *(reason for _, reason in heads), "ID token that can't be read"]
    issuer.bad_token = None
    issuer.rotate("EC")
    browser = Browser(console, "127.6.7.100")
    assert browser.log_in(issuer)[0] == 200 and browser.is_in


def test_what_the_provider_refuses_is_said_in_plain_words(whole, issuer):
    _, console = whole
    words = {"access_denied": (403, "You were not let in there"), "server_error": (503, "Nobody can log in there"),
             "invalid_scope": (403, "not set up there"), "<script>alert(1)</script>": (403, "was not accepted")}
    for error, (code, said) in words.items():
        issuer.answer = {"code": None, "error": error, "error_description": "<img src=x onerror=alert(1)>"}
        status, _, text = Browser(console).log_in(issuer)
        assert status == code and said in text, text
        assert "alert(1)" not in text and "<img" not in text


def test_an_answer_that_says_anything_twice_is_none(whole, issuer):
    _, console = whole
    browser = Browser(console)
    where = issuer.send_back(browser.leave().query)
    for more in ("&code=a", "&state=a", "&error=a&error=b", "&iss=a&iss=a", "&error=" + "a" * 5000):
        assert browser.come_back(where + more)[0] == 400, more
    assert browser.come_back(where + "&error=a")[0] == 400  # both a code and an error
    assert browser.come_back(where.partition("?")[0])[0] == 400
    assert browser.get(where.removeprefix(console.url), method="HEAD")[0] == 405
    assert browser.get(where.removeprefix(console.url), method="POST")[0] == 405
    assert browser.come_back(where)[0] == 200


def test_nobody_is_sent_anywhere_else(whole, issuer):
    _, console = whole
    browser = Browser(console)
    for query in ("?url=https://evil.example", "?redirect_uri=https://evil.example", "?next=//evil.example"):
        status, fields, _ = browser.get("/login/oidc" + query, Host="evil.example", X_Forwarded_Host="evil.example")
        asked = urllib.parse.urlsplit(fields["Location"])
        assert status == 303 and fields["Location"].startswith(f"{issuer.url}/authorize?")
        assert dict(urllib.parse.parse_qsl(asked.query))["redirect_uri"] == f"{console.url}/login/callback"
    where = issuer.send_back(browser.leave().query)
    _, fields, _ = browser.come_back(where + "&url=https://evil.example&Refresh=0")
    assert fields["Refresh"] == "0; url=/"
    assert browser.get("/login/oidc", Sec_Fetch_Site="cross-site")[0] == 403


# ---- who may


def test_roles_groups_and_required_claims_are_the_tokens(start, upstream, authority, issuer):
    subgate, console = served(start, upstream, authority, issuer, options='operator_groups = {"mail-operators"}',
                              extra='groups_claim = "roles.all"  required_claims = {"hd=example.com", "amr=mfa"}')
    ready(subgate, console, issuer)
    for user, code in (({"hd": "example.com", "amr": ["pwd", "mfa"], "roles": {"all": ["Mail-Operators"]}}, 200),
                       ({"hd": "example.com", "amr": ["pwd"]}, 401), ({"hd": "example.org", "amr": ["mfa"]}, 401),
                       ({"amr": "mfa"}, 401)):
        issuer.twist = user
        browser = Browser(console)
        assert browser.log_in(issuer)[0] == code, user
        assert code != 200 or browser.get("/")[1]["Location"] == "/now"
    issuer.twist = {"hd": "example.com", "amr": "mfa", "email": ANNA.upper()}
    browser = Browser(console)
    assert browser.log_in(issuer)[0] == 200
    assert 'action="/relays/pause"' in browser.get("/relays")[2]  # an administrator, by name


def test_a_directory_says_who_may_log_in(start, upstream, authority, issuer, directory):
    subgate, console = served(start, upstream, authority, issuer, more=directory.section())
    ready(subgate, console, issuer)
    browser = Browser(console)
    assert browser.log_in(issuer)[0] == 200 and browser.is_in
    subgate.ctl("user", "lock", ALICE)
    wait_until(lambda: not browser.is_in, "the locked user's session to end")
    status, _, text = Browser(console).log_in(issuer)
    assert status == 403 and "may not log in here" in text
    for stranger in ("leaver@example.com", "nobody@example.org"):
        issuer.user = {"email": stranger, "email_verified": True}
        assert Browser(console).log_in(issuer)[0] == 403, stranger


def test_passwords_can_be_switched_off(start, upstream, authority, issuer):
    subgate, console = served(start, upstream, authority, issuer, ways='"oidc"')
    ready(subgate, console, issuer)
    browser = Browser(console)
    assert 'name="password"' not in browser.get("/login")[2]
    password = subgate.create_app_password(ANNA, "console", "--console")
    status, _, answer = console.ask("POST", "/api/v1/login", {"user": ANNA, "password": password})
    assert status == 403 and "at the provider" in answer["error"]
    assert browser.log_in(issuer)[0] == 200 and browser.is_in


def test_without_a_provider_there_is_no_such_way(start, upstream, authority):
    console = Console(authority)
    start(relay_section(upstream) + console.section)
    for path in ("/login/oidc", "/login/callback?code=a&state=b"):
        assert Browser(console).get(path)[0] == 404
    for path in ("begin", "finish"):
        assert console.ask("POST", f"/api/v1/login/{path}", {})[0] == 404
    assert "/login/oidc" not in Browser(console).get("/login")[2]


# ---- limits and faults


def test_guessed_codes_count_for_their_address_and_no_other(start, upstream, authority, issuer):
    subgate, console = served(start, upstream, authority, issuer, more="auth { failures_per_address = 4 }\n")
    ready(subgate, console, issuer)
    codes = []
    for number in range(8):
        issuer.answer = {"code": f"made-up-{number}"}
        codes.append(Browser(console, "127.8.8.8").log_in(issuer)[0])
    assert codes[:2] == [401] * 2 and codes[-1] == 503, codes
    assert issuer.requests.count("/realm/token") == codes.count(401)
    assert "address throttled" in {record["reason"] for record in subgate.wait_for_audit("auth.failure", 8)}
    issuer.answer = {}
    assert Browser(console, "127.8.8.9").log_in(issuer)[0] == 200


def test_logins_that_are_begun_and_never_ended_take_nothing_from_others(whole, issuer):
    _, console = whole
    browser = Browser(console, "127.8.9.1")
    query = browser.leave().query
    statuses = at_once([lambda i=i: [Browser(console, f"127.8.9.{2 + i}").get("/login/oidc")[0] for _ in range(90)]
                        for i in range(3)])
    assert {status for of_one in statuses for status in of_one} == {303}
    one = [Browser(console, "127.8.9.9").get("/login/oidc")[0] for _ in range(150)]
    assert set(one) <= {303, 429}
    assert browser.come_back(issuer.send_back(query))[0] == 200


def test_a_provider_that_is_away_is_said_and_comes_back(start, upstream, authority, issuer):
    subgate, console = served(start, upstream, authority, issuer)
    ready(subgate, console, issuer)
    browser = Browser(console)
    query = browser.leave().query
    issuer.away = True
    status, _, text = browser.come_back(issuer.send_back(query))
    assert status == 503 and "Nobody can log in there right now" in text
    subgate.wait_for_log("oidc: a login at")
    issuer.away = False
    assert browser.log_in(issuer)[0] == 200


@pytest.mark.parametrize("metadata, why", [
    ({"issuer": "https://evil.example"}, "is of another issuer"),
    ({"authorization_endpoint": "http://127.0.0.1/authorize"}, "names no authorization_endpoint with https://"),
    ({"authorization_endpoint": "https://a.example/\r\nSet-Cookie: a=b"}, "names no authorization_endpoint"),
    ({"token_endpoint": None}, "names no token_endpoint with https://"),
    ({"code_challenge_methods_supported": ["plain"]}, "has no PKCE by S256"),
])
def test_a_provider_that_will_not_do_is_told_in_the_log(start, upstream, authority, issuer, metadata, why):
    issuer.metadata = metadata
    subgate, console = served(start, upstream, authority, issuer)
    subgate.wait_for_log(f"nobody can log in at {issuer.url}: its openid-configuration {why}")
    status, _, text = Browser(console).get("/login/oidc")
    assert status == 503 and "Nobody can log in there right now" in text


def test_a_wrong_secret_is_a_matter_for_the_log(start, upstream, authority, issuer):
    subgate, console = served(start, upstream, authority, issuer, secret=False)
    ready(subgate, console, issuer)
    assert Browser(console).log_in(issuer)[0] == 503
    subgate.wait_for_log("its token endpoint gives no ID token (HTTP status 401, invalid_client)")


def test_the_api_has_it_too(whole, issuer):
    _, console = whole
    status, _, begun = console.ask("POST", "/api/v1/login/begin", {})
    assert status == 200
    where = issuer.send_back(urllib.parse.urlsplit(begun["location"]).query)
    answer = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(where).query))
    for body in ({}, answer, {**answer, "ticket": 1}, {**answer, "ticket": begun["ticket"], "error": "x"}, []):
        assert console.ask("POST", "/api/v1/login/finish", body)[0] == 400, body
    status, fields, answer = console.ask("POST", "/api/v1/login/finish", {**answer, "ticket": begun["ticket"]})
    assert (status, answer["user"]) == (200, ALICE) and fields["Set-Cookie"].startswith("__Host-subgate=")


# ---- in a real browser


@pytest.mark.seconds(40)
@pytest.mark.xdist_group("browser")
def test_chromium_logs_in_with_the_strict_cookie_and_without_scripts(start, upstream, authority, issuer, tmp_path):
    issuer.user = None  # nobody is logged in at the provider: it asks
    issuer.twist = {"email": ANNA}
    subgate, console = served(start, upstream, authority, issuer)
    ready(subgate, console, issuer)
    browser = Chromium(tmp_path / "chromium")
    try:
        driver = browser.driver
        browser.run_scripts(False)
        driver.get(f"{console.url}/login")
        driver.find_element(By.CSS_SELECTOR, "a[href='/login/oidc']").click()
        wait_until(lambda: driver.current_url.startswith(issuer.url), lambda: driver.page_source)
        wait_until(lambda: driver.find_elements(By.TAG_NAME, "button"), lambda: driver.page_source)[0].click()
        wait_until(lambda: driver.find_elements(By.CSS_SELECTOR, "form[action='/logout']"), lambda: driver.page_source)
        assert driver.current_url == f"{console.url}/now"
        browser.run_scripts(True)
        names = {cookie["name"]: cookie["sameSite"] for cookie in driver.get_cookies()}
        assert names == {"__Host-subgate": "Strict"}
        driver.find_element(By.CSS_SELECTOR, "form[action='/logout'] button").click()
        wait_until(lambda: driver.find_elements(By.CSS_SELECTOR, "a[href='/login/oidc']"), lambda: driver.page_source)
        faults = browser.faults()
        where = issuer.send_back(urllib.parse.urlsplit(Browser(console).get("/login/oidc")[1]["Location"]).query)
        driver.get(where)  # another browser's login
        wait_until(lambda: "another browser" in driver.page_source, lambda: driver.page_source)
        faults += browser.faults() + [line for line in browser.refused()
                                        if "400 (Bad Request)" not in line and "favicon.ico" not in line]
        assert not faults, "\n".join(faults)
    finally:
        browser.quit()
