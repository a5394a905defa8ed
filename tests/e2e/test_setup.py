"""`subgatectl setup`: the dialogue that takes a machine from nothing to its first mail, and leaves no half of it."""

import base64
import os
import pathlib
import shutil
import signal
import subprocess

import pexpect
import pytest

from harness.process import (PATIENCE, free_port, is_listening, let_others_through, root_is_a_mount_point,
                             wait_until)
from harness.subgate import BUILD
from harness.upstream import Upstream

USER = "alice@example.com"
PROGRAM = str(BUILD / "subgatectl")
GOOGLE = "abcd efgh ijkl mnop"

SEED = """# Kept by hand.
user = ""      # all of it as one user
gates = 1
state_dir = "{folder}/state"
run_dir = "{folder}/run"
listener tls {{ address = {{"127.0.0.1:{port}"}} }}
admin {{ http = "127.0.0.1:{http}" }}

relay own {{
	host = "127.0.0.1"  # it is here
	port = {relay}
	tls = "none"
	auth = "none"
}}

senders scanner {{
	users = {{"alice@example.com"}}
	addresses = {{"scanner@example.com"}}
}}
"""


class Place:
    """A folder that setup writes into, and a Subgate that was started by it."""

    def __init__(self, folder):
        self.folder = folder
        self.config = folder / "subgate.conf"
        self.home = folder / "home"
        self.home.mkdir()
        self.port, self.http = free_port(), free_port()
        self.ctl_words = [PROGRAM, "-s", folder / "run" / "admin.sock"]

    def seed(self, relay=1):
        self.config.write_text(SEED.format(folder=self.folder, port=self.port, http=self.http, relay=relay))

    def answer(self, mode=0o600, **answers):
        """Runs it by an answers file: (exit code, output)."""
        file = self.folder / "home" / "answers"
        file.write_text("# what a person would type\n" + "".join(f"{n} = {v}\n" for n, v in answers.items()))
        file.chmod(mode)
        done = subprocess.run([PROGRAM, "setup", "--config", self.config, "--answers", file], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              env={**os.environ, "HOME": str(self.home)}, timeout=PATIENCE)
        return done.returncode, done.stdout

    def talk(self):
        child = pexpect.spawn(PROGRAM, ["setup", "--config", str(self.config)], encoding="utf-8", timeout=PATIENCE,
                              env={**os.environ, "HOME": str(self.home)}, dimensions=(50, 200), use_poll=True)
        return Talk(child)

    def tree(self):
        """Every file and folder below it but the answers: path, mode, content."""
        return {str(path.relative_to(self.folder)): (path.stat().st_mode, path.is_file() and path.read_bytes())
                for path in self.folder.rglob("*") if path.name != "answers"}

    def ctl(self, *words):
        return subprocess.run([*self.ctl_words, *words], capture_output=True, text=True, timeout=PATIENCE)

    def stop(self):
        if self.ctl("drain").returncode == 0:
            wait_until(lambda: self.ctl("status").returncode == 3 and not is_listening(self.http), "its end")


class Talk:
    def __init__(self, child):
        self.child = child
        self.heard = ""
        child.delaybeforesend = child.delayafterclose = child.delayafterterminate = None

    def wait_for(self, text):
        try:
            self.child.expect_exact(text)
        except (pexpect.EOF, pexpect.TIMEOUT):
            raise AssertionError(f"waited for {text!r} in:\n{self.heard}{self.child.before}") from None
        self.heard += self.child.before + self.child.after

    def say(self, question, answer=""):
        """`question` is its title."""
        self.wait_for(f"\n{question}: ")
        self.wait_for("> ")
        self.child.sendline(answer)

    def say_all(self, *pairs):
        for question, answer in pairs:
            self.say(question, answer)

    def end(self):
        """The exit code."""
        self.child.expect(pexpect.EOF)
        self.heard += self.child.before
        self.child.close()
        return self.child.exitstatus


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path)
    yield place
    place.stop()


SMALL = (("Host name", "mail.example.com"), ("Certificate", "self-signed"), ("Users", ""), ("Relay", "gmail"),
         ("Account", "relay@example.com"), ("Password or secret", GOOGLE), ("Daily limit", ""),
         ("Administrators' group", "-"), ("Notices", ""))


