"""
Redis dies, forgets, refuses or is slow: 451 with the cause in the log, no message too many, and recovery by itself.
"""

import contextlib
import os
import signal
import smtplib
import socket
import threading
import time
import urllib.request

import pytest

from harness.client import login, message
from harness.openldap_server import OpenldapServer
from harness.people import person
from harness.process import wait_until
from harness.redis_server import RedisServer
from harness.subgate import relay_section

USER = "alice@example.com"
UNLIMITED = "quota default { messages_per_day = 0  messages_per_minute = 0  recipients_per_day = 0 }\n"
KEY = "subgate:quota:{alice@example.com}"


def send(subgate, password, number=0, user=USER):
    with login(subgate, user, password) as client:
        try:
            client.sendmail(user, ["bob@example.net"], message(user, number=number))
        except smtplib.SMTPRecipientsRefused as refused:
            return next(iter(refused.recipients.values()))[0]
        except smtplib.SMTPResponseException as refused:
            return refused.smtp_code
    return 250


def metrics(subgate):
    with urllib.request.urlopen(f"http://127.0.0.1:{subgate.http}/metrics", timeout=30) as answer:
        return answer.read().decode()


def used(subgate):
    return subgate.ctl_json("quota", "show", USER).get("used")


def check_recovery(subgate, password, upstream):
    wait_until(lambda: send(subgate, password) == 250, "mail to flow again")
    wait_until(lambda: used(subgate) == len(upstream.messages),
               lambda: f"{used(subgate)} counted, {len(upstream.messages)} sent")


@pytest.fixture
def running(upstream, redis, start):
    subgate = start(relay_section(upstream) + redis.section())
    password = subgate.create_app_password(USER)
    assert send(subgate, password) == 250
    return subgate, password


def test_a_redis_that_forgot_its_scripts_costs_nothing(running, redis, upstream):
    subgate, password = running
    redis.command("SCRIPT", "FLUSH")
    assert send(subgate, password) == 250
    check_recovery(subgate, password, upstream)


def check_loss(subgate, says):
    wait_until(lambda: f"Redis has lost counts: {says}" in subgate.log, lambda: subgate.log)
    assert says in subgate.wait_for_audit("quota.lost")[0]["reason"]
    wait_until(lambda: "subgate_redis_losses_total 1" in metrics(subgate), lambda: metrics(subgate))


def test_an_emptied_redis_gets_its_counts_back_from_the_audit(running, redis, upstream):
    subgate, password = running
    for number in range(3):
        assert send(subgate, password, number) == 250
    redis.command("FLUSHALL")
    wait_until(lambda: send(subgate, password) == 250, "mail to flow")
    check_loss(subgate, "its marker is gone")
    assert used(subgate) == len(upstream.messages) == 5
    assert subgate.wait_for_audit("quota.rebuilt")[0]["count"] == 4


def test_no_quota_begins_anew_with_an_empty_redis(upstream, redis, start):
    subgate = start(relay_section(upstream) + redis.section() + "quota default { messages_per_day = 3 }\n")
    password = subgate.create_app_password(USER)
    for number in range(3):
        assert send(subgate, password, number) == 250
    redis.command("FLUSHALL")
    wait_until(lambda: send(subgate, password) == 550, "the quota to be used up still")
    assert len(upstream.messages) == 3


def test_no_quota_that_members_share_begins_anew_with_an_empty_redis(upstream, redis, companies, start):
    if not OpenldapServer.is_installed():
        pytest.skip("openldap is not installed")
    company = companies(OpenldapServer)
    limits = f'quota staff {{ groups = {{"{company.group_dn("staff")}"}}  shared = true  messages_per_day = 3 }}\n'
    subgate = start(relay_section(upstream) + redis.section() + company.section() + limits)
    for number, uid in enumerate(("alice", "bob", "alice")):
        assert send(subgate, person(uid).password, number, person(uid).mails[0]) == 250
    assert [r["shared_quota"] for r in subgate.wait_for_audit("message.leaving", 3)] == ["staff"] * 3
    assert subgate.stop() == 0  # so that nobody but the audit knows it
    redis.command("FLUSHALL")
    subgate.start()
    wait_until(lambda: send(subgate, person("bob").password, user=person("bob").mails[0]) == 550,
               "the quota to be used up still")
    assert len(upstream.messages) == 3
    assert redis.command("HMGET", "subgate:shared-quota:{staff}", "m", "r").split() == ["3", "3"]
    assert used(subgate) == 2 and subgate.wait_for_audit("quota.rebuilt")[0]["count"] == 3


