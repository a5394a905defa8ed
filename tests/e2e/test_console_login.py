"""Logging in at the console: passwords, sessions, their ends, and what a change needs."""

import smtplib

import pytest

from harness.client import at_once, login
from harness.console import Console, Session
from harness.process import wait_until
from harness.subgate import relay_section

ANNA, BEN, CLEO, DAN = "anna@example.com", "ben@example.com", "cleo@example.com", "dan@example.com"
ROLES = f'admin_users = {{"{ANNA}"}}  operator_users = {{"{BEN}"}}  auditor_users = {{"{CLEO}"}}'


def served(start, upstream, authority, options=""):
    console = Console(authority, f"{ROLES}  {options}")
    return start(relay_section(upstream) + console.section), console


@pytest.fixture
def whole_served(start, upstream, authority, directory):
    console = Console(authority)
    return start(relay_section(upstream) + directory.section() + console.section), console


def console_password(subgate, user):
    return subgate.create_app_password(user, "console", "--console")


def test_a_session_from_its_beginning_to_its_end(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    password = console_password(subgate, DAN)
    assert console.ask("GET", "/api/v1/session")[0] == 401
    session = Session(console, DAN, password)
    assert session.status == 200, session.answer
    assert session.set_cookie.startswith("__Host-subgate=")
    assert set(session.set_cookie.split("; ")[1:]) == {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"}
    assert (session.answer["user"], session.answer["role"]) == (DAN, "user")
    status, answer = session.get("/api/v1/session")
    assert (status, answer["user"], answer["csrf_token"]) == (200, DAN, session.answer["csrf_token"])
    assert answer["seconds_left"] <= 12 * 3600 and answer["idle_seconds"] == 1800
    assert session.get("/api/v1/quota/show")[0] == 200
    assert session.post("/api/v1/logout", X_CSRF_Token="")[0] == 403
    assert session.post("/api/v1/logout", X_CSRF_Token="0" * 64)[0] == 403
    assert session.post("/api/v1/logout")[0] == 200
    assert session.get("/api/v1/session")[0] == 401
    record = subgate.wait_for_audit("admin.command", 3)[-1]
    assert (record["command"], record["admin"], record["object"]) == ("console login", DAN, "127.0.0.1")
    assert "uid" not in record
    for body in ["", "{", "[]", "{}", '{"user": "a"}', '{"user": 1, "password": 2}', '{"user": "a", "password": ""}',
                 '{"user": "a\\u0000b", "password": "c"}', '{"user": "a", "user": "b", "password": "c"}']:
        assert console.ask("POST", "/api/v1/login", body, Content_Type="application/json")[0] == 400, body
    form = console.ask("POST", "/api/v1/login", "user=a&password=b", Content_Type="application/x-www-form-urlencoded")
    assert form[0] == 415
    assert console.ask("GET", "/api/v1/login")[0] == 405
    assert console.ask("GET", "/api/v1/nothing")[0] == 404


def login_code(subgate, user, password):
    try:
        login(subgate, user, password).quit()
        return 235
    except smtplib.SMTPAuthenticationError as refused:
        return refused.smtp_code


def test_each_password_opens_one_door(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    for_mail, for_console = subgate.create_app_password(DAN), console_password(subgate, DAN)
    assert at_once([lambda: Session(console, DAN, for_mail).status, lambda: login_code(subgate, DAN, for_console),
                    lambda: Session(console, DAN, for_console).status, lambda: login_code(subgate, DAN, for_mail)]) == [
        401, 535, 200, 235]
    reasons = {record["reason"] for record in subgate.wait_for_audit("auth.failure", 2)}
    assert reasons == {"app password not for the console", "app password for the console alone"}


def test_wrong_passwords_are_counted_and_recorded_as_those_of_mail(whole_served):
    subgate, console = whole_served
    before = len(subgate.audit("auth.failure"))
    answers = at_once([lambda n=n: Session(console, "stranger", f"wrong {n}").status for n in range(12)])
    assert set(answers) == {401, 503}, answers  # 503: too many
    assert answers.count(401) <= 10
    records = subgate.wait_for_audit("auth.failure", before + 12)[before:]
    assert {(r["listener"], r["client_address"], r["sasl_mechanism"]) for r in records} == {
        ("console", "127.0.0.1", "PLAIN")}


def test_a_session_ends_however_busy_it_is(start, upstream, authority):
    subgate, console = served(start, upstream, authority, 'session_limit = "2s"')
    session = Session(console, DAN, console_password(subgate, DAN))
    assert session.status == 200 and session.answer["seconds_left"] <= 2
    wait_until(lambda: session.get("/api/v1/session")[0] == 401, "the session to be too old")


def test_a_session_ends_with_its_right(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    session = Session(console, DAN, console_password(subgate, DAN))
    other = Session(console, BEN, console_password(subgate, BEN))
    subgate.ctl("user", "lock", DAN)
    wait_until(lambda: session.get("/api/v1/quota/show")[0] == 401, "the locked user's session to end")
    subgate.ctl("user", "unlock", DAN)
    assert session.get("/api/v1/session")[0] == 401
    password, = subgate.ctl_json("app-password", "list", BEN)["app_passwords"]
    assert password["console"] is True
    assert other.get("/api/v1/quota/show")[0] == 200
    subgate.ctl("app-password", "revoke", BEN, password["id"])
    wait_until(lambda: other.get("/api/v1/quota/show")[0] == 401, "the session of a revoked password to end")


def test_an_app_password_holds_in_its_networks_throughout(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    password = subgate.create_app_password(DAN, "console", "--console", "--from", "127.0.0.1")
    assert Session(console, DAN, password, source="127.0.0.2").status == 401
    session = Session(console, DAN, password)
    assert session.get("/api/v1/quota/show")[0] == 200
    assert session.get("/api/v1/quota/show", source="127.0.0.2")[0] == 401
    assert session.get("/api/v1/quota/show")[0] == 401  # whoever has the cookie elsewhere has it no more
    subgate.wait_for_log("ends: app password not allowed from this address")


def test_nobody_fills_what_all_share_with_changes_of_their_own(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    user, admin = (Session(console, name, console_password(subgate, name)) for name in (DAN, ANNA))
    wrong = {"user": DAN, "id": "AAAAAAAA"}
    codes = [user.post("/api/v1/app-password/revoke", wrong)[0] for _ in range(40)]
    assert codes[:30] == [422] * 30 and 429 in codes, codes
    assert user.post("/api/v1/app-password/create", {"user": DAN, "label": "x"})[0] == 200
    assert admin.post("/api/v1/app-password/revoke", wrong)[0] == 422
