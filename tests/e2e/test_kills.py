"""
Gates, relay and Redis are killed at random moments under load; then the books are held against each other: what clients
heard, what the upstream has, the audit, and the count in Redis.

`make kills` does it 200 times and shows the figures. SUBGATE_SEED draws the same moments again.
"""

import os
import random
import signal
import smtplib
import threading
import time

from harness.client import login, message
from harness.ledger import Ledger, open_attempts
from harness.process import wait_until
from harness.subgate import relay_section

KILLS = int(os.environ.get("SUBGATE_KILLS", "9"))
ROUND = 12  # kills between two starts of Subgate: a role that dies too often is started again after 30 s only
CLIENTS = 12
USER = "alice@example.com"
UNLIMITED = "quota default { messages_per_day = 0  messages_per_minute = 0  recipients_per_day = 0 }\n"


class Load:
    """Clients that send one message after the other, each number once, and note for which they heard 250."""

    def __init__(self, subgate, password, first):
        self.subgate, self.password = subgate, password
        self.acknowledged, self.failures = [], 0
        self.number, self._stopped = first, threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(CLIENTS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _next(self):
        with self._lock:
            self.number += 1
            return self.number

    def _run(self):
        while not self._stopped.is_set():
            try:
                self._session()
            except (smtplib.SMTPException, OSError):
                self.failures += 1
                self._stopped.wait(0.02)

    def _session(self):
        with login(self.subgate, USER, self.password) as client:
            while not self._stopped.is_set():
                number = self._next()
                client.sendmail(USER, ["bob@example.net"], message(USER, number=number))
                self.acknowledged.append(number)

    def flow(self, count):
        """Waits until so many more were acknowledged."""
        before = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) >= before + count,
                   lambda: f"mail to flow\n{self.subgate.log[-5000:]}", 90)


class Killer:
    def __init__(self, subgate, redis, seed):
        self.subgate, self.redis = subgate, redis
        self.random = random.Random(seed)
        self.done = {"gate": 0, "relay": 0, "redis": 0}

    def strike(self):
        victim = self.random.choice(list(self.done))
        time.sleep(self.random.random() * 0.1)  # not always the moment after an answer
        if victim == "redis":
            self.redis.kill()
            time.sleep(self.random.random() * 0.3)
            self.redis.start()
        else:
            pids = wait_until(lambda: self.subgate.pids(victim), f"a {victim}")
            os.kill(self.random.choice(pids), signal.SIGKILL)
        self.done[victim] += 1


def count_of(subgate):
    shown = subgate.ctl("--json", "quota", "show", USER, check=False)
    return shown.returncode == 0 and subgate.ctl_json("quota", "show", USER)["used"]


def test_random_kills_under_load_leave_no_difference_unexplained(upstream, redis, start):
    seed = int(os.environ.get("SUBGATE_SEED", random.randrange(1 << 32)))
    print(f"SUBGATE_SEED={seed}")
    upstream.delay = 0.003
    subgate = start(relay_section(upstream) + redis.section() + UNLIMITED)
    password = subgate.create_app_password(USER)
    killer = Killer(subgate, redis, seed)
    acknowledged, failures, number = [], 0, 0
    for left in range(KILLS, 0, -ROUND):
        with Load(subgate, password, number) as load:
            for _ in range(min(left, ROUND)):
                load.flow(killer.random.randrange(1, 30))
                killer.strike()
            load.flow(30)
        acknowledged += load.acknowledged
        failures, number = failures + load.failures, load.number
        print(f"{left} kills were left", flush=True)
        if left > ROUND:
            assert subgate.stop() == 0
            subgate.start()
    wait_until(lambda: not open_attempts([subgate]), lambda: f"outcomes of {open_attempts([subgate])}", 90)
    books = Ledger([subgate], [upstream], acknowledged)
    counted = wait_until(lambda: count_of(subgate), "the count", 90)
    # A charge whose relay died before it knew the outcome stays: at most one for each client and kill of a relay.
    over_charge = counted - sum(books.accepted.values())
    print(f"figure: seed {seed}, {sum(killer.done.values())} kills {killer.done}: {books.figures()}; "
          f"{failures} sessions broke off; counted {counted}, over-charge {over_charge}")
    assert books.differences() == []
    assert 0 <= over_charge <= len(books.unknown) + CLIENTS * killer.done["relay"]
