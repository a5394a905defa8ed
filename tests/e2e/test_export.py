"""The audit's way out of the house: to rsyslog and to a stream in Redis, whatever becomes of them and of us."""

import json
import os
import smtplib
import urllib.request

import pytest

from harness.certificates import Authority
from harness.client import login, message
from harness.process import wait_until
from harness.rsyslog_server import RsyslogServer
from harness.subgate import relay_section

USER = "alice@example.com"


@pytest.fixture
def rsyslog(tmp_path, authority):
    server = RsyslogServer(tmp_path / "rsyslog", authority).start()
    yield server
    server.stop()


def audit_section(rsyslog, authority, more=""):
    return (f'audit {{ syslog = "tls://127.0.0.1:{rsyslog.port}"  syslog_ca_file = "{authority.ca}"  {more} }}\n')


def metrics(subgate):
    return urllib.request.urlopen(f"http://127.0.0.1:{subgate.http}/metrics", timeout=30).read().decode()


def send(subgate, password, number=1):
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER, number=number))


def places(records):
    return {(record["chain"]["id"], record["chain"]["seq"]) for record in records}


def exported_from(subgate):
    """Of the audit, all from the first session on: what stands before it may have been there before the export."""
    records = subgate.audit()
    first = [record["type"] for record in records].index("session.open")
    return records[first:]


def wait_for_all(subgate, rsyslog):
    wait_until(lambda: places(exported_from(subgate)) <= places(rsyslog.records),
               lambda: f"all records at rsyslog; it has {len(rsyslog.records)}:\n{subgate.log}")


def test_every_record_is_at_rsyslog_as_it_is_in_the_file(upstream, start, rsyslog, authority):
    subgate = start(relay_section(upstream) + audit_section(rsyslog, authority))
    password = subgate.create_app_password(USER)
    for number in range(3):
        send(subgate, password, number)
    subgate.wait_for_audit("session.close", 3)
    wait_for_all(subgate, rsyslog)
    lines = {json.dumps(record) for record in subgate.audit()}
    assert {json.dumps(record) for record in rsyslog.records} <= lines
    priority, time, host, program, type_, record = [m for m in rsyslog.messages if m[4] == "message.sent"][0]
    assert (priority, host, program) == ("110", "mail.example.com", "subgate")
    assert time == record["ts"]


def test_what_rsyslog_missed_follows_when_it_is_back(upstream, start, rsyslog, authority):
    subgate = start(relay_section(upstream) + audit_section(rsyslog, authority))
    password = subgate.create_app_password(USER)
    send(subgate, password, 1)
    wait_for_all(subgate, rsyslog)
    rsyslog.stop()
    send(subgate, password, 2)
    subgate.wait_for_log("audit export to syslog: 127.0.0.1")
    rsyslog.start()
    send(subgate, password, 3)
    subgate.wait_for_audit("session.close", 3)
    wait_for_all(subgate, rsyslog)
    assert len(upstream.messages) == 3


def test_a_frozen_server_holds_no_mail_up_and_gets_all_when_it_thaws(upstream, start, rsyslog, authority):
    subgate = start(relay_section(upstream) + audit_section(rsyslog, authority))
    password = subgate.create_app_password(USER)
    send(subgate, password, 1)
    wait_for_all(subgate, rsyslog)
    rsyslog.freeze()
    try:
        for number in range(3):
            send(subgate, password, number + 2)
        assert len(upstream.messages) == 4
    finally:
        rsyslog.thaw()
    subgate.wait_for_audit("session.close", 4)
    wait_for_all(subgate, rsyslog)


def test_an_export_goes_on_where_it_stopped(upstream, start, rsyslog, authority):
    """After a relay's death, a reload and a restart, with the server away all the while."""
    subgate = start(relay_section(upstream) + audit_section(rsyslog, authority))
    password = subgate.create_app_password(USER)
    send(subgate, password, 1)
    wait_for_all(subgate, rsyslog)
    before = len(rsyslog.records)
    rsyslog.stop()
    for number, upset in enumerate((lambda: os.kill(subgate.pids("relay")[0], 9), lambda: subgate.ctl("reload"),
                                    lambda: (subgate.stop(), subgate.start()))):
        send(subgate, password, number + 2)
        old = subgate.pids("relay")
        upset()
        wait_until(lambda: set(subgate.pids("relay")) - set(old), "a new relay")
        wait_until(lambda: subgate.ctl("status", check=False).returncode == 0, "subgate to answer")
    rsyslog.start()
    wait_for_all(subgate, rsyslog)
    # What was confirmed long before is not sent again: only the last seconds may come twice.
    places_then = [(r["chain"]["id"], r["chain"]["seq"]) for r in rsyslog.records]
    assert len(places_then) >= before


