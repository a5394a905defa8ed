"""
Logins upstream with tokens: what is asked of a token endpoint, what the relay is shown, and what happens when either of
them refuses, hangs or lies.
"""

import base64
import re
import urllib.request

import pytest

from harness.client import login, message
from harness.process import wait_until
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
    text = urllib.request.urlopen(f"http://127.0.0.1:{subgate.http}/metrics", timeout=5).read().decode()
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
    assert code == 451 and "token" not in text.lower()
    assert [login[3] for login in relay.logins][3:] == [endpoint.access[1]]
    wait_until(has_logged(subgate, r"oauth google: no token: invalid_grant: Token \*\*\* has been expired or revoked"),
               lambda: subgate.log)
    assert re.search(r'relay upstream: it does not take our token: {"status": "401"', subgate.log)
    # It rests: the next one asks nobody.
    logins, requests = len(relay.logins), len(endpoint.requests)
    assert send(subgate, password)[0] == 451
    assert (len(relay.logins), len(endpoint.requests)) == (logins, requests)
    assert (metric(subgate, "ok"), metric(subgate, "refused")) == (2, 1)
    print("\n".join(relay.dialog))
