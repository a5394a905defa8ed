"""`subgatectl directory test`: what a directory says of somebody, and what a login would make of it, step by step."""

import subprocess

import pytest

from harness.client import connect
from harness.ds389_server import ACI, Ds389Server
from harness.openldap_server import OpenldapServer
from harness.people import PEOPLE
from harness.process import PATIENCE
from harness.subgate import BUILD, Subgate, relay_section

PERSON = {p.uid: p for p in PEOPLE}


def explain(subgate, name):
    """(result, the steps as one text)"""
    answer = subgate.ctl_json("directory", "test", name)
    return answer["result"], "\n".join(row["step"] for row in answer["steps"])


@pytest.fixture
def profiled(upstream, company, start):
    """With what the profile of the directory's kind sets, and nothing else."""
    return start(relay_section(upstream) + company.section(profile=company.KIND))


def test_a_user_is_shown_with_what_they_are_and_may(company, profiled):
    alice = PERSON["alice"]
    result, steps = explain(profiled, "alice")
    assert result == "may log in"
    assert company.uri in steps and "connected, and bound as" in steps
    assert company.dn(alice).lower() in steps.lower() and f"the user is {alice.mails[0]}" in steps
    assert f"may send as: {alice.mails[0]}" in steps and "how it stands: in order" in steps
    assert "may not read" not in steps + profiled.log and "does not say" not in steps
    with connect(profiled) as client:
        client.login(alice.uid, alice.password)


def test_whoever_may_not_log_in_is_told_why(profiled):
    result, steps = explain(profiled, "dora")
    assert result.startswith("can't log in: ") and "how it stands: " in steps and "in order" not in steps
    assert explain(profiled, "nobody-of-that-name")[0] == "can't log in: in no directory"
    result, steps = explain(profiled, "twin@example.com")
    assert "several users of that name" in steps and result == "can't log in: in no directory"


def test_a_directory_that_is_away_is_shown_with_what_is_wrong(upstream, directory, start):
    subgate = start(relay_section(upstream) + directory.section())
    directory.stop()
    result, steps = explain(subgate, "alice")
    assert result.startswith("gets 454: ") and "Connection refused" in steps
    secret = directory.BIND_PASSWORD
    assert secret not in steps and secret not in result


def test_a_directory_can_be_asked_before_anything_runs(tmp_path, authority, upstream, directory):
    """`subgate --directory`, for whoever sets it up."""
    def ask(name, password=directory.BIND_PASSWORD):
        sections = relay_section(upstream) + directory.section()
        subgate = Subgate(tmp_path / f"{name}-{len(password)}", authority, sections,
                          {"ldap": password, "upstream": upstream.PASSWORD})
        done = subprocess.run([BUILD / "subgate", "-c", subgate.config, "--directory", name], capture_output=True,
                              text=True, timeout=PATIENCE)
        assert password not in done.stdout + done.stderr and not subgate.state.exists()
        return done.returncode, done.stderr + done.stdout  # the log, and the steps

    code, steps = ask("alice")
    assert code == 0 and directory.uri in steps and steps.endswith("result: may log in\n")
    assert "corp: may send as: alice@example.com\n" in steps
    code, steps = ask("nobody-of-that-name")
    assert code == 1 and steps.endswith("result: can't log in\n")
    code, steps = ask("alice", "wrong-Password")
    assert code == 1 and "Invalid credentials" in steps and "gets 454" in steps


def test_without_a_directory_there_is_nothing_to_test(subgate):
    refused = subgate.ctl("directory", "test", "alice", check=False)
    assert refused.returncode == 1 and "there is no ldap section" in refused.stderr


@pytest.fixture
def hiding_389ds(companies):
    """What marks a disabled account is hidden; reading goes without comparing."""
    company = companies(Ds389Server)
    shown = ACI.format(bind_dn=company.bind_dn)
    reads = shown.replace(", compare", "")
    hides = ('(targetattr = "nsAccountLock")(version 3.0; acl "hidden"; '
             f'deny (all) userdn = "ldap:///{company.bind_dn}";)')
    company.modify(company.base, f"delete: aci\naci: {shown}\n-\nadd: aci\naci: {reads}\naci: {hides}")
    yield company
    company.modify(company.base, f"delete: aci\naci: {reads}\naci: {hides}\n-\nadd: aci\naci: {shown}")


@pytest.fixture
def hiding_openldap(companies, tmp_path):
    """The same of an account that an administrator has locked."""
    company = companies(OpenldapServer).twin(tmp_path / "hiding")
    company.configure(lambda text: text.replace(
        "access to * by", "access to attrs=pwdAccountLockedTime by * none\naccess to * by"))
    yield company.start()
    company.stop()


@pytest.mark.parametrize("kind, hidden", [("389ds", "nsAccountLock"), ("openldap", "pwdAccountLockedTime")])
def test_attributes_that_cannot_be_read_are_told_once(upstream, start, request, kind, hidden):
    """To the searching account they look as if nobody had them."""
    if not {"389ds": Ds389Server, "openldap": OpenldapServer}[kind].is_installed():
        pytest.skip(f"{kind} is not installed")
    company = request.getfixturevalue(f"hiding_{kind}")
    told = f"bind_dn may not read {hidden}, so that"
    subgate = start(relay_section(upstream) + company.section(profile=company.KIND))
    alice = PERSON["alice"]
    for _ in range(2):
        with connect(subgate) as client:
            client.login(alice.uid, alice.password)
    subgate.wait_for_log(told)
    for name in ("dora", "alice"):
        assert told in explain(subgate, name)[1]
    assert subgate.log.count("bind_dn may not read") == 1