def test_a_server_that_cannot_be_trusted_gets_nothing_and_mail_goes_on(upstream, start, tmp_path, rsyslog, authority):
    other = Authority(tmp_path / "other")
    subgate = start(relay_section(upstream) + audit_section(rsyslog, other))
    password = subgate.create_app_password(USER)
    send(subgate, password)
    subgate.wait_for_log("certificate verify failed")
    assert rsyslog.messages == [] and len(upstream.messages) == 1
    assert 'subgate_export_up{target="syslog"} 0' in metrics(subgate)


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_records_go_over_tcp_and_udp_in_the_words_of_ecs(scheme, upstream, start, tmp_path):
    server = RsyslogServer(tmp_path / "rsyslog").start()
    try:
        subgate = start(relay_section(upstream) +
                        f'audit {{ syslog = "{scheme}://127.0.0.1:{server.port}"  format = "ecs" }}\n')
        send(subgate, subgate.create_app_password(USER))
        sent = wait_until(lambda: [r for r in server.records if r["event"]["action"] == "message.sent"], "a record")[0]
        assert sent["email"]["from"]["address"] == [USER] and sent["email"]["to"]["address"] == ["bob@example.net"]
        assert sent["event"]["outcome"] == "success" and sent["user"]["name"] == USER
        assert sent["source"]["ip"] == "127.0.0.1" and sent["tls"]["version"] == "1.3"
    finally:
        server.stop()


def test_records_are_in_a_stream_of_redis(upstream, start, redis):
    subgate = start(relay_section(upstream) + redis.section() + "audit { stream = true }\n")
    send(subgate, subgate.create_app_password(USER))
    subgate.wait_for_audit("session.close")

    def streamed():
        entries = redis.command("XRANGE", "subgate:audit", "-", "+").splitlines()
        return [json.loads(line) for line in entries if line.startswith("{")]

    wait_until(lambda: places(exported_from(subgate)) <= places(streamed()), lambda: f"all in {streamed()}")
    redis.kill()
    subgate.ctl("relay", "pause", "upstream")  # which is recorded
    subgate.wait_for_log("audit export to stream: Redis")
    subgate.ctl("relay", "resume", "upstream")
    redis.start()
    wait_until(lambda: subgate.log.count("info relay: Redis answers") == 2, "the relay to have Redis again")
    send(subgate, subgate.create_app_password(USER, "another"), 2)
    subgate.wait_for_audit("session.close", 2)
    wait_until(lambda: places(exported_from(subgate)) <= places(streamed()), lambda: f"all in {streamed()}")


def test_where_it_is_required_nothing_leaves_that_has_not_left_in_the_audit(upstream, start, rsyslog, authority):
    subgate = start(relay_section(upstream) + audit_section(rsyslog, authority, "required = true"))
    password = subgate.create_app_password(USER)
    send(subgate, password, 1)
    leaving = subgate.audit("message.leaving")[0]
    # It came before the message left, and so before the client heard of it; rsyslog writes it a moment later.
    wait_until(lambda: places([leaving]) <= places(rsyslog.records), "the record of what left")
    rsyslog.stop()
    subgate.wait_for_log("audit export to syslog: 127.0.0.1")
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        send(subgate, password, 2)
    code, text = refused.value.recipients["bob@example.net"]
    assert code == 451 and b"4.3.0" in text
    assert len(upstream.messages) == 1
    rsyslog.start()
    wait_until(lambda: 'subgate_export_up{target="syslog"} 1' in metrics(subgate), "rsyslog to be found again")
    send(subgate, password, 3)
    assert len(upstream.messages) == 2
    wait_for_all(subgate, rsyslog)


def test_a_reload_hands_a_required_export_over(upstream, start, rsyslog, authority):
    """The old relay finishes a session while the new one exports what it writes."""
    subgate = start(relay_section(upstream) + audit_section(rsyslog, authority, "required = true"))
    password = subgate.create_app_password(USER)
    with login(subgate, USER, password) as client:
        client.sendmail(USER, ["bob@example.net"], message(USER, number=1))
        old = subgate.pids("relay")
        subgate.ctl("reload")
        wait_until(lambda: set(subgate.pids("relay")) - set(old), "a new relay")
        client.sendmail(USER, ["bob@example.net"], message(USER, number=2))
        send(subgate, password, 3)
    assert len(upstream.messages) == 3
    wait_for_all(subgate, rsyslog)


def test_an_export_follows_the_audit_into_other_files(upstream, start, rsyslog, authority):
    subgate = start(relay_section(upstream) + audit_section(rsyslog, authority))
    password = subgate.create_app_password(USER)
    send(subgate, password, 1)
    before = subgate.wait_for_audit("message.sent")
    (subgate.state / "audit.jsonl").rename(subgate.state / "audit.jsonl.1")
    wait_until(lambda: (subgate.state / "audit.jsonl").exists(), "another file in its place")
    send(subgate, password, 2)
    subgate.wait_for_audit("message.sent")
    wanted = before + subgate.audit("message.sent")
    wait_until(lambda: places(wanted) <= places(rsyslog.records), lambda: f"{wanted} at rsyslog:\n{subgate.log}")


def test_what_waits_in_an_earlier_file_goes_out_after_a_restart(upstream, start, rsyslog, authority):
    subgate = start(relay_section(upstream) + audit_section(rsyslog, authority))
    password = subgate.create_app_password(USER)
    send(subgate, password, 1)
    wait_for_all(subgate, rsyslog)
    rsyslog.stop()
    send(subgate, password, 2)
    subgate.wait_for_audit("session.close", 2)
    waiting = exported_from(subgate)
    (subgate.state / "audit.jsonl").rename(subgate.state / "audit.jsonl.1")
    wait_until(lambda: (subgate.state / "audit.jsonl").exists(), "another file in its place")
    send(subgate, password, 3)
    subgate.stop()
    rsyslog.start()
    subgate.start()
    wait_until(lambda: places(waiting + subgate.audit("message.sent")) <= places(rsyslog.records),
               lambda: f"all at rsyslog, which has {len(rsyslog.records)}:\n{subgate.log}")
