"""OpenLDAP, Active Directory and 389 Directory Server with the same people: who may log in, and as whom."""

import base64
import concurrent.futures
import smtplib
import time

import pytest

from harness.certificates import Authority
from harness.client import connect, login, message
from harness.people import PEOPLE, RANGE_GROUPS, SEVERAL, person
from harness.process import PATIENCE, wait_until
from harness.ranged_front import RangedFront
from harness.samba_server import SambaServer
from harness.subgate import relay_section
from harness.tcp_proxy import TcpProxy

PERSON = {p.uid: p for p in PEOPLE}
ALICE = PERSON["alice"]
UNCACHED = 'auth { cache = "0s"  failures_per_address = 0 }\n'

# States that the directory tells of when the password was right. Of the others it says what it says to wrong ones.
TOLD = {"active_directory": {"disabled", "expired", "must_change"}, "389ds": {"expired", "must_change"},
        "openldap": {"must_change"}}

NO_NAMES = ["*", "a*", "alice)(uid=*", "alice\\2a", "Meta (the", "(", ")", "\\", "*" * 255]


def try_login(subgate, name, password):
    """The reply's code."""
    with connect(subgate) as client:
        client.ehlo()
        plain = base64.b64encode(f"\0{name}\0{password}".encode()).decode()
        return client.docmd("AUTH", f"PLAIN {plain}")[0]


