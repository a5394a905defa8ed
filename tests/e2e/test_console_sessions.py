"""The console's sessions, when processes end: they outlive those, and end with their right all the same."""

import os
import signal

from harness.console import Console, Session
from harness.process import wait_until
from harness.subgate import relay_section

ANNA, DAN = "anna@example.com", "dan@example.com"


def served(start, upstream, authority, options=f'admin_users = {{"{ANNA}"}}'):
    console = Console(authority, options)
    sections = relay_section(upstream) + console.section
    return start(sections), console, sections


def session_of(subgate, console, user):
    return Session(console, user, subgate.create_app_password(user, "console", "--console"))


def wait_for_answer(session):
    return wait_until(lambda: (code := session.get("/api/v1/session")[0]) in (200, 401) and code, "an answer")


def is_in_file(subgate, session):
    path = subgate.state / "console" / "sessions"
    return path.exists() and session.answer["user"] in path.read_text()


def test_a_session_outlives_admin_and_a_reload(start, upstream, authority):
    subgate, console, _ = served(start, upstream, authority)
    session, other = session_of(subgate, console, DAN), session_of(subgate, console, ANNA)
    wait_until(lambda: is_in_file(subgate, session) and is_in_file(subgate, other), "the sessions to be kept")
    subgate.ctl("reload")
    assert wait_for_answer(session) == 200
    assert session.get("/api/v1/session")[1]["csrf_token"] == session.answer["csrf_token"]
    wait_until(lambda: session.post("/api/v1/app-password/list")[0] == 405, "the new console")
    wait_until(lambda: len(subgate.pids("admin")) == 1, "the end of the former admin")
    before, = subgate.pids("admin")
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: subgate.pids("admin") not in ([], [before]), "another admin")
    assert wait_for_answer(session) == 200
    # Whoever logs out is out, for the next admin, too.
    assert wait_until(lambda: session.post("/api/v1/logout")[0] in (200, 401), "the log-out")
    wait_until(lambda: not is_in_file(subgate, session), "the log-out to be kept")
    assert is_in_file(subgate, other)
    subgate.ctl("reload")
    assert wait_for_answer(session) == 401
    assert wait_for_answer(other) == 200
    text = (subgate.state / "console" / "sessions").read_text()
    assert other.cookie.partition("=")[2] not in text


def test_a_right_that_ends_meanwhile_ends_the_session(start, upstream, authority):
    subgate, console, sections = served(start, upstream, authority)
    dan, anna = session_of(subgate, console, DAN), session_of(subgate, console, ANNA)
    ben = session_of(subgate, console, "ben@example.com")
    wait_until(lambda: all(is_in_file(subgate, s) for s in (dan, anna, ben)), "the sessions to be kept")
    password, = subgate.ctl_json("app-password", "list", "ben@example.com")["app_passwords"]
    subgate.ctl("user", "lock", DAN)
    subgate.ctl("app-password", "revoke", "ben@example.com", password["id"])
    subgate.write_config(sections.replace("admin_users", "auditor_users"))
    subgate.ctl("reload")
    wait_until(lambda: dan.get("/api/v1/quota/show")[0] == 401, "the locked user to be out")
    wait_until(lambda: ben.get("/api/v1/quota/show")[0] == 401, "whose password was revoked to be out")
    # The role is what the configuration says now.
    wait_until(lambda: anna.get("/api/v1/session")[1].get("role") == "auditor", "the new role")
    assert anna.post("/api/v1/user/lock", {"user": DAN})[0] == 403


def test_a_session_ends_by_its_limits_whatever_ends_before(start, upstream, authority):
    subgate, console, _ = served(start, upstream, authority, 'session_limit = "6s"')
    session = session_of(subgate, console, DAN)
    wait_until(lambda: is_in_file(subgate, session), "the session to be kept")
    subgate.ctl("reload")
    wait_until(lambda: session.get("/api/v1/session")[0] == 401, "the session to be too old")
    subgate.ctl("reload")
    assert wait_for_answer(session) == 401
