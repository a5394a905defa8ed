"""
Logins upstream with tokens: what is asked of a token endpoint, what the relay is shown, and what happens when either of
them refuses, hangs or lies.
"""

import concurrent.futures
import os
import pathlib
import re
import time
import urllib.request

import pytest

from e2e.test_secrets import find
from harness.certificates import Authority
from harness.client import hear, login, message
from harness.process import PATIENCE, wait_until
from harness.subgate import relay_section
from harness.token_endpoint import ASSERTION, ServiceAccount, TokenEndpoint, read_jwt
from harness.token_upstream import TokenUpstream

USER = "alice@example.com"
APPLICATION = f'client_id = "{TokenEndpoint.CLIENT_ID}"  client_secret_file = "secrets/client"'
REFRESH = f'{APPLICATION}  refresh_token_file = "secrets/refresh"'
CREDENTIALS = f'{APPLICATION}  grant = "client_credentials"'
SECRETS = {"client": TokenEndpoint.CLIENT_SECRET, "refresh": "refresh-Token-1"}


@pytest.fixture
def endpoint(authority):
    endpoint = TokenEndpoint(authority)
    yield endpoint
    endpoint.stop()


@pytest.fixture
def relay():
    upstream = TokenUpstream().start()
    yield upstream
    upstream.stop()


@pytest.fixture
def begin(start, endpoint, relay):
    """begin(options of the oauth section) starts all three; the relay takes every token that the endpoint gave."""

    def begin_all(extra=REFRESH, sections="", relay_options=None, secrets=None, **section):
        endpoint.start()
        relay.tokens = endpoint.access
        subgate = start(endpoint.section(extra=extra, **section) + relay.section(**(relay_options or {})) + sections,
                        more_secrets={**SECRETS, **(secrets or {})})
        return subgate, subgate.create_app_password(USER)

    return begin_all


def send(subgate, password, number=0):
    with login(subgate, USER, password) as client:
        client.mail(USER)
        code, text = client.rcpt("bob@example.net")
        if code == 250:
            code, text = client.data(message(USER, number=number))
    return code, text.decode()


def has_logged(subgate, pattern):
    return lambda: re.search(pattern, subgate.log)


def metric(subgate, result):
    text = urllib.request.urlopen(f"http://127.0.0.1:{subgate.http}/metrics", timeout=30).read().decode()
    return int(re.search(rf'subgate_token_fetches_total{{oauth="google",result="{result}"}} (\d+)', text).group(1))


def test_a_refresh_token_gets_one_access_token_for_all_logins(begin, endpoint, relay):
    subgate, password = begin()
    for number in range(3):
        assert send(subgate, password, number)[0] == 250
    assert relay.logins == [("XOAUTH2", relay.USER, 1, endpoint.access[0])]
    assert [r.form for r in endpoint.requests] == [{
        "grant_type": "refresh_token", "client_id": endpoint.CLIENT_ID, "client_secret": endpoint.CLIENT_SECRET,
        "refresh_token": "refresh-Token-1"}]
    assert (metric(subgate, "ok"), metric(subgate, "failed")) == (1, 0)


def test_long_tokens_go_in_two_steps_and_bearer_has_its_own_form(begin, endpoint, relay):
    endpoint.token_size = 2500
    subgate, password = begin(relay_options={"auth": "oauthbearer"})
    assert send(subgate, password)[0] == 250
    assert relay.logins == [("OAUTHBEARER", relay.USER, 0, endpoint.access[0])]


def test_client_credentials_of_a_tenant(begin, endpoint, relay):
    endpoint.accepts = {endpoint.CLIENT_SECRET}
    subgate, password = begin(f'{CREDENTIALS}  tenant = "example.com"', provider="microsoft")
    assert send(subgate, password)[0] == 250
    assert endpoint.requests[0].form == {
        "grant_type": "client_credentials", "client_id": endpoint.CLIENT_ID, "client_secret": endpoint.CLIENT_SECRET,
        "scope": "https://outlook.office365.com/.default"}


def test_a_service_account_signs_for_the_mailbox(begin, endpoint, relay, tmp_path):
    account = ServiceAccount(tmp_path)
    subgate, password = begin('grant = "service_account"  service_account_file = "secrets/account"',
                              secrets={"account": account.json})
    assert send(subgate, password)[0] == 250
    form = endpoint.requests[0].form
    header, claims, *_ = read_jwt(form["assertion"])
    assert form["grant_type"] == ASSERTION and account.verifies(form["assertion"])
    assert header == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
    assert claims["exp"] - claims["iat"] == 3600
    assert (claims["iss"], claims["sub"], claims["scope"], claims["aud"]) == (
        account.EMAIL, relay.USER, "https://mail.google.com/", f"{endpoint.url}/token")


