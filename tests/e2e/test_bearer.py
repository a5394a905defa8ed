"""AUTH OAUTHBEARER and XOAUTH2: tokens of an issuer whose keys rotate, and tokens that it is asked about."""

import base64
import json
import subprocess
import time

import pytest

from harness.client import at_once, connect, message
from harness.oidc import CLIENT_SECRET, Issuer, Key
from harness.process import wait_until
from harness.subgate import relay_section

USER = "alice@example.com"
AUTH = 'auth { mechanisms = {"PLAIN", "OAUTHBEARER", "XOAUTH2"} %s }\n'


@pytest.fixture
def issuer(authority):
    issuer = Issuer(authority).start()
    yield issuer
    issuer.stop()


def oauthbearer(token, user=""):
    return f"n,{'a=' + user if user else ''},\x01host=mail.example.com\x01auth=Bearer {token}\x01\x01"


def xoauth2(token, user=""):
    return f"user={user}\x01auth=Bearer {token}\x01\x01"


def login(subgate, token, user="", mechanism="OAUTHBEARER", address="127.0.0.1"):
    """(code, text) of the final reply, and what the client was told before a refusal, or None."""
    response = {"OAUTHBEARER": oauthbearer, "XOAUTH2": xoauth2}[mechanism](token, user)
    with connect(subgate, address=address) as client:
        client.ehlo()
        code, text = client.docmd("AUTH", f"{mechanism} {base64.b64encode(response.encode()).decode()}")
        if code != 334:
            return code, text.decode(), None
        told = json.loads(base64.b64decode(text))
        code, text = client.docmd("AQ==" if mechanism == "OAUTHBEARER" else "")
        return code, text.decode(), told


def reasons(subgate):
    return [record["reason"] for record in subgate.audit("auth.failure")]


