"""
Many clients that do nothing, little, or half of something: another one is served as if they were not there.

SUBGATE_CROWD says how many idle clients there are; with -s the figures are shown: `make scale` does so with 10,000.
"""

import contextlib
import os
import resource
import ssl
import statistics
import subprocess
import time

import pytest

from harness.client import login, message
from harness.measure import cpu_ms, memory_kib
from harness.process import wait_until
from harness.subgate import BUILD, SANITIZED, relay_section

USER = "alice@example.com"
IDLE = int(os.environ.get("SUBGATE_CROWD", "2000"))
SLOW, STUCK = 500, 100
RESTING_KIB = 13 if ssl.OPENSSL_VERSION_INFO < (3, 2) else 32  # of a gate, at most; OpenSSL takes more since 3.2
RESTING_KIB *= 20 if SANITIZED else 1  # what is freed is kept for a while
LIMITS = """
quota default {{ messages_per_day = 0  messages_per_minute = 0  recipients_per_day = 0 }}
limits {{ connections = {0}  connections_per_address = {0}  sessions_per_user = 0  transactions_per_user = 200 }}
""".format(IDLE + SLOW + STUCK + 100)


@pytest.fixture
def many_files():
    """Descriptors for the crowd; what Subgate gets is the same hard limit."""
    former = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = IDLE + SLOW + STUCK + 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, (need, max(need, former[1])))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, former)


@contextlib.contextmanager
def crowd(subgate, password, idle=0, slow=0, stuck=0):
    arguments = [BUILD / "bench" / "crowd", subgate.implicit, USER, password, idle, slow, stuck]
    with subprocess.Popen([*map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as popen:
        assert popen.stdout.readline() == "ready\n"
        yield
        popen.stdin.close()
        assert int(popen.stdout.readline()) == idle + slow + stuck, "some were not kept"


def time_of_a_message(client, count=20):
    taken = []
    for number in range(count):
        began = time.monotonic()
        client.sendmail(USER, ["bob@example.net"], message(USER, number=number))
        taken.append(time.monotonic() - began)
    return statistics.median(taken) * 1000


def use_of_cpu(pids, seconds=3.0):
    """Of one core, in percent."""
    before, began = cpu_ms(pids), time.monotonic()
    time.sleep(seconds)
    return (cpu_ms(pids) - before) / (time.monotonic() - began) / 10


def test_another_client_is_served_beside_a_crowd(upstream, start, many_files):
    subgate = start(relay_section(upstream, extra="connections = 120") + LIMITS)
    password = subgate.create_app_password(USER)
    gates = subgate.pids("gate")
    with login(subgate, USER, password) as other:
        alone = time_of_a_message(other)
    others = subgate.pids("auth") + subgate.pids("relay")
    memory, memory_of_others = memory_kib(gates), memory_kib(others)
    cpu, began = cpu_ms(gates), time.monotonic()
    with crowd(subgate, password, idle=IDLE):
        opening = (cpu_ms(gates) - cpu) / IDLE
        wait_until(lambda: memory_kib(gates) - memory < IDLE * RESTING_KIB,
                   lambda: f"{(memory_kib(gates) - memory) / IDLE:.1f} KiB, and less for each idle client")
        grown = (memory_kib(gates) - memory) / IDLE
        print(f"\n{IDLE} idle authenticated clients, opened in {time.monotonic() - began:.0f} s: "
              f"PSS of all gates {memory} KiB before, {memory_kib(gates)} KiB after, {grown:.1f} KiB each; "
              f"auth and relay {(memory_kib(others) - memory_of_others) / IDLE:.1f} KiB each; "
              f"{opening:.2f} ms of a gate's CPU to open one; {use_of_cpu(gates):.1f} % of a core at rest")
        with crowd(subgate, password, slow=SLOW, stuck=STUCK), login(subgate, USER, password) as other:
            beside = time_of_a_message(other)
            busy = use_of_cpu(gates)
            print(f"a message: {alone:.1f} ms alone, {beside:.1f} ms beside {IDLE} idle, {SLOW} slow and {STUCK} "
                  f"stuck; gates then use {busy:.1f} % of a core")
            assert busy < 50, "the gates spin"
    assert all(pid in subgate.pids("gate") for pid in gates), "a gate was replaced"
    upstream.wait_for(40)
