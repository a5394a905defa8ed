"""The console's pages as HTML over HTTP: who sees which, what forms do and refuse, and in which words."""

import os
import plistlib
import re
import signal
import urllib.parse

import pytest

from e2e.test_console_login import ANNA, BEN, CLEO, DAN, ROLES, console_password, served
from harness.client import login, message
from harness.console import Console, Reader
from harness.process import wait_until
from harness.subgate import relay_section

EVIL = "<script>alert(1)</script>\"'&"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;"
STAFF = ("/now", "/people", "/person?user=" + DAN, "/mail", "/message?id=none", "/relays", "/alerts")


def log_in(console, subgate, user, language="en"):
    reader = Reader(console, language)
    status, location, text = reader.log_in(user, console_password(subgate, user))
    assert (status, location) == (303, "/"), text
    return reader


def test_somebody_logs_in_and_out(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    reader = Reader(console)
    for path in ("/", "/me", *STAFF):
        assert reader.get(path)[:2] == (303, "/login")
    assert 'action="/login"' in reader.get("/login")[2]
    status, _, text = reader.log_in(DAN, "wrong")
    assert status == 401 and 'role="alert"' in text and f'value="{DAN}"' in text
    assert reader.log_in("", "")[0] == 400
    password = console_password(subgate, DAN)
    form = {"user": DAN, "password": password}
    assert reader.post("/login", form, csrf="", Sec_Fetch_Site="cross-site")[0] == 403
    assert reader.post("/login", form, csrf="", Content_Type="text/plain")[0] == 403
    assert reader.cookie == ""
    assert reader.log_in(DAN, password)[:2] == (303, "/")
    assert reader.get("/")[:2] == (303, "/me")
    assert reader.post("/logout", {}, csrf="0" * 64)[0] == 403
    assert DAN in reader.get("/me")[2]
    stale = reader.cookie
    assert reader.post("/logout", {})[:2] == (303, "/login?done=out")
    assert "You are logged out." in reader.get("/login?done=out")[2]
    reader.cookie = stale
    assert reader.get("/me")[:2] == (303, "/login")
    assert reader.get("/nothing")[0] == 404
    assert reader.post("/now", {}, csrf="")[0] == 405
    assert reader._ask("PUT", "/me")[0] == 405


@pytest.mark.seconds(10)
def test_logins_that_wait_leave_pages_to_those_who_are_logged_in(start, upstream, authority, directory):
    console = Console(authority)
    subgate = start(relay_section(upstream) + directory.section(timeout="6s") + console.section +
                    "app_password { require_directory_entry = false }\n")
    reader = log_in(console, subgate, DAN)
    waiting = [console.connect(f"127.0.1.{1 + i // 16}") for i in range(9 * 16)]
    directory.freeze()
    try:
        for connection in waiting:
            connection.request("POST", "/login", "user=alice&password=wrong",
                               {"Content-Type": "application/x-www-form-urlencoded"})
        status, _, text = reader.get("/me")
        assert status == 200, text
    finally:
        directory.thaw()
        for connection in waiting:
            connection.close()


def test_each_role_sees_its_pages(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    expected = {DAN: (404, "/me"), CLEO: (200, "/now"), BEN: (200, "/now"), ANNA: (200, "/now")}
    forms = {"/relays": "/relays/pause", f"/person?user={DAN}": "/person/lock"}
    for user, (status, first) in expected.items():
        reader = log_in(console, subgate, user)
        assert reader.get("/")[1] == first
        assert reader.get("/me")[0] == 200
        for path in STAFF:
            seen, _, text = reader.get(path)
            assert seen == status, (user, path)
            if path in forms and seen == 200:
                assert (forms[path] in text) == (user == ANNA), (user, path)
        assert ("/relays/test" in reader.get("/relays")[2]) == (user in (ANNA, BEN))
        # What no page offers is refused all the same.
        answers = {
            "lock": reader.post("/person/lock", {"user": "eve@example.com"})[0],
            "limit": reader.post("/person/quota", {"user": "eve@example.com", "messages": "7", "days": "1"})[0],
            "pause": reader.post("/relays/pause", {"relay": "upstream"})[0],
            "another's password": reader.post("/me/create", {"user": "eve@example.com", "label": "x"})[0],
        }
        if user == ANNA:
            assert answers == {"lock": 303, "limit": 303, "pause": 303, "another's password": 200}
        else:
            assert set(answers.values()) <= {403, 404}, (user, answers)


def test_somebody_makes_and_revokes_an_app_password(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    reader = log_in(console, subgate, DAN)
    form = {"user": DAN, "label": EVIL, "days": "30"}
    assert reader.post("/me/create", form, csrf="")[0] == 403
    status, _, text = reader.post("/me/create", form)
    assert status == 200, text
    password = re.search(r'class="password"><code>([^<]+)<', text)[1]
    with login(subgate, DAN, password) as client:
        client.sendmail(DAN, ["bob@example.net"], message(DAN))
        page = reader.get("/me")[2]
        assert password not in page
        assert SHOWN in page and "<script>alert" not in page
        assert "1 of 500 messages sent" in page
        assert "by an app password" in page
    row, = [row for row in subgate.ctl_json("app-password", "list", DAN)["app_passwords"] if row["label"] == EVIL]
    assert row["expires"] - row["created"] in range(30 * 86400 - 60, 30 * 86400 + 60)
    revoke = {"user": DAN, "id": row["id"]}
    assert reader.post("/me/revoke", revoke)[:2] == (303, "/me?done=revoked")
    assert "is revoked" in reader.get("/me?done=revoked")[2]
    assert SHOWN not in reader.get("/me")[2]
    status, _, text = reader.post("/me/revoke", revoke)  # once more
    assert status == 422 and "no such app password" in text
    assert reader.post("/me/create", {"user": DAN, "label": ""})[0] == 400
    assert "alert(1)" not in reader.get(f"/me?done={EVIL}")[2].replace(SHOWN, "")


def test_an_administrator_locks_limits_and_unlocks(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    password = subgate.create_app_password(DAN)
    reader = log_in(console, subgate, ANNA)
    page = f"/person?user={DAN.replace('@', '%40')}"
    with login(subgate, DAN, password) as client:
        client.sendmail(DAN, ["bob@example.net"], message(DAN))
        session, = subgate.ctl_json("sessions", DAN)["sessions"]
        assert DAN in reader.get("/people")[2]
        kick = {"user": DAN, "session": session["session"]}
        assert reader.post("/person/kick", kick)[:2] == (303, f"{page}&done=kicked")
        wait_until(lambda: not subgate.ctl_json("sessions", DAN)["sessions"], "the session to end")
    assert reader.post("/person/quota", {"user": DAN, "messages": "7", "days": "7"})[:2] == (303, f"{page}&done=quota")
    assert subgate.ctl_json("quota", "show", DAN)["limit"] == 7
    assert "1 of 7 messages sent" in reader.get(page)[2]
    assert reader.post("/person/quota", {"user": DAN, "messages": "7,bytes_per_day=x", "days": "7"})[0] in (400, 422)
    assert reader.post("/person/unset", {"user": DAN})[1] == f"{page}&done=unset"
    assert reader.post("/person/lock", {"user": DAN, "reason": EVIL})[1] == f"{page}&done=locked"
    text = reader.get(page)[2]
    assert SHOWN in text.replace("\\\\", "\\") and "/person/unlock" in text and "/person/lock\"" not in text
    assert reader.post("/person/unlock", {"user": DAN})[1] == f"{page}&done=unlocked"
    # The event of the lock may come to its own node after the answer to its end; that of the end follows.
    wait_until(lambda: subgate.ctl_json("user", "show", DAN)["locked"] == "no", "the lock to be over")
    commands = [(r["command"], r["admin"]) for r in subgate.audit("admin.command") if r.get("admin") == ANNA]
    assert {("user lock", ANNA), ("user unlock", ANNA), ("quota set", ANNA), ("quota unset", ANNA)} <= set(commands)


def test_relays_are_paused_tried_and_resumed_and_the_first_page_says_so(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    reader = log_in(console, subgate, ANNA)
    assert "Everything runs" in reader.get("/now")[2]
    assert reader.post("/relays/pause", {"relay": "upstream"})[1] == "/relays?done=paused"
    text = reader.get("/now")[2]
    assert "No relay takes mail now" in text and "“upstream” is paused" in text
    assert "“upstream” is paused" in reader.get("/alerts")[2]
    assert reader.post("/relays/resume", {"relay": "upstream"})[1] == "/relays?done=resumed"
    status, _, text = reader.post("/relays/test", {"relay": "upstream", "to": "", "from": ""})
    assert status == 200 and "EHLO" in text and "235" in text
    assert reader.post("/relays/pause", {"relay": "nowhere"})[0] == 422
    text = reader.get("/now")[2]
    assert "Disk of the audit" in text and re.search(r"Redis</dt><dd><span class=\"state up\">", text), text
    # Nothing filled in must not mean everybody.
    assert reader.post("/alerts/forgive", {})[0] == 400


def test_what_came_of_messages_is_told(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    upstream.script["RCPT TO:<no@*"] = 2 * [f"550 5.1.1 {EVIL}"]
    for user in (DAN, BEN):
        with login(subgate, user, subgate.create_app_password(user)) as client:
            refused = client.sendmail(user, [f"to-{user}", "no@example.net"], message(user))
            assert list(refused) == ["no@example.net"]
    record, = [record for record in subgate.wait_for_audit("message.sent", 2) if record["user"] == DAN]
    reader = log_in(console, subgate, DAN)
    text = reader.get("/me")[2]
    assert f"to-{DAN}: taken by the next server" in text and f"to-{BEN}" not in text
    assert "no@example.net: refused" in text and "&lt;script&gt;alert(1)" in text and "<script>alert" not in text
    own = subgate.ctl_json("messages", DAN)["records"]
    assert [(r["type"], r["user"]) for r in own] == [("message.sent", DAN)]
    reader = log_in(console, subgate, CLEO)
    text = reader.get("/mail")[2]
    assert f"to-{DAN}" in text and f"to-{BEN}" in text and "change by an administrator" in text
    text = reader.get(f"/mail?to=to-{DAN}&result=sent")[2]
    assert f"to-{DAN}" in text and f"to-{BEN}" not in text and '<option value="sent" selected>' in text
    text = reader.get(f"/message?id={record['message']}")[2]
    assert text.index(">leaving<") < text.index(">handed over<") and f"to-{BEN}" not in text
    assert "no, no network" not in reader.get("/mail?client=no,+no+network")[2].split('value="')[0]
    assert 'class="notice bad"' in reader.get("/mail?client=no,+no+network")[2]


BAR = re.compile(r'<meter max="(\d+)" value="(\d+)" aria-label="([^"]+)">(\d+)</meter>')


def test_what_was_sent_day_by_day_is_a_bar_and_a_number(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    for user, count in ((DAN, 3), (CLEO, 1)):
        with login(subgate, user, subgate.create_app_password(user)) as client:
            for number in range(count):
                client.sendmail(user, ["bob@example.net"], message(user, number=number))
    anna, dan = log_in(console, subgate, ANNA), log_in(console, subgate, DAN)
    for text in (dan.get("/me")[2], anna.get(f"/person?user={DAN}")[2]):
        bars = BAR.findall(text)
        assert [bar[:2] for bar in bars] == [("3", "0")] * 13 + [("3", "3")]
        assert "3 messages to 3 recipients" in text and re.match(r"\d{4}-\d\d-\d\d: ", bars[-1][2])
    bars = BAR.findall(anna.get("/people")[2])
    assert [(most, count, label.partition(":")[0]) for most, count, label, _ in bars] == [
        ("3", "3", DAN), ("3", "1", CLEO)]
    assert [bar[:2] for bar in BAR.findall(log_in(console, subgate, BEN).get("/me")[2])] == [("1", "0")] * 14


def test_pages_speak_the_readers_language(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    assert "Đăng nhập" in Reader(console, "vi-VN,vi;q=0.9,en;q=0.5").get("/login")[2]
    assert "Log in" in Reader(console, "de").get("/login")[2]
    reader = log_in(console, subgate, ANNA, "vi")
    for path in ("/me", *STAFF):
        status, _, text = reader.get(path)
        assert status == 200 and '<html lang="vi">' in text and "{{" not in text


def test_assets_are_files_of_ours_alone(start, upstream, authority):
    _, console = served(start, upstream, authority)
    for name, kind in (("style.css", "text/css"), ("live.js", "text/javascript"), ("icon.svg", "image/svg+xml")):
        status, fields, _ = console.ask("GET", f"/assets/{name}")
        assert (status, fields["Content-Type"].partition(";")[0]) == (200, kind)
        assert "max-age" in fields["Cache-Control"]
    for name in ("en.words", "me.html", "..%2fstyle.css", ""):
        assert console.ask("GET", f"/assets/{name}")[0] == 404
    fields = console.ask("GET", "/login")[1]
    assert fields["Cache-Control"] == "no-store"


def test_pages_say_that_admin_is_away(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    reader = log_in(console, subgate, DAN)
    victim, = subgate.pids("admin")
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: reader.get("/me")[0] in (303, 503) or subgate.pids("admin") not in ([], [victim]),
               "a page to say that")
    # The next process knows the session if the former one had the time to keep it.
    wait_until(lambda: reader.get("/me")[0] in (200, 303), "the next admin process")


def test_alerts_say_who_was_locked_and_who_sends_unusually_and_why(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    reader = log_in(console, subgate, ANNA)
    text = reader.get("/alerts")[2]
    assert text.count("Nobody, in what is at hand") == 2
    subgate.ctl("user", "lock", DAN, "--reason", EVIL)
    subgate.wait_for_audit("user.locked")
    with open(subgate.state / "audit.jsonl", "a") as audit:
        audit.write('{"ts":"2026-11-30T03:00:00.000000Z","type":"user.alert","node":"one","user":"ben@example.com",'
                    '"client_address":"192.0.2.9","reason":"score 81: <b>at night</b>, from a new place"}\n')
    text = reader.get("/alerts")[2]
    assert f'/person?user={DAN.replace("@", "%40")}' in text and "because of:" in text and SHOWN in text
    assert "score 81: &lt;b&gt;at night&lt;/b&gt;, from a new place" in text and "192.0.2.9" in text
    assert "<script>alert" not in text and "<b>at" not in text
    assert '<option value="user.alert" selected>' in reader.get("/mail?result=user.alert")[2]


def test_all_sessions_of_a_person_are_ended_at_once(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    password = subgate.create_app_password(DAN)
    reader = log_in(console, subgate, ANNA)
    page = f"/person?user={DAN.replace('@', '%40')}"
    with login(subgate, DAN, password) as one, login(subgate, DAN, password):
        one.sendmail(DAN, ["bob@example.net"], message(DAN))
        assert len(subgate.ctl_json("sessions", DAN)["sessions"]) == 2
        assert 'action="/person/end"' in reader.get(page)[2]
        assert reader.post("/person/end", {"user": DAN}, csrf="0" * 64)[0] == 403
        assert len(subgate.ctl_json("sessions", DAN)["sessions"]) == 2
        assert reader.post("/person/end", {"user": DAN})[:2] == (303, f"{page}&done=ended")
        wait_until(lambda: not subgate.ctl_json("sessions", DAN)["sessions"], "the sessions to end")
    assert "They may log in again" in reader.get(f"{page}&done=ended")[2]
    with login(subgate, DAN, password):
        pass
    reader = log_in(console, subgate, BEN)
    assert 'action="/person/end"' not in reader.get(page)[2]
    assert reader.post("/person/end", {"user": DAN})[0] == 403


@pytest.mark.parametrize("is_whole", [True, False])
def test_mail_says_whether_the_audit_is_as_it_was_written(start, upstream, authority, is_whole):
    subgate, console = served(start, upstream, authority)
    with login(subgate, DAN, subgate.create_app_password(DAN)) as client:
        client.sendmail(DAN, ["bob@example.net"], message(DAN))
    subgate.wait_for_audit("message.sent")
    wait_until(lambda: subgate.audit("audit.checkpoint"), "a checkpoint")
    if not is_whole:
        with open(subgate.state / "audit.jsonl", "a") as audit:
            audit.write('{"forged":true}\n')
    reader = log_in(console, subgate, CLEO)
    assert "It is being verified now" in reader.get("/mail")[2]
    wait_until(lambda: not subgate.ctl_json("audit", "check")["running"], "the verification")
    text = reader.get("/mail")[2]
    if is_whole:
        assert re.search(r"Yes\. All \d+ records are linked and signed", text), text
    else:
        assert "No. 1 faults were found" in text and "this is no record" in text
    assert "Verified <time" in text and "It reaches back to <time" in text
    assert "state: " in subgate.ctl("audit", "check").stdout


def test_a_new_app_password_comes_with_settings_and_a_profile_for_apple(start, upstream, authority):
    console = Console(authority, ROLES)
    subgate = start(relay_section(upstream) + console.section +
                    'client_settings { imap = "imap.example.com:993" }\n')
    reader = log_in(console, subgate, DAN)
    status, _, text = reader.post("/me/create", {"user": DAN, "label": "phone", "kind": "apple", "days": "30"})
    assert status == 200 and "iPhone, iPad and Mac" in text and "Download the profile below" in text
    password = re.search(r'name="password" value="([^"]+)"', text)[1]
    with login(subgate, DAN, password):
        pass

    def profile(csrf, **more):
        form = urllib.parse.urlencode({"csrf": csrf, "password": password, **more})
        return console.ask("POST", "/me/profile", form, Cookie=reader.cookie,
                           Content_Type="application/x-www-form-urlencoded")
    status, fields, text = profile(reader.csrf, user=ANNA)
    assert status == 200 and fields["Content-Type"] == "application/x-apple-aspen-config"
    assert fields["Content-Disposition"] == 'attachment; filename="subgate.mobileconfig"'
    assert fields["Cache-Control"] == "no-store"
    payload, = plistlib.loads(text.encode())["PayloadContent"]
    assert payload["OutgoingPassword"] == password and payload["OutgoingMailServerUsername"] == DAN
    assert payload["IncomingMailServerHostName"] == "imap.example.com" and ANNA not in text
    # Nobody else's form gets one, and no link.
    for csrf in ("", "0" * 64, reader.csrf[:-1]):
        assert profile(csrf)[0] == 403
    assert reader.get("/me/profile")[0] == 405
    cookie, reader.cookie = reader.cookie, ""
    assert profile("0" * 64)[0] == 303
    reader.cookie = cookie
    text = reader.post("/me/create", {"user": DAN, "label": "x", "kind": EVIL})[2]
    assert "<script>alert" not in text


def test_without_a_server_for_incoming_mail_there_is_no_profile(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    reader = log_in(console, subgate, DAN)
    assert "/me/profile" not in reader.post("/me/create", {"user": DAN, "label": "x", "kind": "printer"})[2]
    status, _, text = reader.post("/me/profile", {"password": "x"})
    assert status == 400 and "incoming mail" in text