def send_with_curl(subgate, token, mechanism, path):
    path.write_bytes(message(USER))
    return subprocess.run(["curl", "-sv", "--url", f"smtps://127.0.0.1:{subgate.implicit}", "--cacert",
                           subgate.authority.ca, "--user", f"{USER}:", "--oauth2-bearer", token, "--login-options",
                           f"AUTH={mechanism}", "--mail-from", USER, "--mail-rcpt", "bob@example.net", "-T", path],
                          capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_curl_sends_with_a_token_before_and_after_the_keys_rotate(upstream, start, issuer, tmp_path, mechanism):
    only = f'auth {{ mechanisms = {{"{mechanism}"}} }}\n'  # curl prefers the first
    subgate = start(relay_section(upstream) + only + issuer.section())
    first = issuer.token()
    done = send_with_curl(subgate, first, mechanism, tmp_path / "message")
    assert done.returncode == 0, done.stdout + done.stderr
    for kind in ("EC", "RSA"):
        issuer.rotate(kind)
        done = send_with_curl(subgate, issuer.token(), mechanism, tmp_path / "message")
        assert done.returncode == 0, done.stdout + done.stderr
    done = send_with_curl(subgate, first, mechanism, tmp_path / "message")  # its key is gone
    assert done.returncode != 0
    upstream.wait_for(3)
    record = subgate.wait_for_audit("auth.success", 3)[-1]
    assert (record["user"], record["auth_method"], record["sasl_mechanism"]) == (USER, "token", mechanism)


BAD = {
    "an expired one": (lambda i: i.token(exp=int(time.time()) - 1), "token expired"),
    "one of tomorrow": (lambda i: i.token(nbf=int(time.time()) + 3600), "token not valid yet"),
    "one without an end": (lambda i: i.token(exp=None), "token without an end"),
    "one for another audience": (lambda i: i.token(aud="calendar.example.com"), "token for another audience"),
    "one for nobody": (lambda i: i.token(aud=None), "token for another audience"),
    "one of another issuer": (lambda i: i.token(iss="https://evil.example"), "token of no known issuer"),
    "one that names nobody": (lambda i: i.token(email=None), "token that names nobody"),
    "an address not verified": (lambda i: i.token(email_verified=False), "token whose e-mail address is not verified"),
    "an address not said to be verified": (lambda i: i.token(email_verified=None),
                                           "token whose e-mail address is not verified"),
    "one without the scope": (lambda i: i.token(scope="read"), "token without the scope"),
    "a forged signature": (lambda i: i.token(key=Key("key-1")), "token with a wrong signature"),
    "an unknown key": (lambda i: i.token(key=Key("key-9")), "token signed with an unknown key"),
    "one that is not signed": (lambda i: i.token(header={"alg": "none"}), "token with a wrong signature"),
    "one signed with a MAC": (lambda i: i.token(header={"alg": "HS256"}), "token with a wrong signature"),
    "one with conditions": (lambda i: i.token(header={"crit": ["exp"]}), "token of no known issuer"),
    "a logout": (lambda i: i.token(header={"typ": "logout+jwt"}), "token of no known issuer"),
    "one bound to a key": (lambda i: i.token(cnf={"jkt": "x"}), "token of no known issuer"),
    "no token at all": (lambda i: "abc", "token of no known issuer"),
}


def test_no_other_token_logs_in(upstream, start, issuer):
    subgate = start(relay_section(upstream) + AUTH % "" + issuer.section('scopes = {"mail"}'))
    code, _, _ = login(subgate, issuer.token(scope="openid mail"))
    assert code == 235
    addresses = {f"127.5.5.{number}": what for number, what in enumerate(BAD, 1)}

    def try_bad(address):
        claims = {} if addresses[address] == "one without the scope" else {"scope": "mail"}
        make, _ = BAD[addresses[address]]
        return login(subgate, make(_Scoped(issuer, claims)), address=address)

    heard = at_once(lambda address=address: try_bad(address) for address in addresses)
    for what, (code, text, told) in zip(BAD, heard):
        assert (code, told["status"]) == (535, "invalid_token"), f"{what}: {code} {text} {told}"
    records = subgate.wait_for_audit("auth.failure", len(BAD))
    assert {addresses[record["client_address"]]: record["reason"] for record in records} == {
        what: reason for what, (_, reason) in BAD.items()}
    assert login(subgate, "opaque-77aa01", mechanism="XOAUTH2")[2]["status"] == "401"
    for text in ("opaque-77aa01", issuer.token()):
        assert text not in subgate.log


@pytest.mark.parametrize("what", ["an expired one", "one for another audience", "a forged signature"])
def test_curl_sends_nothing_with_a_bad_token(upstream, start, issuer, tmp_path, what):
    subgate = start(relay_section(upstream) + AUTH % "" + issuer.section())
    make, reason = BAD[what]
    done = send_with_curl(subgate, make(issuer), "OAUTHBEARER", tmp_path / "message")
    assert done.returncode == 67 and "535" in done.stderr, done.stderr  # CURLE_LOGIN_DENIED
    assert [record["reason"] for record in subgate.wait_for_audit("auth.failure")] == [reason]
    assert not upstream.commands


class _Scoped:
    """An issuer whose tokens have claims besides."""

    def __init__(self, issuer, claims):
        self._issuer, self._claims = issuer, claims

    def token(self, **claims):
        return self._issuer.token(**{**self._claims, **claims})


def test_a_token_is_for_its_holder_alone(upstream, start, issuer):
    subgate = start(relay_section(upstream) + AUTH % "" + issuer.section('senders_claim = "aliases"'))
    token = issuer.token(aliases=["office@example.com", "@example.org", "*"])
    for user, code in ((USER, 235), ("ALICE@Example.com", 235), ("office@example.com", 235),
                       ("bob@example.com", 535), ("x@example.org", 535)):
        assert login(subgate, token, user)[0] == code, user
    response = base64.b64encode(oauthbearer(token).encode()).decode()
    with connect(subgate) as client:
        client.ehlo()
        assert client.docmd("AUTH", f"OAUTHBEARER {response}")[0] == 235
        for sender, code in ((USER, 250), ("office@example.com", 250), ("x@example.org", 553)):
            assert client.mail(sender)[0] == code, sender
            client.rset()


def test_groups_in_a_token_count_as_those_of_a_directory(upstream, start, issuer):
    quota = 'quota few { groups = {"interns"}  messages_per_day = 1 }\n'
    subgate = start(relay_section(upstream) + AUTH % "" + quota + issuer.section('groups_claim = "realm_access.roles"'))
    response = base64.b64encode(oauthbearer(issuer.token(realm_access={"roles": ["Interns", "x"]})).encode()).decode()
    with connect(subgate) as client:
        client.ehlo()
        assert client.docmd("AUTH", f"OAUTHBEARER {response}")[0] == 235
        client.sendmail(USER, ["bob@example.net"], message(USER))
        assert client.mail(USER)[0] == 250
        assert client.rcpt("bob@example.net")[0] == 550


def test_a_directory_says_who_may_use_a_token(upstream, start, issuer, directory):
    subgate = start(relay_section(upstream) + AUTH % 'backends = {"ldap"}' + issuer.section() + directory.section())
    assert login(subgate, issuer.token())[0] == 235
    assert login(subgate, issuer.token(email="leaver@example.com"))[0] == 525


def test_while_the_issuer_is_away_known_keys_are_good_and_others_are_put_off(upstream, start, issuer):
    subgate = start(relay_section(upstream) + AUTH % "" + issuer.section())
    assert login(subgate, issuer.token())[0] == 235
    issuer.away = True
    assert login(subgate, issuer.token())[0] == 235
    code, _, told = login(subgate, issuer.token(key=Key("key-2")))
    assert (code, told) == (454, None)
    subgate.wait_for_log("bearer company: the issuer can't be asked")


def test_made_up_keys_do_not_have_the_issuer_asked_each_time(upstream, start, issuer):
    subgate = start(relay_section(upstream) + AUTH % "" + issuer.section())
    assert login(subgate, issuer.token())[0] == 235
    stranger = Key("made-up")
    codes = at_once([lambda: login(subgate, issuer.token(key=stranger))[0]] * 6)
    codes += at_once([lambda: login(subgate, issuer.token(key=stranger))[0]] * 6)
    assert set(codes) <= {535, 454}
    assert issuer.requests.count("/realm/keys") < 12


def test_an_opaque_token_is_asked_about_once_while_it_lives(upstream, start, issuer):
    subgate = start(relay_section(upstream) + AUTH % "" + issuer.introspection('user_claim = "username"'),
                    more_secrets={"oidc": CLIENT_SECRET})
    good = {"active": True, "username": USER, "aud": issuer.AUDIENCE, "exp": int(time.time()) + 600}
    issuer.opaque = {"good": good, "foreign": {**good, "aud": "other"}, "over": {**good, "exp": 1},
                     "client": {"active": True, "username": USER, "client_id": issuer.AUDIENCE},
                     "off": {**good, "active": False}}
    for token, code in (("good", 235), ("good", 235), ("client", 235), ("foreign", 535), ("over", 535), ("off", 535),
                        ("unknown", 535)):
        assert login(subgate, token)[0] == code, token
    assert issuer.requests.count("/realm/introspect") == 6
    issuer.away = True
    assert login(subgate, "good")[0] == 235
    assert login(subgate, "unknown")[0] == 454


def test_whoever_is_forgotten_has_their_token_asked_about_again(upstream, start, issuer):
    subgate = start(relay_section(upstream) + AUTH % "" + issuer.introspection('user_claim = "username"'),
                    more_secrets={"oidc": CLIENT_SECRET})
    issuer.opaque = {"good": {"active": True, "username": USER, "aud": issuer.AUDIENCE}}
    assert login(subgate, "good")[0] == 235
    issuer.opaque = {}
    assert login(subgate, "good")[0] == 235
    subgate.ctl("user", "forget", USER)

    wait_until(lambda: login(subgate, "good")[0] == 535, "the issuer to be asked again", 30)


def test_made_up_opaque_tokens_count_for_their_address(upstream, start, issuer):
    few = "failures_per_address = 3  cache = \"0\""
    subgate = start(relay_section(upstream) + AUTH % few + issuer.introspection('user_claim = "username"'),
                    more_secrets={"oidc": CLIENT_SECRET})
    issuer.opaque = {"good": {"active": True, "username": USER, "aud": issuer.AUDIENCE}}
    assert login(subgate, "good")[0] == 235
    for _ in range(3):  # a mail program that tries its old token again and again
        assert login(subgate, "old")[0] == 535
    assert login(subgate, "good")[0] == 235
    assert login(subgate, "x" * 6000)[0] == 535
    before = issuer.requests.count("/realm/introspect")
    codes = [login(subgate, f"made-up-{number}")[0] for number in range(8)]
    assert set(codes) == {535, 454}, codes
    assert codes.count(535) <= 6, codes  # the other gate's count half
    assert issuer.requests.count("/realm/introspect") - before == codes.count(535)
    assert "address throttled" in reasons(subgate)


def test_a_locked_out_client_may_cancel(upstream, start, issuer):
    subgate = start(relay_section(upstream) + AUTH % "" + issuer.section())
    with connect(subgate) as client:
        client.ehlo()
        response = base64.b64encode(oauthbearer("abc").encode()).decode()
        assert client.docmd("AUTH", f"OAUTHBEARER {response}")[0] == 334
        assert client.docmd("*")[0] == 501
        response = base64.b64encode(oauthbearer(issuer.token()).encode()).decode()
        assert client.docmd("AUTH", "OAUTHBEARER")[0] == 334
        assert client.docmd(response)[0] == 235


def test_a_configuration_that_could_not_tell_tokens_apart_is_refused(upstream, start, issuer):
    subgate = start(relay_section(upstream))
    for wrong, fault in ((AUTH % "", "tokens without a bearer section"),
                         (issuer.section(), "so that no token logs in"),
                         (AUTH % "" + issuer.section('audiences = {}').replace('audiences = {"mail.example.com"}', ""),
                          "tokens for anything would log in"),
                         (AUTH % "" + issuer.section('jwks_url = "http://127.0.0.1/"'), "is not an address")):
        subgate.write_config(relay_section(upstream) + wrong)
        done = subgate.check()
        assert done.returncode == 1 and fault in done.stdout + done.stderr, done