def try_logins(subgate, passwords):
    """The codes of logins at the same time; `passwords`: name to password."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return dict(zip(passwords, pool.map(lambda item: try_login(subgate, *item), passwords.items())))


def timed_login(subgate):
    began = time.monotonic()
    return try_login(subgate, ALICE.uid, ALICE.password), time.monotonic() - began


def try_sender(subgate, who, sender):
    """What the client hears of a message of theirs with this sender."""
    with login(subgate, who.uid, who.password) as client:
        try:
            client.sendmail(sender, ["carol@example.net"], message(sender))
        except smtplib.SMTPResponseException as refused:
            return refused.smtp_code
        return 250


@pytest.fixture
def gateway(upstream, company, start):
    return start(relay_section(upstream) + company.section() + UNCACHED)


@pytest.fixture
def proxy(company):
    proxy = TcpProxy(company.host, company.port).start()
    yield proxy
    proxy.stop()


def expected(company, who):
    return 525 if who.state in TOLD[company.KIND] else 535 if who.state else 235


def test_every_person_is_let_in_or_told_why_not(company, gateway):
    people = [p for p in PEOPLE if not p.uid.startswith("twin") and p.mails]
    assert (try_logins(gateway, {p.uid: p.password for p in people})
            == {p.uid: expected(company, p) for p in people})
    assert (try_logins(gateway, {p.uid: "Wrong-Password" for p in people})
            == dict.fromkeys((p.uid for p in people), 535))


def test_an_app_password_follows_the_entry_and_wrong_guesses_at_another_password_do_not_end_it(company, gateway):
    people = [p for p in PEOPLE if p.state] + [ALICE]
    passwords = {p.mails[0]: gateway.create_app_password(p.mails[0]) for p in people}
    bad = {"disabled", "must_change", "expired"}
    if company.KIND == "389ds":  # there only passwords expire
        bad.remove("expired")
    assert try_logins(gateway, passwords) == {p.mails[0]: 525 if p.state in bad else 235 for p in people}


def test_login_names_of_one_person_are_one_user(upstream, company, start):
    login_map = 'auth { login_map = {"EXAMPLE\\\\* -> *"} }\n'
    gateway = start(relay_section(upstream) + company.section() + login_map)
    names = [ALICE.uid, ALICE.mails[0], "ALICE", "Alice@Example.Com"]
    if company.KIND == "active_directory":
        names += [f"alice@{company.realm}", "EXAMPLE\\alice", "example\\Alice"]
    assert try_logins(gateway, dict.fromkeys(names, ALICE.password)) == dict.fromkeys(names, 235)
    records = gateway.wait_for_audit("auth.success", len(names))
    assert len({(r["user"], r["user_id"]) for r in records}) == 1
    assert try_login(gateway, "ida@b\u00fccher.test", PERSON["ida"].password) == 235


def test_metacharacters_find_nobody(gateway):
    assert try_logins(gateway, dict.fromkeys(NO_NAMES, ALICE.password)) == dict.fromkeys(NO_NAMES, 535)
    assert try_login(gateway, ALICE.uid, ALICE.password) == 235


def test_a_name_of_two_people_is_nobodys(gateway):
    assert try_login(gateway, "twin@example.com", PERSON["twin1"].password) == 535
    assert try_login(gateway, "twin@example.com", PERSON["twin2"].password) == 535


def test_whoever_has_several_names_is_refused_with_a_line_in_the_log(upstream, company, start):
    names = "proxyAddresses" if company.KIND == "active_directory" else "mail"  # the former's mail has one value
    gateway = start(relay_section(upstream) + company.section(user_attribute=names))
    assert try_login(gateway, SEVERAL.uid, SEVERAL.password) == 535
    gateway.wait_for_log(f"user_attribute {names} has ")


def test_groups_that_come_in_pieces_are_read_to_the_end(upstream, companies, start, request):
    """As Active Directory gives them."""
    if not SambaServer.is_installed():
        pytest.skip("Samba is not installed")
    server = companies(SambaServer)
    front = RangedFront(server).start()
    request.addfinalizer(front.stop)
    group = server.group_dn(RANGE_GROUPS[-1])
    subgate = start(relay_section(upstream) + server.section(uri=[front.uri]) + UNCACHED
                    + f'senders last {{ groups = {{"{group}"}}  addresses = {{"last@example.com"}} }}\n')
    assert try_sender(subgate, PERSON["rita"], "last@example.com") == 250
    assert try_sender(subgate, ALICE, "last@example.com") == 553


def test_starttls_before_anything_else(upstream, company, start):
    subgate = start(relay_section(upstream) + company.section(uri=[company.clear_uri], starttls=True) + UNCACHED)
    assert try_login(subgate, ALICE.uid, ALICE.password) == 235
    assert try_login(subgate, ALICE.uid, "Wrong-Password") == 535


@pytest.mark.parametrize("starttls", [False, True], ids=["ldaps", "starttls"])
def test_a_certificate_of_another_authority_is_refused_and_named(upstream, company, start, tmp_path, starttls):
    other = Authority(tmp_path / "other")
    uri = company.clear_uri if starttls else company.uri
    subgate = start(relay_section(upstream) + UNCACHED
                    + company.section(uri=[uri], starttls=starttls, ca_file=str(other.ca)))
    assert try_login(subgate, ALICE.uid, ALICE.password) == 454
    subgate.wait_for_log("certificate")


def test_a_frozen_directory_is_454_in_time_and_another_server_takes_over(upstream, company, start, proxy):
    section = company.section(uri=[proxy.uri], timeout="4s")
    alone = start(relay_section(upstream) + section + UNCACHED, name="alone")
    pair = start(relay_section(upstream) + company.section(uri=[proxy.uri, company.uri], timeout="4s") + UNCACHED,
                 name="pair")
    assert timed_login(alone)[0] == timed_login(pair)[0] == 235
    proxy.freeze()
    code, seconds = timed_login(alone)
    assert code == 454 and seconds < PATIENCE
    for _ in range(3):
        assert timed_login(pair)[0] == 235
    proxy.thaw()
    wait_until(lambda: timed_login(alone)[0] == 235, "logins to work again")


def test_a_killed_directory_is_454_in_time_and_another_server_takes_over(upstream, company, start, proxy):
    alone = start(relay_section(upstream) + company.section(uri=[proxy.uri]) + UNCACHED, name="alone")
    pair = start(relay_section(upstream) + company.section(uri=[proxy.uri, company.uri]) + UNCACHED, name="pair")
    assert timed_login(alone)[0] == timed_login(pair)[0] == 235
    proxy.kill()
    code, seconds = timed_login(alone)
    assert code == 454 and seconds < PATIENCE
    for _ in range(3):
        assert timed_login(pair)[0] == 235
    proxy.revive()
    wait_until(lambda: timed_login(alone)[0] == 235, "logins to work again")


def test_connections_that_a_firewall_forgot_cost_no_login(upstream, company, start, proxy):
    subgate = start(relay_section(upstream) + company.section(uri=[proxy.uri], timeout="4s") + UNCACHED)
    for _ in range(3):
        assert timed_login(subgate)[0] == 235
    proxy.forget()
    assert [timed_login(subgate)[0] for _ in range(3)] == [235] * 3


def test_a_changed_password_holds_at_once_and_the_old_one_no_longer(upstream, company, start):
    carl = person("carl")
    company.add(carl)
    subgate = start(relay_section(upstream) + company.section() + 'auth { cache = "5m" }\n')
    assert try_login(subgate, carl.uid, carl.password) == 235
    company.set_password(carl, "Another-Password-2")
    assert try_login(subgate, carl.uid, "Another-Password-2") == 235
    assert try_login(subgate, carl.uid, carl.password) == 535
    company.delete(carl)
    subgate.ctl("user", "forget", carl.mails[0])
    wait_until(lambda: try_login(subgate, carl.uid, "Another-Password-2") == 535, "a deleted entry to be forgotten")


def test_referrals_are_not_followed(upstream, company, start):
    subgate = start(relay_section(upstream) + company.section(base=company.base) + UNCACHED)
    assert try_login(subgate, ALICE.uid, ALICE.password) == 235
    assert try_login(subgate, ALICE.uid, "Wrong-Password") == 535
    assert try_login(subgate, "elsewhere", "Wrong-Password") == 535
    assert not company.has_visitors_elsewhere()