def test_what_was_lost_while_subgate_was_down_comes_back_too(running, redis, upstream):
    subgate, password = running
    assert subgate.stop() == 0
    redis.command("FLUSHALL")
    subgate.start()
    check_loss(subgate, "its marker is gone")
    wait_until(lambda: send(subgate, password) == 250, "mail to flow")
    assert used(subgate) == len(upstream.messages) == 2


def copied(subgate):
    """What the node has kept of what was set by hand."""
    return "".join((subgate.state / f"by-hand-{number}").read_text() for number in (0, 1))


def is_locked_out(subgate, password):
    """Until the auth role has heard of it, the lock stops mail alone."""
    try:
        assert send(subgate, password) != 250
    except smtplib.SMTPAuthenticationError:
        return True
    except (smtplib.SMTPException, OSError):
        pass
    return False


def check_by_hand(subgate, redis, password):
    wait_until(lambda: redis.command("HLEN", "subgate:by-hand") == "5", "what was set by hand to come back")
    wait_until(lambda: redis.command("HGET", "subgate:marker", "state") == "ready", "the rebuild's end")
    wait_until(lambda: is_locked_out(subgate, password), "the auth role to know of the lock")
    assert subgate.ctl_json("user", "show", USER)["locked"] == "yes"
    assert subgate.ctl_json("quota", "show", "bob@example.com")["limit"] == 7
    assert "set_by_hand" not in subgate.ctl_json("quota", "show", "carol@example.com")


@pytest.mark.seconds(15)
def test_locks_and_limits_set_by_hand_outlive_an_emptied_redis(running, redis):
    """While Subgate runs, and while it is down; what was taken back before does not come back."""
    subgate, password = running
    subgate.ctl("user", "lock", USER, "--reason", "stolen")
    for user in ("bob", "carol"):
        subgate.ctl("quota", "set", f"{user}@example.com", "messages_per_day=7")
    subgate.ctl("quota", "unset", "carol@example.com", "messages_per_day")
    subgate.ctl("user", "lock", "dave@example.com")
    subgate.ctl("user", "unlock", "dave@example.com")
    rows = ("lock ", "messages_per_day bob@example.com\n", "messages_per_day carol@example.com\n", " - 1\t")
    wait_until(lambda: all(row in copied(subgate) for row in rows), lambda: copied(subgate))
    redis.command("FLUSHALL")
    check_by_hand(subgate, redis, password)
    assert subgate.stop() == 0
    redis.command("FLUSHALL")
    subgate.start()
    check_by_hand(subgate, redis, password)
    subgate.ctl("user", "unlock", USER)
    wait_until(lambda: send(subgate, password) == 250, "mail to flow")


def test_what_was_borrowed_is_sent_while_redis_is_away(upstream, redis, start):
    section = redis.section().replace(" }", '  on_failure = "local" }')
    subgate = start(relay_section(upstream) + section + "quota default { messages_per_day = 100 }\n")
    password = subgate.create_app_password(USER)
    assert send(subgate, password) == 250
    wait_until(lambda: redis.command("HGET", KEY, "m") == "10", "nine to be borrowed")
    redis.kill()
    subgate.wait_for_log("relay: Redis is away")
    codes = [send(subgate, password, number) for number in range(1, 11)]
    assert codes == [250] * 9 + [451]
    assert "subgate_quota_local_total 9" in metrics(subgate)
    redis.start()
    wait_until(lambda: send(subgate, password, 11) == 250, "mail to flow")
    assert subgate.stop() == 0  # what was borrowed anew goes back
    assert redis.command("HGET", KEY, "m") == str(len(upstream.messages)) == "11"


def test_a_node_that_is_gone_for_good_can_be_done_without(running, redis, upstream):
    subgate, password = running
    redis.command("HSET", "subgate:marker", "n:gone.example.com", int(time.time()))
    wait_until(lambda: "gone.example.com" in (subgate.state / "redis-marker").read_text(), "the other node to be known")
    redis.command("FLUSHALL")
    subgate.wait_for_audit("quota.rebuilt")
    assert send(subgate, password) == 451
    wait_until(lambda: send(subgate, password) == 451 and "those of gone.example.com are missing" in subgate.log,
               lambda: subgate.log)
    assert subgate.ctl("quota", "without", "other.example.com", check=False).returncode == 1
    subgate.ctl("quota", "without", "gone.example.com")
    check_recovery(subgate, password, upstream)


