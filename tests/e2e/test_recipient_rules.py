"""To whom the members of a directory's groups may send. What is said then: tests/dialog/recipient_rules*.txt."""

from harness.client import connect
from harness.people import PEOPLE
from harness.subgate import relay_section

PERSON = {p.uid: p for p in PEOPLE}


def recipients_allowed(subgate, who, addresses):
    with connect(subgate) as client:
        client.login(who.uid, who.password)
        client.mail(who.mails[0])
        return [address for address in addresses if client.rcpt(address)[0] == 250]


def test_a_rule_for_a_group_is_for_its_members(company, upstream, start):
    group = company.group_dn("Press, Radio").replace("\\,", "\\2C").upper().replace("\\", "\\\\")
    subgate = start(relay_section(upstream) + company.section() + f"""
recipients press {{ groups = {{"{group}"}}  allow = {{"@example.org", "@.example.org"}} }}
recipients default {{ deny = {{"@example.org"}} }}
""")
    addresses = ["a@example.org", "a@sub.example.org", "a@example.net"]
    assert recipients_allowed(subgate, PERSON["bob"], addresses) == addresses[:2]
    assert recipients_allowed(subgate, PERSON["alice"], addresses) == addresses[1:]
