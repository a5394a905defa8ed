"""
Readers of mail. Each is given From: fields (the bytes of one or more) and tells, for each, what it shows as their
authors.
"""

import concurrent.futures
import email
import email.policy
import json
import os
import pathlib
import re
import subprocess
import tempfile
from email._parseaddr import AddressList
from email.errors import MessageError
from email.header import decode_header, make_header
from email.utils import getaddresses, parseaddr

FOLDED = "folded"          # in a reader's name: it doesn't unfold
DECODED = "decoded first"  # it decodes the whole value before it looks for addresses


def show(fields):
    """A reader's name to its authors of each field: a list of texts, some of them empty or mere names."""
    return {
        **python_readers(fields),
        "GMime": gmime(fields),
        "Dovecot": dovecot(fields),
        "addressparser": addressparser(fields, str),
        f"addressparser, {DECODED}": addressparser(fields, decode),
    }


# ---- Python


def values_of(field):
    return [str(value) for value in email.message_from_bytes(field + b"\r\n\r\n").get_all("From", [])]


def unfold(text):
    return re.sub(r"\r?\n(?=[ \t])", "", text)


def decode(text):
    """The value with its encoded words decoded first, as many programs do; as it is where that fails."""
    try:
        return str(make_header(decode_header(text)))
    except (MessageError, LookupError, UnicodeError, ValueError):
        return text


def email_utils(field, form):
    """
    email.utils on what email.message gives; `form` is what is done to it before. AddressList is what older versions
    show where newer ones find too many addresses, and then none.
    """
    for text in map(form, values_of(field)):
        yield parseaddr(text)[1]
        yield from (address for _, address in getaddresses([text]))
        yield from (address for _, address in AddressList(text).addresslist)


def email_policy_default(field):
    message = email.message_from_bytes(field + b"\r\n\r\n", policy=email.policy.default)
    try:
        values = message.get_all("From", [])
    except Exception:  # it stumbles over some, and shows nothing then
        return
    yield from (address.addr_spec for value in values for address in value.addresses)


ENCODED = re.compile(r"=\?[^?]*\?[QqBb]\?.*?\?=", re.S)
ADDRESS = re.compile(r"[^\s<>()\[\],;:\\\"@]+@[\w-]+(?:\.[\w-]+)+")


def naive(field):
    """
    Decodes each encoded word by itself, splits at commas, and takes the first whole address of a dotted domain in each
    part.
    """
    for text in map(unfold, values_of(field)):
        for part in ENCODED.sub(lambda word: decode(word.group()), text).split(","):
            yield from (found.group() for found in [ADDRESS.search(part)] if found)


PYTHON_READERS = {
    "email.utils": lambda field: email_utils(field, unfold),
    f"email.utils, {FOLDED}": lambda field: email_utils(field, str),
    f"email.utils, {DECODED}": lambda field: email_utils(field, lambda text: decode(unfold(text))),
    f"email.utils, {FOLDED}, {DECODED}": lambda field: email_utils(field, decode),
    "email.policy.default": email_policy_default,
    "naive": naive,
}


def read_all_ways(field):
    return [list(read(field)) for read in PYTHON_READERS.values()]


def python_readers(fields):
    with concurrent.futures.ProcessPoolExecutor(2) as workers:
        shown = list(workers.map(read_all_ways, fields, chunksize=500))
    return {name: [ways[at] for ways in shown] for at, name in enumerate(PYTHON_READERS)}


# ---- GMime


def mbox(fields):
    return b"".join(b"From x@y.example Mon Nov 23 08:00:00 2026\n" + field.replace(b"\r\n", b"\n") + b"\nx\n\n"
                    for field in fields)


def gmime(fields):
    import gi

    gi.require_version("GMime", "3.0")
    from gi.repository import GMime

    def flat(entries):
        for entry in (entries.get_address(at) for at in range(entries.length())):
            if isinstance(entry, GMime.InternetAddressMailbox):
                yield entry.get_addr()
            else:
                yield from flat(entry.get_members())

    GMime.init()
    parser = GMime.Parser.new_with_stream(GMime.StreamMem.new_with_buffer(mbox(fields)))
    parser.set_format(GMime.Format.MBOX)
    return [list(flat(parser.construct_message(None).get_from())) for _ in fields]


