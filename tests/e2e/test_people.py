"""OpenLDAP, Active Directory and 389 Directory Server with the same people: what they may do, and who they are."""

import pytest

from harness.client import connect
from harness.people import PEOPLE, RANGE, person
from harness.subgate import relay_section

PERSON = {p.uid: p for p in PEOPLE}


def group_filter(company, *names):
    """Active Directory follows groups of groups itself; Samba takes long, and is to look at these groups alone."""
    if company.KIND != "active_directory":
        return "(member=%d)"
    wanted = "".join(f"(cn={name})" for name in names)
    return f"(&(|{wanted})(member:1.2.840.113556.1.4.1941:=%d))"


def quoted(text):
    return '"' + text.replace("\\", "\\\\") + '"'


def lend(name, group, address):
    """Whoever is in the group may use the address: so it shows whether Subgate knows that they are."""
    return f'senders {name} {{ groups = {{{quoted(group)}}} addresses = {{"{address}"}} }}\n'


def senders_allowed(subgate, who, senders):
    with connect(subgate) as client:
        client.login(who.uid, who.password)
        codes = {}
        for sender in senders:
            client.mail(sender)
            codes[sender] = client.rcpt("someone@example.org")[0]
            client.rset()
        return {sender for sender, code in codes.items() if code == 250}


@pytest.fixture
def rights(upstream, company, start):
    def open_gateway(extra, **options):
        return start(relay_section(upstream) + company.section(**options) + extra)
    return open_gateway


def test_a_group_of_a_group_counts(company, rights):
    outer = lend("outer", company.group_dn("outer"), "outer@example.com")
    inner = lend("inner", company.group_dn("inner"), "inner@example.com")
    subgate = rights(outer + inner, timeout="60s", group_filter=group_filter(company, "inner", "outer"))
    wanted = ["inner@example.com", "outer@example.com"]
    assert senders_allowed(subgate, PERSON["nina"], wanted) == set(wanted)
    assert senders_allowed(subgate, PERSON["alice"], wanted) == set()


@pytest.mark.parametrize("searches", [False, True], ids=["attribute", "search"])
def test_the_last_of_many_groups_counts(company, rights, searches):
    names = ["range-0000", f"range-{RANGE - 1}"]
    subgate = rights("".join(lend(name, company.group_dn(name), f"{name}@example.com") for name in names),
                     timeout="60s", group_filter=group_filter(company, *names) if searches else "")
    wanted = [f"{name}@example.com" for name in names]
    assert senders_allowed(subgate, PERSON["rita"], wanted) == set(wanted)


def test_a_group_is_known_however_it_is_spelled(company, rights):
    spelled = company.group_dn("Press, Radio").replace("\\,", "\\2c").replace(",", " , ").replace("=", " = ").upper()
    subgate = rights(lend("press", spelled, "press@example.com"))
    assert senders_allowed(subgate, PERSON["bob"], ["press@example.com"]) == {"press@example.com"}
    assert senders_allowed(subgate, PERSON["alice"], ["press@example.com"]) == set()


def test_aliases_are_addresses(company, rights):
    alan = PERSON["alan"]
    subgate = rights("")
    addresses = [*alan.mails, *alan.aliases]
    assert senders_allowed(subgate, alan, [*addresses, "bob@example.com"]) == set(addresses)


def test_whoever_has_no_name_can_not_log_in_and_the_log_says_why(rights):
    subgate = rights("")
    nomail = PERSON["nomail"]
    with connect(subgate) as client:
        with pytest.raises(Exception, match="535"):
            client.login(nomail.uid, nomail.password)
    subgate.wait_for_log("user_attribute mail has 0 values")


def test_a_person_of_the_same_name_is_another_one(company, rights):
    subgate = rights('auth { cache = "0s" }\n')
    for _ in range(2):
        carl = person("carl2")
        company.add(carl)
        senders_allowed(subgate, carl, [])
        company.delete(carl)
    records = subgate.wait_for_audit("auth.success", 2)
    assert {r["user"] for r in records} == {"carl2@example.com"}
    assert len({r["user_id"] for r in records}) == 2
    assert all(r["user_id"].startswith("corp:") for r in records)


def test_valid_filter_names_who_may_come_in(company, rights):
    subgate = rights("", valid_filter="(mail=alice@example.com)")
    senders_allowed(subgate, PERSON["alice"], [])
    with connect(subgate) as client:
        with pytest.raises(Exception, match="525"):
            client.login("bob", PERSON["bob"].password)


def test_names_of_windows_and_of_other_realms_mean_one_person(company, rights):
    alice = PERSON["alice"]
    rules = r'{"CORP\\* -> *@example.com", "*@corp.local -> *@example.com", "* -> *@example.com"}'
    subgate = rights(f"auth {{ login_map = {rules} }}\n")
    for name in ("CORP\\Alice", "alice@corp.local", "Alice", "alice@example.com"):
        with connect(subgate) as client:
            assert client.login(name, alice.password)[0] == 235
    assert len({r["user_id"] for r in subgate.wait_for_audit("auth.success", 4)}) == 1
