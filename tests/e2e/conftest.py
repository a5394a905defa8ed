"""What the end-to-end tests stand on: real servers, started for each test that asks for them."""

import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from harness.certificates import Authority  # noqa: E402
from harness.directory import Directory  # noqa: E402
from harness.redis_server import RedisServer  # noqa: E402
from harness.subgate import Subgate, relay_section  # noqa: E402
from harness.upstream import Upstream  # noqa: E402

USERS = {"alice": "Alice-Password-1", "bob": "Bob-Password-2"}


def pytest_configure(config):
    """
    A folder for this run alone: in the one that pytest shares, the beginning of another run closes the way for servers
    that run as users of their own. Its name is short, as sockets lie below it.
    """
    if not config.option.basetemp:
        config.option.basetemp = config.own_folder = tempfile.mkdtemp(prefix="e2e-")


def pytest_sessionfinish(session, exitstatus):
    """The folder is kept where a test has failed."""
    own_folder = getattr(session.config, "own_folder", None)
    if own_folder and exitstatus == 0:
        shutil.rmtree(own_folder)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def upstream(authority):
    upstream = Upstream(authority).start()
    yield upstream
    upstream.stop()


@pytest.fixture
def directory(tmp_path, authority):
    directory = Directory(tmp_path / "directory", authority, USERS).start()
    yield directory
    directory.stop()


@pytest.fixture
def redis(tmp_path):
    redis = RedisServer(tmp_path / "redis").start()
    yield redis
    redis.stop()


@pytest.fixture
def start(tmp_path, authority, request):
    """start(sections, user=…) starts a Subgate that ends with the test, in order; its log is shown when the test fails."""
    running = []

    def start_one(sections, name="subgate", more_secrets=None, **options):
        secrets = {"upstream": Upstream.PASSWORD, "ldap": Directory.BIND_PASSWORD, "redis": RedisServer.PASSWORD,
                   **(more_secrets or {})}
        subgate = Subgate(tmp_path / name, authority, sections, secrets, **options)
        running.append(subgate)
        return subgate.start()

    yield start_one
    codes = [subgate.stop() for subgate in running]
    for subgate in running:
        print(subgate.log)
    assert all(code in (0, None) for code in codes), f"subgate ended with {codes}"


@pytest.fixture
def subgate(upstream, start):
    """The simplest one: app passwords, the embedded Redis, one relay."""
    return start(relay_section(upstream))


@pytest.fixture
def whole(upstream, directory, redis, start):
    """All of it: a directory, a Redis of its own, one relay."""
    return start(relay_section(upstream) + directory.section() + redis.section())