def send_as(subgate, users):
    """One message of each of these, at once; what each client hears."""
    passwords = {user: subgate.create_app_password(user) for user in users}

    def send_one(user):
        with login(subgate, user, passwords[user]) as client:
            return hear(client, user, "bob@example.net", message(user))[0]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(send_one, users))


def subjects(endpoint):
    return [read_jwt(request.form["assertion"])[1]["sub"] for request in endpoint.requests]


PER_SENDER = {"extra": "per_sender = true  connections = 4  connections_per_sender = 1"}


def test_each_sender_logs_in_as_his_own_mailbox(begin, endpoint, relay, tmp_path):
    account = ServiceAccount(tmp_path)
    subgate, _ = begin('grant = "service_account"  service_account_file = "secrets/account"',
                       secrets={"account": account.json}, relay_options=PER_SENDER)
    people = [f"user{n}@example.com" for n in range(6)]
    strangers = ["eve@elsewhere.example", "mallory@sub.example.com"]
    assert send_as(subgate, people + strangers + ["User0@EXAMPLE.com"]) == [250] * 9
    assert set(subjects(endpoint)) == {*people, relay.USER}
    tokens = {user: {token for _, of, _, token in relay.logins if of == user} for user in people}
    assert all(len(own) >= 1 for own in tokens.values())
    assert len(set.union(*tokens.values())) == sum(map(len, tokens.values())), "two share a token"
    assert {of for _, of, _, _ in relay.logins} == {*people, relay.USER}


def test_an_application_logs_in_as_every_sender_with_one_token(begin, endpoint, relay):
    endpoint.accepts = {endpoint.CLIENT_SECRET}
    subgate, _ = begin(f'{CREDENTIALS}  tenant = "example.com"', provider="microsoft", relay_options=PER_SENDER)
    people = ["alice@example.com", "bob@example.com"]
    assert send_as(subgate, people) == [250, 250]
    assert {of for _, of, _, _ in relay.logins} == set(people)
    assert len(endpoint.requests) == 1


def test_a_mailbox_that_has_sent_enough_stops_nobody_else(begin, endpoint, relay, tmp_path):
    account = ServiceAccount(tmp_path)
    subgate, _ = begin('grant = "service_account"  service_account_file = "secrets/account"',
                       secrets={"account": account.json},
                       relay_options={"extra": "per_sender = true  messages_per_day = 2"})
    assert [send_as(subgate, [USER])[0] for _ in range(4)] == [250, 250, 451, 451]
    assert send_as(subgate, ["bob@example.com"]) == [250]


def test_what_per_sender_needs_is_said(tmp_path, authority, endpoint, relay):
    from harness.subgate import Subgate
    section = relay.section(extra="per_sender = true")
    subgate = Subgate(tmp_path / "s", authority, endpoint.section(extra=REFRESH) + section, SECRETS)
    done = subgate.check()
    assert done.returncode == 1 and "relay upstream.per_sender: needs tokens that are good for every mailbox" in (
        done.stdout + done.stderr)


def test_an_expired_a_refreshed_and_a_revoked_token(begin, endpoint, relay):
    """What upstream calls expired is replaced within the same connection; what is revoked rests the account."""
    subgate, password = begin(relay_options={"extra": "messages_per_connection = 1"})
    assert send(subgate, password)[0] == 250
    relay.tokens = []  # expired before its time

    def refresh(handler, request):
        answer = endpoint._give(request.form, "refresh_token")
        relay.tokens = [answer["access_token"]]
        endpoint._send(handler, 200, answer)

    endpoint.script = [refresh]
    assert send(subgate, password)[0] == 250
    assert [login[3] for login in relay.logins] == [endpoint.access[0], endpoint.access[0], endpoint.access[1]]
    assert relay.connections == 2
    relay.tokens, endpoint.accepts = [], set()  # revoked, and with it the refresh token
    code, text = send(subgate, password)
    assert (code, text) == (451, "4.3.5 The relay does not accept our login; try again later")
    assert [login[3] for login in relay.logins][3:] == [endpoint.access[1]]
    wait_until(has_logged(subgate, r"oauth google: no token: invalid_grant: Token \*\*\* has been expired or revoked"),
               lambda: subgate.log)
    subgate.wait_for_log('relay upstream: it does not take our token: {"status": "401"')
    # It rests: the next one asks nobody.
    logins, requests = len(relay.logins), len(endpoint.requests)
    assert send(subgate, password)[0] == 451
    assert (len(relay.logins), len(endpoint.requests)) == (logins, requests)
    assert (metric(subgate, "ok"), metric(subgate, "refused")) == (2, 1)
    print("\n".join(relay.dialog))