def test_counts_come_back_from_files_that_were_rotated_too(running, redis, upstream):
    subgate, password = running
    audit = subgate.state / "audit.jsonl"
    audit.rename(subgate.state / "audit.jsonl.1")
    wait_until(audit.exists, "another file")
    assert send(subgate, password, 1) == 250
    assert subgate.stop() == 0
    audit.rename(subgate.state / "audit.jsonl.2")
    redis.command("FLUSHALL")
    subgate.start()
    wait_until(lambda: send(subgate, password, 2) == 250, "mail to flow")
    assert used(subgate) == len(upstream.messages) == 3


@pytest.mark.parametrize("policy", ["volatile-lru", "allkeys-random"])
def test_a_policy_that_drops_keys_stops_mail_until_it_is_mended(running, redis, upstream, policy):
    subgate, password = running
    redis.command("CONFIG", "SET", "maxmemory-policy", policy)
    wait_until(lambda: f"relay: Redis is away: its maxmemory-policy is {policy}" in subgate.log, lambda: subgate.log)
    assert send(subgate, password) == 451
    assert "subgate_redis_up 0" in metrics(subgate)
    redis.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
    check_recovery(subgate, password, upstream)


@pytest.mark.parametrize("breaks, mends, says", [
    (["CONFIG SET maxmemory 1"], ["CONFIG SET maxmemory 0"], "OOM"),
    (["REPLICAOF 127.0.0.1 1"], ["REPLICAOF NO ONE"], "READONLY"),
    ([f"RENAME {KEY} kept", f"SET {KEY} x"], [f"DEL {KEY}", f"RENAME kept {KEY}"], "WRONGTYPE"),
    (["CONFIG SET min-replicas-to-write 1"], ["CONFIG SET min-replicas-to-write 0"], "NOREPLICAS"),
], ids=["full", "a replica", "another type", "too few replicas"])
def test_an_error_of_redis_is_451_and_named_in_the_log(running, redis, upstream, breaks, mends, says):
    subgate, password = running
    for command in breaks:
        redis.command(*command.split())
    assert send(subgate, password) == 451
    assert len(upstream.messages) == 1
    # Another call than the charge may hear it first, and then the connection is closed.
    subgate.wait_for_log(f"not charged: {says}", f"Redis is away: {says}")
    assert subgate.wait_for_audit("message.refused")[0]["reason"] == "quota service unavailable"
    for command in mends:
        redis.command(*command.split())
    check_recovery(subgate, password, upstream)


def test_a_redis_that_wants_another_password_is_451_and_named_in_the_log(running, redis, upstream):
    subgate, password = running
    redis.command("CONFIG", "SET", "requirepass", "another")
    redis.command("-a", "another", "CLIENT", "KILL", "TYPE", "normal")
    wait_until(lambda: "relay: Redis is away: login refused" in subgate.log, lambda: subgate.log)
    assert send(subgate, password) == 451
    redis.command("-a", "another", "CONFIG", "SET", "requirepass", redis.PASSWORD)
    check_recovery(subgate, password, upstream)


@contextlib.contextmanager
def senders(subgate, password):
    """Six who send one message after the other, whatever they hear."""
    stopped = threading.Event()

    def run():
        while not stopped.is_set():
            try:
                send(subgate, password)
            except (smtplib.SMTPException, OSError):
                time.sleep(0.05)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def test_a_redis_killed_in_the_midst_of_charges_counts_what_was_sent(upstream, redis, start):
    subgate = start(relay_section(upstream) + redis.section() + UNLIMITED)
    password = subgate.create_app_password(USER)
    with senders(subgate, password):
        for _ in range(3):
            before = len(upstream.messages)
            wait_until(lambda: len(upstream.messages) > before + 10, "mail to flow")
            redis.kill()
            time.sleep(0.2)
            redis.start()
    # What Redis took and could not say is given back; never is less counted than was sent.
    check_recovery(subgate, password, upstream)


def test_what_was_refused_while_redis_was_away_does_not_hold_up_the_end(running, redis):
    subgate, password = running
    redis.stop()
    wait_until(lambda: "relay: Redis is away" in subgate.log, "the loss")
    for _ in range(3):
        assert send(subgate, password) == 451
    began = time.monotonic()
    assert subgate.stop() == 0
    assert time.monotonic() - began < 25  # what drains may take 30