def test_a_directory_that_is_tried_at_once_and_a_first_mail(place, directory, upstream):
    place.seed()
    talk = place.talk()
    talk.say_all(("Host name", "mail.example.com"), ("Certificate", "2"), ("Users", "directory"),
                 ("Kind of directory", "generic"), ("Its address", directory.uri.replace("ldaps", "ldap")))
    talk.wait_for("passwords go over TLS alone")
    talk.wait_for("> ")
    talk.child.sendline(directory.uri)
    talk.say_all(("Its authority", str(directory.authority.ca)), ("Searcher", directory.BIND_DN),
                 ("The searcher's password", "wrong-Password"), ("Base", "ou=people,dc=example,dc=com"),
                 ("A user to try", "alice"))
    talk.wait_for("Invalid credentials")
    talk.wait_for("come again")
    talk.say_all(("Kind of directory", ""), ("Its address", ""), ("Its authority", ""), ("Searcher", ""),
                 ("The searcher's password", directory.BIND_PASSWORD), ("Base", ""), ("A user to try", "alice"))
    talk.wait_for("may send as: alice@example.com")
    talk.wait_for("result: may log in")
    talk.say_all(("Relay", "other"), ("Its host", "127.0.0.1"), ("Its port", str(upstream.port)),
                 ("TLS towards it", ""), ("Its authority", str(upstream.authority.ca)), ("Account", upstream.USER),
                 ("Password or secret", upstream.PASSWORD), ("Daily limit", "77"), ("Administrators' group", "-"),
                 ("Notices", "root@example.com"), ("Write it", "yes"))
    talk.wait_for("no faults")
    talk.say_all(("Start Subgate", ""), ("App password for", "-"), ("Test mail from", USER),
                 ("Test mail to", "bob@example.net"))
    talk.wait_for("C: AUTH PLAIN ***")
    talk.wait_for("message.sent")
    talk.wait_for("Done, with ")
    assert talk.end() == 0
    [message] = upstream.wait_for(1)
    assert (message.mail_from, message.rcpt_to) == (USER, ["bob@example.net"])
    # The password for the mail alone is gone again.
    assert place.ctl("app-password", "list").stdout == "none\n"
    for name, secret in (("ldap", directory.BIND_PASSWORD), ("other", upstream.PASSWORD)):
        file = place.folder / "secrets" / name
        assert file.read_text() == secret + "\n" and file.stat().st_mode & 0o7777 == 0o600
        assert secret not in talk.heard and secret not in (place.folder / "state" / "subgate.log").read_text()
    assert (place.folder / "secrets").stat().st_mode & 0o7777 == 0o700
    assert place.config.stat().st_mode & 0o7777 == 0o640
    text = place.config.read_text()
    assert text.startswith("# Kept by hand.\n") and "senders scanner {" in text and "relay own" not in text
    assert "messages_per_day = 77" in text and 'administrators = {"root@example.com"}' in text
    assert base64.b64encode(b"\0alice").decode()[:8] not in talk.heard
    assert not list(place.folder.rglob(".*setup"))


COVERED = """
set -e
ip link set lo up
mount -t tmpfs -o mode=0755 tmpfs {folder}
for place in etc var/lib; do
    mkdir -p {folder}/$place/upper {folder}/$place/work
    mount -t overlay -o lowerdir=/$place,upperdir={folder}/$place/upper,workdir={folder}/$place/work overlay /$place
done
mount -t tmpfs -o mode=0755 tmpfs /run
rm -rf /etc/subgate /var/lib/subgate
sed -i /^subgate/d /etc/passwd /etc/shadow /etc/group /etc/gshadow
"""