def test_a_token_is_renewed_before_it_ends(begin, endpoint, relay):
    endpoint.lifetime = 4
    subgate, password = begin(relay_options={"extra": "messages_per_connection = 1"})
    wait_until(lambda: subgate.log.count("a new token") >= 3, lambda: subgate.log)
    assert send(subgate, password)[0] == 250
    assert relay.logins[0][3] in endpoint.access[2:]


def test_each_successor_of_a_rotated_token_is_kept(begin, endpoint):
    endpoint.rotates, endpoint.lifetime = True, 4
    subgate, _ = begin()
    wait_until(lambda: subgate.log.count("a new token") >= 3, lambda: subgate.log)
    subgate.kill()
    fetched = len(endpoint.requests)
    subgate.start()
    endpoint.wait_for(fetched + 1)
    used = [r.form["refresh_token"] for r in endpoint.requests]
    assert used == ["refresh-Token-1", *endpoint.refresh][:len(used)]
    assert metric(subgate, "refused") == 0


def test_another_refresh_token_file_counts_more_than_what_was_kept(begin, endpoint):
    endpoint.rotates = True
    subgate, _ = begin()
    endpoint.wait_for(1)
    endpoint.accepts.add("refresh-Token-of-another-consent")
    (subgate.folder / "secrets" / "refresh").write_text("refresh-Token-of-another-consent\n")
    subgate.ctl("reload")
    endpoint.wait_for(2)
    assert endpoint.requests[-1].form["refresh_token"] == "refresh-Token-of-another-consent"


@pytest.mark.parametrize("action, reason", [
    ((500, "oops"), r"its answer is not one of OAuth 2 \(HTTP status 500\)"),
    ((200, "<html>"), r"its answer is not one of OAuth 2 \(HTTP status 200\)"),
    ((200, "[" * 20000), r"its answer is not one of OAuth 2"),
    ((200, {"access_token": "a\r\nQUIT", "token_type": "Bearer"}), r"its access token can't stand in a line of AUTH"),
    ((200, {"access_token": "x" * 9000, "token_type": "Bearer"}), r"its access token can't stand in a line of AUTH"),
    ((200, {"access_token": "x", "token_type": "mac"}), r"its token is not of the type Bearer"),
    ((302, ""), r"its answer is not one of OAuth 2 \(HTTP status 302\)"),
    ((503, {"error": "temporarily_unavailable", "error_description": "later\r\nERROR forged"}),
     r"temporarily_unavailable: later\?\?ERROR forged \(HTTP status 503\)"),
    ("flood", r"its answer is too large"),
    ("close", r"no token: "),
    ("hang", r"no token: .*(timed out|Timeout)"),
])
def test_an_endpoint_that_fails_once_costs_a_moment(begin, endpoint, relay, action, reason):
    endpoint.script = [action]
    subgate, password = begin()
    wait_until(has_logged(subgate, reason), lambda: subgate.log)
    wait_until(lambda: send(subgate, password)[0] == 250, lambda: subgate.log)
    assert {r.path for r in endpoint.requests} == {"/token"}
    assert metric(subgate, "failed") == 1


def test_while_the_endpoint_is_away_the_token_there_is_is_used(begin, endpoint, relay):
    endpoint.lifetime = 60
    subgate, password = begin(relay_options={"extra": "messages_per_connection = 1"})
    assert send(subgate, password)[0] == 250
    endpoint.stop()
    for number in range(3):
        assert send(subgate, password, number)[0] == 250


def test_an_endpoint_that_hangs_holds_up_nobody_else(begin, endpoint, upstream):
    """Other relays, logins of clients and the control socket; and those who wait for the token hear it in time."""
    endpoint.script = ["hang"] * 100
    subgate, password = begin(sections=relay_section(upstream, "other") + """
route special { users = {"bob@example.com"}  relays = {"upstream"} }
route default { relays = {"other"} }
""")
    bob = subgate.create_app_password("bob@example.com")
    endpoint.wait_for(1)
    began = time.monotonic()
    assert send(subgate, password)[0] == 250
    assert subgate.ctl_json("relay", "list")["ok"]
    assert time.monotonic() - began < PATIENCE
    with login(subgate, "bob@example.com", bob) as client:
        client.mail("bob@example.com")
        assert client.rcpt("carol@example.net")[0] == 451


def test_an_endpoint_of_another_name_or_issuer_gets_no_secret(begin, endpoint, tmp_path):
    other = Authority(tmp_path / "other")
    trusted, endpoint.authority = endpoint.authority, other
    begin_with = endpoint.section
    endpoint.section = lambda **options: begin_with(**options).replace(str(other.ca), str(trusted.ca))
    subgate, password = begin()
    wait_until(has_logged(subgate, "no token: SSL certificate problem"), lambda: subgate.log)
    assert send(subgate, password)[0] == 451
    assert endpoint.requests == []