def test_refunds_that_are_due_at_the_end_are_waited_for(running, redis, upstream):
    subgate, password = running
    redis.freeze()
    assert send(subgate, password) == 451
    subgate.signal(signal.SIGTERM)
    time.sleep(2)
    assert subgate.pids("relay")
    redis.thaw()
    assert subgate.stop() == 0
    subgate.start()
    assert used(subgate) == len(upstream.messages) == 1


class MovingAddress:
    """A port that leads to another one: connections that are there stay with the server that they went to."""

    def __init__(self, port):
        self.target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self.target))
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def _copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def close(self):
        self._listener.close()


@pytest.mark.parametrize("too_early", [False, True])
def test_a_primary_that_moved_is_found_and_the_old_connection_left(tmp_path, upstream, redis, start, too_early):
    second = RedisServer(tmp_path / "second").start()
    address = MovingAddress(redis.port)
    try:
        second.command("CONFIG", "SET", "masterauth", redis.PASSWORD)
        second.command("REPLICAOF", "127.0.0.1", redis.port)
        wait_until(lambda: "master_link_status:up" in second.command("INFO", "replication"), "the replica")
        subgate = start(relay_section(upstream) + redis.section().replace(str(redis.port), str(address.port)))
        password = subgate.create_app_password(USER)
        assert send(subgate, password) == 250
        wait_until(lambda: second.command("HGET", KEY, "m") == "1", "the count at the replica")
        second.command("REPLICAOF", "NO", "ONE")
        if too_early:
            assert send(subgate, password) == 250
        address.target = second.port
        redis.command("REPLICAOF", "127.0.0.1", second.port)
        check_recovery(subgate, password, upstream)
        assert int(second.command("HGET", KEY, "m")) == len(upstream.messages) > 1
        assert "Redis has lost counts" not in subgate.log
        assert ("Redis had lost 1 charges of the last seconds: they were charged again" in subgate.log) == too_early
        subgate.wait_for_log("relay: Redis is away: READONLY", "relay: Redis is away: it is a replica")
    finally:
        address.close()
        second.stop()


def test_a_redis_emptied_under_load_gets_its_counts_back(upstream, redis, start):
    subgate = start(relay_section(upstream) + redis.section() + UNLIMITED)
    password = subgate.create_app_password(USER)
    with senders(subgate, password):
        for _ in range(3):
            before = len(upstream.messages)
            wait_until(lambda: len(upstream.messages) > before + 10, "mail to flow")
            counted, losses = used(subgate), len(subgate.audit("quota.rebuilt"))
            redis.command("FLUSHALL")
            subgate.wait_for_audit("quota.rebuilt", losses + 1)
            rebuilt = subgate.audit("quota.rebuilt")[-1]
            print(f"figure: emptied with {counted} counted and {len(upstream.messages)} upstream; rebuilt: "
                  f"{rebuilt['count']} in {rebuilt['duration_ms']} ms")
    check_recovery(subgate, password, upstream)


def redis_pid(subgate):
    found = subgate.pids("redis")
    return found[0] if found else 0


def test_the_embedded_redis_is_started_again_and_forgets_nothing(subgate, upstream):
    password = subgate.create_app_password(USER)
    for _ in range(3):
        assert send(subgate, password) == 250
        before = redis_pid(subgate)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: redis_pid(subgate) not in (0, before), "a new Redis")
        wait_until(lambda: send(subgate, password) == 250, "mail to flow")
    wait_until(lambda: used(subgate) == len(upstream.messages) == 6, lambda: f"{used(subgate)}")


def test_a_frozen_embedded_redis_is_451_and_the_end_comes_in_time(subgate):
    password = subgate.create_app_password(USER)
    assert send(subgate, password) == 250
    os.kill(redis_pid(subgate), signal.SIGSTOP)
    assert send(subgate, password) == 451
    os.kill(redis_pid(subgate), signal.SIGCONT)
    wait_until(lambda: send(subgate, password) == 250, "mail to flow")


def test_the_embedded_redis_outlives_a_reload(subgate, upstream):
    password = subgate.create_app_password(USER)
    assert send(subgate, password) == 250
    before = redis_pid(subgate)
    for _ in range(3):
        subgate.ctl("reload")
        assert send(subgate, password) == 250
    assert redis_pid(subgate) == before and used(subgate) == 4
