"""Whoever has the first page open follows it by a stream of events, for as long as they may and there is room."""

import contextlib
import os
import signal

import pytest

from e2e.test_console_login import ANNA, BEN, CLEO, DAN, served
from e2e.test_console_pages import log_in
from harness.console import Reader
from harness.event_stream import EVENTS, EventStream
from harness.process import wait_until

OF_A_USER, OF_A_NETWORK = 4, 32


@pytest.fixture
def follow(request):
    """Opens streams, which end with the test."""
    with contextlib.ExitStack() as streams:
        def begin(console, reader, *more, **fields):
            stream = EventStream(console, reader.cookie, *more, **fields)
            streams.callback(stream.close)
            return stream
        yield begin


def live_part(text):
    return text.partition('data-stream="/now/events">\n')[2].partition("</div>\n</main>")[0].strip()


@pytest.mark.seconds(15)
def test_a_stream_brings_what_the_page_would_show(start, upstream, authority, follow):
    subgate, console = served(start, upstream, authority)
    readers = [log_in(console, subgate, user) for user in (CLEO, BEN, ANNA)]
    streams = [follow(console, reader) for reader in readers]
    for stream in streams:
        assert stream.status == 200
        assert stream.fields["Content-Type"] == "text/event-stream"
        assert stream.fields["Cache-Control"] == "no-store"
        assert stream.fields["X-Accel-Buffering"] == "no"
        message = stream.read_message()
        assert "Everything runs" in message and "<html" not in message
    vietnamese = follow(console, readers[0], **{"Accept-Language": "vi"})
    assert "Mọi thứ" in vietnamese.read_message()
    subgate.ctl("relay", "pause", "upstream")
    for stream, reader in zip(streams, readers):
        message = stream.read_until("is paused")
        assert "No relay takes mail now" in message
        assert message.split("<section")[1] == live_part(reader.get("/now")[2]).split("<section")[1]
    assert "đang tạm dừng" in vietnamese.read_until("tạm dừng")


def test_streams_are_for_those_who_may_see_the_page(start, upstream, authority, follow):
    subgate, console = served(start, upstream, authority)
    nobody, user = Reader(console), log_in(console, subgate, DAN)
    auditor = log_in(console, subgate, CLEO)
    assert follow(console, nobody).status == 401
    assert follow(console, user).status == 404
    nobody.cookie = "__Host-subgate=" + 64 * "0"
    assert follow(console, nobody).status == 401
    assert follow(console, auditor, **{"Sec-Fetch-Site": "cross-site"}).status == 403
    assert follow(console, auditor, **{"Sec-Fetch-Site": "same-origin"}).status == 200
    assert console.ask("POST", EVENTS, "", Cookie=auditor.cookie)[0] == 405
    assert console.ask("HEAD", EVENTS, Cookie=auditor.cookie)[0] == 200


def lock(subgate, _):
    subgate.ctl("user", "lock", CLEO)


def revoke(subgate, _):
    password, = subgate.ctl_json("app-password", "list", CLEO)["app_passwords"]
    subgate.ctl("app-password", "revoke", CLEO, password["id"])


def log_out(_, reader):
    assert reader.post("/logout", {})[0] == 303


@pytest.mark.parametrize("end", [lock, revoke, log_out])
def test_a_stream_ends_with_its_session(start, upstream, authority, follow, end):
    subgate, console = served(start, upstream, authority)
    reader, other = log_in(console, subgate, CLEO), log_in(console, subgate, BEN)
    ended, stays = follow(console, reader), follow(console, other)
    assert ended.read_message() and stays.read_message()
    end(subgate, reader)
    subgate.ctl("relay", "pause", "upstream")
    assert ended.read_until("is paused") is None
    assert stays.read_until("is paused")
    assert follow(console, reader).status == 401


@pytest.mark.seconds(15)
def test_a_person_a_network_and_all_have_so_many_streams(start, upstream, authority, follow):
    subgate, console = served(start, upstream, authority)
    readers = [log_in(console, subgate, user) for user in (CLEO, CLEO, BEN)]
    streams = [follow(console, readers[number % 2], f"127.0.0.{2 + number}") for number in range(100)]
    assert [stream.status for stream in streams] == OF_A_USER * [200] + (100 - OF_A_USER) * [503]
    assert streams[-1].fields["Retry-After"] == "60"
    assert follow(console, readers[2]).status == 200
    # Pages are for everybody all the same, and a place that is left is another's.
    assert readers[0].get("/now")[0] == 200
    streams[0].close()
    wait_until(lambda: follow(console, readers[0]).status == 200, "the place of a stream that was left")


@pytest.mark.seconds(15)
def test_a_stream_ends_in_time_for_the_next_one_to_keep_the_session(start, upstream, authority, follow):
    subgate, console = served(start, upstream, authority, 'idle_limit = "10s"')
    reader = log_in(console, subgate, CLEO)
    for _ in range(2):
        stream = follow(console, reader)
        assert stream.read_message()
        assert stream.read_until("no such text") is None
    assert reader.get("/now")[0] == 200  # more than 10 s after its first use


@pytest.mark.seconds(15)
def test_streams_go_on_with_another_admin_process_and_end_with_the_consoles(start, upstream, authority, follow):
    subgate, console = served(start, upstream, authority)
    reader = log_in(console, subgate, CLEO)
    wait_until(lambda: CLEO in read_sessions(subgate), "the session to be kept")
    stream = follow(console, reader)
    assert stream.read_message()
    kill_and_wait(subgate, "admin")
    subgate.ctl("relay", "pause", "upstream")
    assert stream.read_until("is paused")
    kill_and_wait(subgate, "console")
    assert stream.read_message() is None
    assert open_again(follow, console, reader).read_until("is paused")


@pytest.mark.seconds(15)
def test_a_reload_ends_streams_and_a_new_role_counts(start, upstream, authority, follow):
    subgate, console = served(start, upstream, authority)
    reader, other = log_in(console, subgate, CLEO), log_in(console, subgate, BEN)
    wait_until(lambda: {CLEO, BEN} <= set(read_sessions(subgate).split('"')), "the sessions to be kept")
    streams = [follow(console, reader), follow(console, other)]
    assert all(stream.read_message() for stream in streams)
    before, = subgate.pids("console")
    text = subgate.config.read_text()
    subgate.config.write_text(text.replace(f'auditor_users = {{"{CLEO}"}}', 'auditor_users = {"eve@example.com"}'))
    subgate.ctl("reload")
    assert [stream.read_until("no such text") for stream in streams] == [None, None]
    wait_until(lambda: before not in subgate.pids("console"), "the former console's end")
    assert open_again(follow, console, other).read_message()
    assert follow(console, reader).status == 404


def read_sessions(subgate):
    path = subgate.state / "console" / "sessions"
    return path.read_text() if path.exists() else ""


def kill_and_wait(subgate, role):
    victim, = subgate.pids(role)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: subgate.pids(role) not in ([], [victim]), f"another {role}")


def open_again(follow, console, reader):
    """As a browser does, until it is there."""
    def try_once():
        try:
            stream = follow(console, reader)
        except OSError:
            return None
        return stream if stream.status == 200 else None
    return wait_until(try_once, "another stream")