# ---- Dovecot


def dovecot_version():
    text = subprocess.run(["/usr/sbin/dovecot", "--version"], capture_output=True, text=True, check=True).stdout
    return re.match(r"[\d.]+", text).group()


def dovecot_config(folder, version, user):
    storage = f"mail_location = mbox:{folder}/mail:INBOX={folder}/mail/inbox\n"
    if not version.startswith("2.3."):
        storage = (f"dovecot_config_version = {version}\ndovecot_storage_version = {version}\nmail_driver = mbox\n"
                   f"mail_path = {folder}/mail\nmail_inbox_path = {folder}/mail/inbox\n")
    return f"{storage}base_dir = {folder}/run\nssl = no\nfirst_valid_uid = 1\nmail_uid = {user}\nmail_gid = {user}\n"


TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"|\{(\d+)\}\r?\n|NIL|[()\n]| ', re.S)


def read_lists(data, at):
    """A line of nested lists as IMAP has them (RFC 9051, 4): texts are bytes, NIL is None."""
    stack = [[]]
    while True:
        token = TOKEN.match(data, at)
        at = token.end()
        match token.group():
            case b"(":
                stack.append([])
            case b")":
                done = stack.pop()
                stack[-1].append(done)
            case b"\n":
                return stack[0]
            case b" ":
                pass
            case b"NIL":
                stack[-1].append(None)
            case _ if token.group(2):
                stack[-1].append(data[at:at + int(token.group(2))])
                at += int(token.group(2))
            case _:
                stack[-1].append(re.sub(rb"\\(.)", rb"\1", token.group(1)))


def dovecot(fields):
    """The mailboxes of ENVELOPE's From. A mailbox or host that it finds missing is an empty text."""
    with tempfile.TemporaryDirectory(prefix="subgate-readers-") as folder:
        lines = fetch_envelopes(pathlib.Path(folder), fields)
    starts = [mark.end() for mark in re.finditer(b"imap.envelope=", lines)]
    return [[dovecot_author(mailbox, host) for _, _, mailbox, host in read_lists(lines, start)[2] or [] if host]
            for start in starts]


def fetch_envelopes(folder, fields):
    """
    As nobody where we are root, whose mail Dovecot doesn't read; so the folder is nobody's, and stands in that of the
    machine.
    """
    user = 65534 if os.geteuid() == 0 else os.geteuid()
    version = dovecot_version()
    whose = [] if version.startswith("2.3.") else ["--no-userdb-lookup"]
    config = folder / "dovecot.conf"
    (folder / "mail").mkdir()
    (folder / "mail/inbox").write_bytes(mbox(fields))
    config.write_text(dovecot_config(folder, version, user))
    for path in [folder, folder / "mail", folder / "mail/inbox"]:
        os.chown(path, user, -1)
    run = subprocess.run(["doveadm", "-c", config, "-f", "flow", "fetch", *whose, "imap.envelope",
                          "mailbox", "INBOX", "all"],
                         capture_output=True, env={**os.environ, "HOME": str(folder), "USER": "reader"}, timeout=300)
    assert run.returncode == 0, run.stderr
    return run.stdout


def dovecot_author(mailbox, host):
    mailbox = b"" if mailbox == b"MISSING_MAILBOX" else mailbox
    return (mailbox if host == b"MISSING_DOMAIN" else mailbox + b"@" + host).decode(errors="replace")


# ---- JavaScript


def addressparser(fields, form):
    """Of nodemailer; `form` is what is done to the value before."""
    values = [[form(unfold(value)) for value in values_of(field)] for field in fields]
    run = subprocess.run(["node", pathlib.Path(__file__).with_name("addressparser.js")],
                         capture_output=True, check=True,
                         input="\n".join(map(json.dumps, values)).encode(), timeout=300)
    return [[address for value in json.loads(line) for address in value] for line in run.stdout.decode().splitlines()]
