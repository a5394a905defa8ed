"""
Promise 4 under a crowd: sessions of one user at several nodes at once, all against one limit; nodes in two time zones;
nodes and a Redis whose clocks step across midnight.

`make quotas` runs it at full size and shows the figures.
"""

import concurrent.futures
import contextlib
import os
import re
import smtplib
import time

import pytest

from harness.client import hear, login, message
from harness.ledger import NUMBER
from harness.redis_server import RedisServer
from harness.stepped_clock import SteppedClock
from harness.subgate import NOON, relay_section, zone_where_it_is

FULL = bool(os.environ.get("SUBGATE_QUOTAS"))
SESSIONS, LIMIT, RUNS = (60, 500, 10) if FULL else (6, 40, 1)
NODES = 3
SECTIONS = f"""
quota default {{ messages_per_day = {LIMIT}  messages_per_minute = 0  recipients_per_day = 0 }}
limits {{ connections_per_address = 1000  transactions_per_user = 1000 }}
"""


def log_in(node, user, password):
    """A gate that is busy may close before its greeting: then once more, as any client does."""
    for _ in range(10):
        with contextlib.suppress(smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError, ConnectionError):
            return login(node, user, password, timeout=120)
    return login(node, user, password, timeout=120)


def send_until_refused(node, user, password, first, rounds):
    """One session: (how many messages it was told are accepted, the text that ended it)."""
    accepted = 0
    with log_in(node, user, password) as client:
        for number in range(first, first + rounds):
            code, text = hear(client, user, "bob@example.net", message(user, number=number))
            if code != 250:
                return accepted, f"{code} {text}"
            accepted += 1
    return accepted, ""


class Crowd:
    """SESSIONS sessions at each node, for one user; what they heard together."""

    def __init__(self, nodes, upstream, user, sessions=SESSIONS, rounds=LIMIT + 1):
        passwords = [node.create_app_password(user) for node in nodes]
        before = len(upstream.messages)
        with concurrent.futures.ThreadPoolExecutor(sessions * len(nodes)) as pool:
            heard = list(pool.map(lambda n: send_until_refused(
                nodes[n % len(nodes)], user, passwords[n % len(nodes)], 10_000 * n, rounds),
                range(sessions * len(nodes))))
        self.accepted = sum(count for count, _ in heard)
        self.ends = [text for _, text in heard]
        arrived = upstream.messages[before:]
        self.upstream = len(arrived)
        assert len({NUMBER.search(m.content).group(1) for m in arrived}) == len(arrived), "accepted twice"
        self.counted = [node.ctl_json("quota", "show", user)["used"] for node in nodes]


def in_zone(zone):
    return f'quota_day {{ timezone = "{zone}" }}\n'


@pytest.fixture
def start_nodes(upstream, redis, start):
    def start_all(zones=(), **options):
        zones = zones or [NOON] * NODES
        return [start(relay_section(upstream, extra="connections = 20") + redis.section() + SECTIONS + in_zone(zone),
                      name=f"node{n}", **options) for n, zone in enumerate(zones)]

    return start_all


def check_runs(nodes, upstream, kind):
    for run in range(RUNS):
        crowd = Crowd(nodes, upstream, f"user{run}@example.com")
        print(f"figure: {kind}, run {run + 1}: {crowd.accepted} acknowledged, {crowd.upstream} upstream, "
              f"{crowd.counted} counted")
        assert (crowd.accepted, crowd.upstream, crowd.counted) == (LIMIT, LIMIT, [LIMIT] * len(nodes))
        assert all(re.match(r"550 5\.4\.5 .*exceeded", text) for text in crowd.ends), set(crowd.ends)


def test_a_crowd_at_three_nodes_sends_exactly_its_limit(start_nodes, upstream):
    check_runs(start_nodes(), upstream, f"{NODES} nodes x {SESSIONS} sessions")


def test_a_crowd_at_nodes_in_two_zones_sends_exactly_its_limit(start_nodes, upstream):
    check_runs(start_nodes([NOON, zone_where_it_is(18), NOON]), upstream, "two zones")


def seconds_to_midnight():
    return 86400 - int(time.time()) % 86400


def test_clocks_that_step_across_midnight_make_no_second_day(tmp_path, authority, upstream, start):
    """
    It is shortly before midnight. The nodes' clocks step over it, and back, and Redis's not: it stays one day. Then
    Redis's steps over it too, and back: one more day, and no third.
    """
    clocks = [SteppedClock(tmp_path / f"clock{n}") for n in range(NODES)]
    redis_clock = SteppedClock(tmp_path / "clock-redis")
    # Two hours before midnight, lest it comes by itself meanwhile; and not before the certificates were made.
    evening = (seconds_to_midnight() - 7200) % 86400
    for clock in (*clocks, redis_clock):
        clock.step_to(evening)
    redis = RedisServer(tmp_path / "redis", under=redis_clock.command()).start()
    try:
        nodes = [start(relay_section(upstream) + redis.section() + SECTIONS + in_zone("UTC"), name=f"node{n}",
                       under=clock.command()) for n, clock in enumerate(clocks)]
        user = "alice@example.com"
        third, sessions = LIMIT // 3, max(1, SESSIONS // 3)
        count = sum(Crowd(nodes, upstream, user, sessions, third // (sessions * NODES)).accepted for _ in range(2))
        assert 0 < count < LIMIT
        for clock, shift in zip(clocks, (3 * 3600, 0, 20 * 3600)):
            clock.step_to(evening + shift)
        first = Crowd(nodes, upstream, user, sessions)
        assert count + first.accepted == LIMIT == len(upstream.messages)
        for clock in clocks:
            clock.step_to(evening + 4 * 3600)
        redis_clock.step_to(evening + 4 * 3600)
        second = Crowd(nodes, upstream, user, sessions)
        assert (second.accepted, len(upstream.messages)) == (LIMIT, 2 * LIMIT)
        for clock in (*clocks, redis_clock):
            clock.step_to(evening)
        clocks[1].step_to(evening + 5 * 3600)
        third_day = Crowd(nodes, upstream, user, sessions)
        print(f"figure: stepping clocks: {LIMIT} and {second.accepted} acknowledged of two days, "
              f"{len(upstream.messages)} upstream, {third_day.accepted} more after stepping back")
        assert (third_day.accepted, len(upstream.messages)) == (0, 2 * LIMIT)
    finally:
        redis.stop()