def test_a_proxy_of_the_environment_is_not_used(start, endpoint, relay):
    endpoint.start()
    relay.tokens = endpoint.access
    os.environ["https_proxy"] = "http://127.0.0.1:9"
    try:
        start(endpoint.section(extra=REFRESH) + relay.section(), more_secrets=SECRETS)
    finally:
        del os.environ["https_proxy"]
    endpoint.wait_for(1)


def test_sections_share_what_they_may(begin, endpoint, relay):
    """Two relays of one section log in with one token."""
    subgate, password = begin(sections=relay.section("second") +
                              "route default { relays = {\"upstream\", \"second\"} }\n")
    assert send(subgate, password)[0] == 250
    assert len(endpoint.requests) == 1


def test_no_token_is_in_a_log_an_audit_record_or_an_answer(begin, endpoint, relay, tmp_path):
    account = ServiceAccount(tmp_path)
    relay.reason = '{"status": "401", "you_sent": "@TOKEN@"}'
    relay.refusal = "535 5.7.8 no"
    subgate, password = begin('grant = "service_account"  service_account_file = "secrets/account"',
                              sections='log { level = "debug" }\n', secrets={"account": account.json})
    assert send(subgate, password)[0] == 250

    def quote(handler, request):
        said = request.form["assertion"]
        endpoint._send(handler, 400, {"error": "invalid_grant", "error_description": f"{said} {said[5:]} is not taken"})

    relay.tokens, endpoint.script = [], [quote] * 5
    relay.cut()
    wait_until(lambda: send(subgate, password)[0] == 451, lambda: subgate.log)
    wait_until(has_logged(subgate, r"invalid_grant: \*\*\* \*\*\* is not taken"), lambda: subgate.log)
    subgate.wait_for_log('"you_sent": "***"')
    metrics = urllib.request.urlopen(f"http://127.0.0.1:{subgate.http}/metrics", timeout=30).read().decode()
    command_lines = "".join(pathlib.Path(f"/proc/{p}/{what}").read_text() for what in ("cmdline", "environ")
                            for role in ("gate", "auth", "relay", "admin") for p in subgate.pids(role))
    texts = {"log": subgate.log, "audit": (subgate.state / "audit.jsonl").read_text(), "metrics": metrics,
             "ps": command_lines, "relay list": subgate.ctl("--json", "relay", "list").stdout}
    key = account.pem.splitlines()[3]
    secrets = [*endpoint.access, key, *(r.form["assertion"] for r in endpoint.requests)]
    secrets += [s.split(".")[-1] for s in secrets]
    for where, text in texts.items():
        for secret in secrets:
            assert secret not in text, f"a secret is in the {where}"


def test_only_auth_holds_what_tokens_are_got_with(begin, endpoint, relay):
    subgate, password = begin()
    assert send(subgate, password)[0] == 250
    secrets = {"client secret": endpoint.CLIENT_SECRET.encode(), "refresh token": b"refresh-Token-1"}
    for role in ("gate", "relay", "admin"):
        for pid in subgate.pids(role):
            assert find(pid, secrets) == set(), role
    for gate in subgate.pids("gate"):
        assert find(gate, {"access token": endpoint.access[0].encode()}) == set()
    assert find(subgate.pids("auth")[0], secrets) == set(secrets)


def test_a_key_file_that_is_none_is_found_before_the_start(begin, tmp_path):
    account = ServiceAccount(tmp_path)
    subgate, _ = begin('grant = "service_account"  service_account_file = "secrets/account"',
                       secrets={"account": account.json})
    assert subgate.check().returncode == 0
    (subgate.folder / "secrets" / "account").write_text('{"type": "authorized_user"}')
    done = subgate.check()
    assert done.returncode == 1
    assert re.search(r'subgate\.conf:\d+: oauth google\.service_account_file: \S+: its type is not "service_account"',
                     done.stdout + done.stderr)


def test_a_rotation_under_way_is_waited_for_at_the_end(begin, endpoint):
    endpoint.rotates, endpoint.timeout = True, "8s"

    def late(handler, request):
        time.sleep(3)  # longer than threads are waited for that nobody needs
        endpoint._send(handler, *endpoint._usual(request))

    endpoint.script = [late]
    subgate, _ = begin()
    assert subgate.stop() == 0
    assert len(endpoint.refresh) == 1
    subgate.start()
    endpoint.wait_for(2)
    assert endpoint.requests[1].form["refresh_token"] == endpoint.refresh[0]


def test_a_fetch_that_brings_nothing_to_keep_is_not_waited_for(begin, endpoint):
    endpoint.script = ["hang"] * 10
    subgate, _ = begin(f'{CREDENTIALS}  tenant = "t"', provider="microsoft")
    endpoint.wait_for(1)
    assert subgate.stop() == 0
    assert not re.search("no token: .*time", subgate.log)
