"""Tokens of the console's API: what programs use in the place of a session."""

import json
import time

from harness.console import Console, Session, Token
from harness.process import wait_until
from harness.subgate import relay_section

ANNA = "anna@example.com"
ROLES = f'admin_users = {{"{ANNA}"}}'


def served(start, upstream, authority, sections="", options=ROLES):
    console = Console(authority, options)
    return start(relay_section(upstream) + console.section + sections), console


def tokens_of(subgate):
    return {row["id"]: row for row in subgate.ctl_json("api-token", "list")["api_tokens"]}


def uses_of(subgate, token_id):
    return [r for r in subgate.audit("admin.command") if r.get("api_token") == token_id]


def test_a_token_from_its_making_to_its_end(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    token = Token(console, subgate, "administrator", label="ansible: mail 1")
    row = tokens_of(subgate)[token.id]
    assert (row["role"], row["label"], row["expired"]) == ("admin", "ansible: mail 1", False)
    assert "last_used" not in row and token.text not in json.dumps(row)
    status, answer = token.get("/api/v1/session")
    assert (status, answer["api_token"], answer["role"]) == (200, token.id, "admin")
    assert token.get("/api/v1/quota/show")[0] == 200
    assert token.post("/api/v1/quota/set", {"user": ANNA, "limits": "messages_per_day=7"})[0] == 200  # no CSRF token
    assert subgate.ctl_json("quota", "show", ANNA)["limit"] == 7
    assert token.post("/api/v1/logout")[0] == 422
    wait_until(lambda: "last_used" in tokens_of(subgate)[token.id], "its use to be kept")
    assert tokens_of(subgate)[token.id]["last_used_from"] == "127.0.0.1"
    records = wait_until(lambda: len(uses_of(subgate, token.id)) >= 3 and uses_of(subgate, token.id), "its records")
    assert all(r["admin"] == "ansible: mail 1" and "uid" not in r for r in records)
    assert [(r["command"], r["result"]) for r in records] == [
        ("api-token use", "done"), ("quota set", "begins"), ("quota set", "done")]
    assert records[0]["object"] == "127.0.0.1"
    subgate.ctl("reload")
    wait_until(lambda: token.get("/api/v1/session")[0] == 200, "the new admin to know the token")
    subgate.ctl("api-token", "revoke", token.id)
    assert token.get("/api/v1/session")[0] == 401
    assert token.id not in tokens_of(subgate)
    assert subgate.ctl_json("api-token", "revoke", token.id, check=False)["error"] == "no token has this id"
    written = [subgate.state / "console" / "api-tokens", subgate.state / "audit.jsonl", subgate.folder / "subgate.log"]
    for file in written:
        assert token.text.rpartition("_")[2] not in file.read_text()


def test_wrong_tokens_are_counted_and_recorded(start, upstream, authority):
    subgate, console = served(start, upstream, authority, "auth { failures_per_address = 5 }\n")
    token = Token(console, subgate, "auditor")
    right = token.text
    wrong = [right[:-1] + ("0" if right[-1] != "0" else "1"), "subgate_00000000_" + right[17:], right[:-1],
             right + "0", "x", "=", "a b", right.upper()]
    codes = [console.ask("GET", "/api/v1/session", Authorization=f"Bearer {text}")[0] for text in wrong]
    assert codes == [401] * 5 + [429] * 3
    assert token.get("/api/v1/session")[0] == 200  # whatever others at its address guess

    def refusals():
        return [r for r in subgate.audit("admin.command") if r["result"] == "refused"]
    wait_until(lambda: len(refusals()) >= 5, "five records")
    refused = refusals()
    assert len(refused) == 5
    assert (refused[0]["command"], refused[0]["object"], refused[0]["reason"]) == (
        "api-token use", "127.0.0.1", "unknown token")
    answer = console.ask("GET", "/api/v1/session", Authorization="Basic YTpi")
    assert answer[0] == 401 and answer[1]["WWW-Authenticate"] == "Bearer"  # a web server's own: nobody is logged in


def test_a_token_holds_at_its_place_and_in_its_time(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    elsewhere = Token(console, subgate, "auditor", "--from", "192.0.2.0/24,2001:db8::/32")
    here = Token(console, subgate, "auditor", "--from", "127.0.0.0/8")
    brief = Token(console, subgate, "auditor", expires="1d")
    assert [t.get("/api/v1/session")[0] for t in (elsewhere, here, brief)] == [401, 200, 200]
    reasons = wait_until(lambda: [r["reason"] for r in uses_of(subgate, elsewhere.id)], "the refusal's record")
    assert reasons == ["the token is not for this address"]
    path = subgate.state / "console" / "api-tokens"
    # A use that is being written now would be written over what is put there.
    wait_until(lambda: all("last_used" in tokens_of(subgate)[t.id] for t in (here, brief)), "the uses to be kept")
    lines = path.read_text().splitlines()
    lines = [json.dumps(json.loads(line) | {"expires": int(time.time())}) if brief.id in line else line
             for line in lines]
    lines.insert(2, '{"id": "broken"')
    replace(path, lines)
    wait_until(lambda: brief.get("/api/v1/session")[0] == 401, "the file to be followed")
    assert tokens_of(subgate)[brief.id]["expired"] is True
    subgate.wait_for_log("API tokens: line 3 can't be read, and is skipped (1 such lines)")
    subgate.ctl("api-token", "revoke", elsewhere.id)
    assert '{"id": "broken"' in path.read_text()  # whoever wrote that may want to mend it
    replace(path, ["subgate api-tokens 9", *lines[1:]])
    wait_until(lambda: here.get("/api/v1/session")[0] == 401, "no token to be valid")
    subgate.wait_for_log("API tokens can't be read, so none is valid")


def replace(path, lines):
    other = path.with_suffix(".new")
    other.write_text("\n".join(lines) + "\n")
    other.chmod(0o600)
    other.rename(path)


def test_a_token_is_no_one_and_begets_no_other(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    admin, auditor = Token(console, subgate, "admin"), Token(console, subgate, "auditor", label=ANNA)
    more = {"role": "auditor", "label": "more", "expires": 2000000000}
    assert admin.post("/api/v1/api-token/create", more)[0] == 403
    # A label is no name: nothing of that user's is its own.
    assert auditor.post("/api/v1/app-password/create", {"user": ANNA, "label": "x"})[0] == 403
    assert auditor.get("/api/v1/api-token/list")[0] == 200
    person = Session(console, ANNA, subgate.create_app_password(ANNA, "console", "--console"))
    status, answer = person.post("/api/v1/api-token/create", more)
    assert (status, answer["role"]) == (200, "auditor")
    # A token that is sent counts alone, and so does not lend the cookie's right, nor the cookie its.
    assert person.console.ask("GET", "/api/v1/session", Cookie=person.cookie, Authorization="Bearer x")[0] == 401
    assert auditor.post("/api/v1/user/lock", {"user": "dan@example.com"}, Cookie=person.cookie)[0] == 403
    for more in (["--role", "user"], ["--role", "root"], ["--role", "auditor", "--from", "office"],
                 ["--role", "auditor", "--label", "l" * 65]):
        label = [] if "--label" in more else ["--label", "l"]
        answer = subgate.ctl_json("api-token", "create", "--expires", "1d", *label, *more, check=False)
        assert answer["ok"] is False, more


def test_without_a_console_there_are_no_tokens(start, upstream):
    subgate = start(relay_section(upstream))
    more = ["--role", "auditor", "--label", "l", "--expires", "1d"]
    answer = subgate.ctl_json("api-token", "create", *more, check=False)
    assert "there is no console" in answer["error"]
