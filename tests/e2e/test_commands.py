"""subgatectl's words: usage errors, help, and what bash completes. No daemon is asked."""

import pathlib
import re
import subprocess

import pytest

from harness.subgate import BUILD

COMPLETION = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "completion" / "subgatectl"

COMPLETE = """
source "$1"
shift
complete -p subgatectl >/dev/null || exit 1
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_subgatectl
((${#COMPREPLY[@]})) && printf '%s\\n' "${COMPREPLY[@]}"
true
"""


def completions(*words, cwd=None):
    """What bash offers after these words, the last of them typed in part."""
    done = subprocess.run(["bash", "--norc", "-c", COMPLETE, "bash", COMPLETION, "subgatectl", *words],
                          capture_output=True, text=True, check=True, cwd=cwd)
    assert done.stderr == ""
    return done.stdout.split()


def run(*words):
    done = subprocess.run([BUILD / "subgatectl", *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("typed, offered", [
    (["re"], ["reload", "relay"]),
    (["x"], []),
    (["status", ""], []),
    (["status", "--j"], ["--json"]),
    (["relay", ""], ["list", "pause", "resume", "test", "authorize"]),
    (["relay", "p"], ["pause"]),
    (["--json", "relay", "re"], ["resume"]),
    (["-s", "/tmp/admin.sock", "quota", ""], ["show", "history", "top", "reset", "set", "unset", "without"]),
    (["relay", "-s", "/tmp/admin.sock", "l"], ["list"]),
    (["relay", "test", "gmail", ""], ["--to", "--from"]),
    (["relay", "test", "gmail", "--t"], ["--to"]),
    (["relay", "test", "gmail", "--to", ""], []),
    (["relay", "test", "gmail", "--to", "anna", "@", "example.com", ""], ["--from"]),
    (["app-password", "create", "anna", "@", "example.com", "--"],
     ["--label", "--expires", "--from", "--senders", "--recipients", "--quota", "--owner", "--console", "--service",
      "--json", "--help"]),
    (["app-password", "create", "anna", "--label", "l", "--expires", "90d", "--service", ""],
     ["--from", "--senders", "--recipients", "--quota", "--owner", "--console"]),
    (["relay", "list", "--to"], []),
    (["no-such-command", ""], []),
    (["--v"], ["--version"]),
])
def test_bash_offers(typed, offered):
    assert completions(*typed) == offered


def test_bash_offers_files_for_a_socket(tmp_path):
    (tmp_path / "admin.sock").touch()
    (tmp_path / "subgate.conf").touch()
    assert completions("-s", "adm", cwd=tmp_path) == ["admin.sock"]


def test_bash_offers_exactly_the_commands_there_are():
    code, text, _ = run("--help")
    assert code == 0
    names = re.findall(r"^  ([a-z][a-z-]*)(?: ([a-z]+))?(?= |$)", text, re.M)
    assert len(names) >= 15
    assert completions("") == list(dict.fromkeys(first for first, _ in names))
    for group in {first for first, second in names if second}:
        assert completions(group, "") == [second for first, second in names if first == group]


@pytest.mark.parametrize("words, expected", [
    ([], "a command is missing; expected one of: setup, status, reload, "),
    (["relya", "list"], 'unknown command "relya"; expected one of: '),
    (["relay"], "relay: a command is missing; expected one of: relay list, relay pause, "),
    (["quota", "reset"], "quota reset: USER is missing; expected: subgatectl quota reset USER [--shared]\n"),
    (["status", "now"], 'status: unexpected word "now"; expected: subgatectl status\n'),
    (["quota", "show", "anna", "--label", "l"],
     "quota show: unknown option --label; expected: subgatectl quota show [USER] [--shared]\n"),
])
def test_wrong_usage_ends_with_2_and_says_what_was_expected(words, expected):
    code, out, errors = run(*words)
    assert (code, out) == (2, "")
    assert errors.startswith(f"subgatectl: {expected}") and errors.count("\n") == 1


@pytest.mark.parametrize("words, first_line", [
    (["--help"], "Usage: subgatectl [-s SOCKET] [--json] COMMAND"),
    (["relay", "--help"], "Usage: subgatectl [-s SOCKET] [--json] relay COMMAND"),
    (["quota", "show", "--help"], "Usage: subgatectl [-s SOCKET] [--json] quota show [USER] [--shared]"),
    (["--reference"], "# Commands"),
])
def test_help_needs_no_daemon(words, first_line):
    code, out, errors = run("-s", "/nowhere/admin.sock", *words)
    assert (code, errors) == (0, "")
    assert out.splitlines()[0] == first_line


def test_the_completion_printed_is_the_one_installed():
    assert run("--completion") == (0, COMPLETION.read_text(), "")