FROM_NOTHING = COVERED + """
socat TCP-LISTEN:2525,bind=127.0.0.1,fork,reuseaddr UNIX-CONNECT:{relay} &
bridge=$!
{build}/subgatectl setup || echo "ended with $?"
echo "files:" $(stat -c '%a:%U:%n' /etc/subgate/subgate.conf /etc/subgate/secrets/other /var/lib/subgate)
echo "users:" $(getent passwd | grep -c ^subgate) $(getent group subgate-admin)
{build}/subgatectl status | grep -c gate
{build}/subgatectl drain
while {build}/subgatectl status >/dev/null 2>&1; do sleep 0.1; done
kill $bridge
echo "all is over"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make users")
@pytest.mark.skipif(not root_is_a_mount_point(), reason="within a chroot the machine's /etc can't be covered")
def test_from_nothing_to_the_first_mail_with_users_made(tmp_path, upstream):
    """In network and mount namespaces of its own, with the usual ports, users and folders."""
    let_others_through(tmp_path)
    covered, relay = tmp_path / "covered", tmp_path / "relay.sock"
    covered.mkdir()
    own = ["unshare", "--net", "--mount", "sh", "-c"]
    if subprocess.run([*own, COVERED.format(folder=covered)], capture_output=True).returncode != 0:
        pytest.skip("no right to cover this machine's folders for one process")
    authority = tmp_path / "authority.pem"
    shutil.copy(upstream.authority.ca, authority)
    bridge = subprocess.Popen(["socat", f"UNIX-LISTEN:{relay},fork", f"TCP:127.0.0.1:{upstream.port}"])
    wait_until(relay.exists, "the way to the relay")
    script = FROM_NOTHING.format(folder=covered, relay=relay, build=BUILD)
    child = pexpect.spawn(own[0], [*own[1:], script], encoding="utf-8", timeout=PATIENCE,
                          env={**os.environ, "HOME": str(tmp_path), "SUDO_USER": ""}, dimensions=(50, 200),
                          use_poll=True)
    try:
        talk = Talk(child)
        talk.say_all(("Host name", "mail.example.com"), ("Certificate", ""), ("Users", ""), ("Relay", "6"),
                     ("Its host", "127.0.0.1"), ("Its port", "2525"), ("TLS towards it", ""),
                     ("Its authority", str(authority)), ("Account", upstream.USER),
                     ("Password or secret", upstream.PASSWORD), ("Daily limit", ""), ("Administrators' group", ""),
                     ("Administrator", "daemon"), ("Notices", ""), ("Write it", "y"))
        talk.wait_for("made the user subgate-relay")
        talk.say_all(("Start Subgate", ""), ("App password for", USER), ("The device", "laptop"),
                     ("Test mail from", ""), ("Test mail to", "bob@example.net"))
        talk.wait_for("message.sent")
        talk.wait_for("Done, with 20 questions")
        talk.wait_for("all is over")
        assert talk.end() == 0
    finally:
        bridge.kill()
        bridge.wait()
    assert len(upstream.wait_for(1)) == 1
    assert "files: 640:root:/etc/subgate/subgate.conf 600:root:/etc/subgate/secrets/other 711:root:/var/lib/subgate" \
        in talk.heard
    assert "users: 6 subgate-admin:x:" in talk.heard and ":daemon\r\n" in talk.heard
    assert upstream.PASSWORD not in talk.heard


def test_leaving_at_any_question_changes_nothing(place):
    place.seed()
    before = place.tree()
    questions = (*SMALL, ("Write it", None))
    for count in range(len(questions)):
        how = ("Ctrl-C", "end of input", "kill")[count % 3]
        talk = place.talk()
        talk.say_all(*questions[:count])
        talk.wait_for(f"\n{questions[count][0]}: ")
        talk.wait_for("> ")
        if how == "kill":
            talk.child.kill(signal.SIGTERM)
        else:
            talk.child.send("\x03" if how == "Ctrl-C" else "\x04")
        assert talk.end() == 1 and "nothing has been changed" in talk.heard
        assert place.tree() == before, questions[count][0]


def test_what_the_check_refuses_changes_nothing(place, authority):
    place.seed()
    before = place.tree()
    certificate, key = authority.certificate("mail.example.com")[0], authority.certificate("other.example.com")[1]
    code, output = place.answer(hostname="mail.example.com", certificate="path", certificate_file=certificate,
                                certificate_key=key, relay="gmail", relay_user="relay@example.com",
                                relay_password=GOOGLE, admin_group="-")
    assert code == 1 and "make no server" in output and "nothing has been changed" in output
    assert f"{place.config}:" in output and ".setup" not in output
    assert place.tree() == before


def test_no_at_the_end_changes_nothing_either(place):
    code, output = place.answer(hostname="mail.example.com", certificate="self-signed", relay="own", write="no")
    assert code == 1 and "nothing has been changed" in output and "self-signed.pem" in output
    assert place.tree() == {"home": place.tree()["home"]}


def test_run_again_it_keeps_what_it_does_not_know(place):
    place.seed(relay=2500)
    answers = {"hostname": "mail.example.com", "certificate": "self-signed", "admin_group": "-", "start": "no"}
    assert place.answer(**answers)[0] == 0
    first = place.config.read_text()
    assert '\n# Kept by hand.' in "\n" + first and "port = 2500\n" in first and "# it is here" in first
    code, output = place.answer(start="no")
    assert code == 0 and "[keep] > keep" in output and place.config.read_text() == first
    code, output = place.answer(start="no", daily_limit="9", relay_port="2501")
    assert code == 0
    assert place.config.read_text() == first.replace("= 500", "= 9").replace("2500", "2501")


RELAYS = {
    "gmail": ({"relay_user": "relay@example.com", "relay_password": GOOGLE},
              ['host = "smtp.gmail.com"', 'password_file = "secrets/gmail"'], ("gmail", "abcdefghijklmnop")),
    "google-relay": ({"relay_user": "relay@example.com", "relay_password": GOOGLE},
                     ['host = "smtp-relay.gmail.com"'], ("google-relay", "abcdefghijklmnop")),
    "microsoft365": ({"relay_user": "relay@example.com", "relay_tenant": "example.onmicrosoft.com",
                      "relay_application": "0815-4711", "relay_password": 'a "quoted\\ secret'},
                     ['host = "smtp.office365.com"', 'oauth = "microsoft"', 'tenant = "example.onmicrosoft.com"',
                      'client_secret_file = "secrets/microsoft-client"', "connections = 3"],
                     ("microsoft-client", 'a "quoted\\ secret')),
    "ses": ({"relay_region": "eu-west-1", "relay_user": "AKIAEXAMPLE", "relay_password": "p+/w"},
            ['host = "email-smtp.eu-west-1.amazonaws.com"', 'user = "AKIAEXAMPLE"'], ("ses", "p+/w")),
    "other": ({"relay_host": "smtp.example.net", "relay_tls": "starttls", "relay_port": "587",
               "relay_user": 'we "\\ us', "relay_password": "p w"},
              ['host = "smtp.example.net"', 'user = "we \\"\\\\ us"'], ("other", "p w")),
}


@pytest.mark.parametrize("relay", RELAYS)
def test_each_relay_asks_for_what_it_needs(place, relay):
    place.seed()
    answers, lines, (name, secret) = RELAYS[relay]
    code, output = place.answer(hostname="mail.example.com", certificate="self-signed", relay=relay, admin_group="-",
                                start="no", **answers)
    assert code == 0, output
    text = place.config.read_text()
    assert all(line in text for line in lines), text
    assert (place.folder / "secrets" / name).read_text() == secret + "\n" and secret not in output
    # Another one takes its place, and the one before is gone.
    code, output = place.answer(relay="microsoft365", relay_login="password", relay_user="relay@example.com",
                                relay_password="another", start="no")
    assert code == 0, output
    assert "oauth" not in place.config.read_text() and 'auth = "login"' in place.config.read_text()


def test_certificates_of_others_are_found(place, authority):
    place.seed()
    pair = authority.certificate("mail.example.com")
    acme, lego = place.home / ".acme.sh" / "mail.example.com_ecc", place.home / ".lego" / "certificates"
    acme.mkdir(parents=True)
    lego.mkdir(parents=True)
    for source, name in zip(pair, ("fullchain.cer", "mail.example.com.key")):
        shutil.copy(source, acme / name)
    for source, name in zip(pair, ("old.example.com.crt", "old.example.com.key")):
        shutil.copy(source, lego / name)
    code, output = place.answer(hostname="mail.example.com", certificate="acme.sh/mail.example.com", admin_group="-",
                                start="no")
    assert code == 0, output
    assert f"acme.sh --install-cert -d 'mail.example.com' --ecc --fullchain-file {place.folder}/tls" in output
    assert (place.folder / "tls" / "privkey.pem").read_bytes() == pathlib.Path(pair[1]).read_bytes()
    assert (place.folder / "tls" / "privkey.pem").stat().st_mode & 0o7777 == 0o600
    code, output = place.answer(certificate="lego/old.example.com", start="no")
    assert code == 0 and "--renew-hook" in output
    # In a home that others may fill, they could be links to what only we may read: it would be copied.
    place.home.chmod(0o777)
    code, output = place.answer(certificate="lego/old.example.com", start="no")
    assert code == 1 and "none of the names that can be chosen" in output and "lego" not in output


@pytest.mark.parametrize("answers, mode, fault", [
    ({"relay": "own", "relay_hots": "x"}, 0o600, ':3: unknown name "relay_hots"'),
    ({"relay": "own", "directory_base": "x=y"}, 0o600, ":3: directory_base: not asked"),
    ({"hostname": "nodots"}, 0o600, ":2: hostname: Expected a whole name"),
    ({"relay_password": GOOGLE}, 0o644, ":1: mode 0644 lets others at the secrets in it"),
    ({"relay": "gmail", "relay_password": "Short1"}, 0o600, ":3: relay_password: An app password of Google has 16"),
])
def test_answers_that_will_not_do_are_named_with_their_line(place, answers, mode, fault):
    code, output = place.answer(mode, **answers)
    assert code == 1 and fault in output and "Short1" not in output
    assert not place.config.exists()
