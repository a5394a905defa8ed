"""Who may run what in the console's API: each command, by each role, as a person, as a program, and as nobody.

`make roles` prints the table.
"""

import urllib.parse

import pytest

from harness.console import Console, Session, Token
from harness.subgate import relay_section

ANNA, BEN, CLEO, DAN, EVE = (f"{name}@example.com" for name in ("anna", "ben", "cleo", "dan", "eve"))
ROLES = f'admin_users = {{"{ANNA}"}}  operator_users = {{"{BEN}"}}  auditor_users = {{"{CLEO}"}}'
ORDER = ["user", "auditor", "operator", "admin"]
ARGUMENTS = {"user": DAN, "label": "x", "id": "AAAAAAAA", "overlap": 2000000000, "within": 2000000000,
             "expires": 2000000000, "role": "auditor", "limits": "messages_per_day=1", "node": "mail9.example.com",
             "session": "9-9", "relay": "upstream"}
NOT_RUN = {"drain", "reload"}  # they end what the others are tried at: only who may not is tried
MAY = (200, 422)  # done, or refused by who knows: it came that far


class Nobody:
    """Without a session and without a token."""

    def __init__(self, console):
        self.console = console

    def get(self, path):
        return self.console.ask("GET", path)[::2]

    def post(self, path, body):
        return self.console.ask("POST", path, body)[::2]


def operations(console):
    """(path, method, its description) of each command, as the API describes itself."""
    for path, methods in console.ask("GET", "/api/v1/openapi.json")[2]["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def arguments_of(operation, user):
    """The least that the command takes, about that user."""
    if "parameters" in operation:
        names = [p["name"] for p in operation["parameters"] if p["required"] or p["name"] == "user"]
    else:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        names = {*schema["required"], *({"user"} & set(schema["properties"]))}
    return {name: user if name == "user" else ARGUMENTS[name] for name in names}


def run(caller, path, method, arguments):
    if method == "GET":
        return caller.get(f"{path}?{urllib.parse.urlencode(arguments)}")[0]
    return caller.post(path, arguments)[0]


def try_command(caller, who, user, path, method, operation):
    """"yes", "own" or "no" for one cell of the table; each answer is the one that the role must hear."""
    is_program, role = who.startswith("token "), who.removeprefix("token ")
    if role == "nobody":
        assert run(caller, path, method, arguments_of(operation, EVE)) == 401, (path, who)
        return "no"
    may = ORDER.index(role) >= ORDER.index(operation["x-role"])
    if is_program and path == "/api/v1/api-token/create":
        may = False
    may_own = operation["x-own"] and not is_program
    if not may:
        others = run(caller, path, method, arguments_of(operation, EVE))
        assert others == (404 if role == "user" else 403), (path, who, others)
    if path.rsplit("/", 1)[1] in NOT_RUN:
        return "yes" if may else "no"
    # Whoever locks themselves is out.
    about = EVE if may and role == "admin" else user
    own = run(caller, path, method, arguments_of(operation, about))
    expected = MAY if may or may_own else (404 if role == "user" else 403,)
    assert own in expected, (path, who, own)
    return "yes" if may else "own" if may_own else "no"


@pytest.mark.seconds(30)
def test_each_role_runs_what_is_its_own_and_no_more(start, upstream, authority):
    console = Console(authority, ROLES)
    subgate = start(relay_section(upstream) + console.section)
    callers = {role: (Session(console, user, subgate.create_app_password(user, "console", "--console")), user)
               for role, user in zip(ORDER, (DAN, CLEO, BEN, ANNA))}
    for role, (session, _) in callers.items():
        assert session.answer["role"] == role
    callers |= {f"token {role}": (Token(console, subgate, role), DAN) for role in ORDER[1:]}
    callers["nobody"] = (Nobody(console), DAN)
    table = list(operations(console))
    assert len(table) > 25
    print("\n" + f"{'':41}" + "".join(f"{who.replace('token ', 't.'):>11}" for who in callers))
    for path, method, operation in table:
        cells = [try_command(caller, who, user, path, method, operation) for who, (caller, user) in callers.items()]
        print(f"{method:5}{path.removeprefix('/api/v1/'):36}" + "".join(f"{cell:>11}" for cell in cells))
    subgate.wait_for_audit("admin.command", 1)
