"""
Certificates renew by themselves: replaced as certbot, acme.sh and lego do it, they are shown to new clients within
seconds, and no session notices. What is wrong changes nothing. With -s the figures are shown.
"""

import os
import time
from types import SimpleNamespace

import pytest

from e2e.test_certificates import shown
from e2e.test_crowd import LIMITS, crowd, many_files  # noqa: F401 (a fixture)
from harness.certificates import Authority
from harness.client import login, message
from harness.process import wait_until
from harness.subgate import relay_section

USER = "alice@example.com"
NAME = "mail.example.com"
SESSIONS = 1000
RENEWAL = "certificates: renewed"
IDLE = 5.5  # seconds: longer than a session may be idle in a gate that drains after a reload


@pytest.fixture
def issuer(tmp_path):
    return Authority(tmp_path / "issuer")


def issue(issuer, name=NAME):
    """A new certificate and its key, as bytes."""
    for path in issuer.certificate(name):
        path.unlink(missing_ok=True)
    certificate, key = issuer.certificate(name)
    return certificate.read_bytes(), key.read_bytes()


def write(path, content, mode=0o600):
    path.write_bytes(content)
    path.chmod(mode)


class Certbot:
    """Links in live/ lead to numbered files in archive/."""

    def __init__(self, folder, pair):
        self.live, self.archive, self.number = folder / "live" / NAME, folder / "archive" / NAME, 0
        self.live.mkdir(parents=True)
        self.archive.mkdir(parents=True)
        self.renew(pair)

    def paths(self):
        return self.live / "fullchain.pem", self.live / "privkey.pem"

    def renew(self, pair):
        self.number += 1
        for path, content in zip(self.paths(), pair):
            kept = self.archive / f"{path.stem}{self.number}.pem"
            write(kept, content)
            path.unlink(missing_ok=True)
            path.symlink_to(os.path.relpath(kept, self.live))


class AcmeSh(Certbot):
    """Writes into the files that are there, the key first."""

    def renew(self, pair):
        for path, content in reversed(list(zip(self.paths(), pair))):
            write(path, content)


class Lego(Certbot):
    """Renames files into place."""

    def renew(self, pair):
        for path, content in zip(self.paths(), pair):
            draft = path.with_suffix(".new")
            write(draft, content)
            draft.replace(path)


def renew_and_time(subgate, tool, issuer):
    """Seconds until a new client sees it."""
    before, pair = shown(subgate, NAME), issue(issuer)
    began = time.monotonic()
    tool.renew(pair)
    wait_until(lambda: shown(subgate, NAME) != before, "the new certificate to be shown")
    return time.monotonic() - began


@pytest.mark.seconds(30)
def test_a_renewal_is_shown_within_seconds_and_loses_no_session(upstream, start, tmp_path, issuer,
                                                               many_files):  # noqa: F811
    tool = Certbot(tmp_path / "letsencrypt", issue(issuer))
    # Half of it is for idle sessions, from the first of the renewals on.
    subgate = start(relay_section(upstream) + LIMITS, certificate=tool.paths(), drain="2m")
    subgate.authority = issuer
    password = subgate.create_app_password(USER)
    with crowd(subgate, password, idle=SESSIONS), login(subgate, USER, password) as sender:
        assert sender.mail(USER)[0] == 250
        taken = []
        for kind in (Certbot, AcmeSh, Lego):
            tool.__class__ = kind
            taken.append(renew_and_time(subgate, tool, issuer))
            subgate.wait_for_log(RENEWAL)
        time.sleep(IDLE)  # nobody may be sent away
        assert sender.rcpt("bob@example.net")[0] == 250
        assert sender.data(message(USER))[0] == 250
    assert len(upstream.messages) == 1
    print(f"{SESSIONS} sessions, none lost; seconds until new clients saw it: certbot {taken[0]:.1f}, "
          f"acme.sh {taken[1]:.1f}, lego {taken[2]:.1f}")


# ---- what is wrong

def mix_up(certificate, key, new):
    write(certificate, new[0])


def write_half(certificate, key, new):
    write(certificate, new[0][:len(new[0]) // 2])


def let_others_read(certificate, key, new):
    write(certificate, new[0])
    write(key, new[1], 0o644)


def make_a_pipe(certificate, key, new):
    write(certificate, new[0])
    key.unlink()
    os.mkfifo(key, 0o600)


FAULTS = {
    mix_up: "the private key does not belong to the certificate",
    write_half: "the certificate can't be read",
    let_others_read: "others can read this file",
    make_a_pipe: "not a file",
}
COMPLAINT = "what was read before stays in use"


@pytest.mark.seconds(15)
def test_wrong_pairs_change_nothing_are_told_once_and_tried_again(upstream, start, authority, tmp_path, issuer):
    """Each pair has another fault; the files are known by what is wrong with them."""
    pairs, sections = {}, relay_section(upstream)
    for spoil in FAULTS:
        name = f"{spoil.__name__.replace('_', '-')}.example.com"
        pairs[name] = tmp_path / f"{name}.pem", tmp_path / f"{name}.key"
        Lego.renew(SimpleNamespace(paths=lambda: pairs[name]), issue(issuer, name))
        sections += f'certificate {name} {{ certificate = "{pairs[name][0]}"  private_key = "{pairs[name][1]}" }}\n'
    subgate = start(sections)
    subgate.authority = issuer
    new = {name: issue(issuer, name) for name in pairs}
    before, gates = {name: shown(subgate, name) for name in pairs}, subgate.pids("gate")
    for spoil, name in zip(FAULTS, pairs):
        spoil(*pairs[name], new[name])
    wait_until(lambda: all(fault in subgate.log for fault in FAULTS.values()) and COMPLAINT in subgate.log,
               lambda: f"all faults in the log:\n{subgate.log}")
    told = subgate.log.count(COMPLAINT)
    (tmp_path / "beside").write_text("unrelated")
    time.sleep(3)  # in which it would be told again
    assert subgate.log.count(COMPLAINT) == told
    assert {name: shown(subgate, name) for name in pairs} == before and subgate.pids("gate") == gates
    assert RENEWAL not in subgate.log
    subgate.config.write_text("what is not applied yet, and wrong")
    for name in pairs:
        Lego.renew(SimpleNamespace(paths=lambda: pairs[name]), new[name])
    wait_until(lambda: all(shown(subgate, name) != before[name] for name in pairs), "what is right")


def test_an_unchanged_file_starts_no_process_and_a_reload_takes_a_renewal_s_place(upstream, start, tmp_path, issuer):
    tool = Lego(tmp_path / "lego", first := issue(issuer))
    subgate = start(relay_section(upstream), certificate=tool.paths())
    subgate.authority = issuer
    gates = subgate.pids("gate")
    tool.renew(first)
    time.sleep(3)  # in which it would be taken over
    assert subgate.pids("gate") == gates
    before, pair = shown(subgate, NAME), issue(issuer)
    tool.renew(pair)
    subgate.ctl("reload")
    assert shown(subgate, NAME) != before
