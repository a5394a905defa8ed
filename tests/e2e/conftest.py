"""What the end-to-end tests stand on: real servers, started for each test that asks for them."""

import os
import pathlib
import resource
import shutil
import socket
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from harness import failures, grid  # noqa: E402
from harness.certificates import Authority  # noqa: E402
from harness.directory import Directory  # noqa: E402
from harness.ds389_server import Ds389Server  # noqa: E402
from harness.openldap_server import OpenldapServer  # noqa: E402
from harness.redis_server import RedisServer  # noqa: E402
from harness.samba_server import SambaServer  # noqa: E402
from harness.subgate import Subgate, relay_section  # noqa: E402
from harness.upstream import Upstream  # noqa: E402

KINDS = (OpenldapServer, SambaServer, Ds389Server)
USERS = {"alice": "Alice-Password-1", "bob": "Bob-Password-2"}


def pytest_configure(config):
    """
    A folder for this run alone: in the one that pytest shares, the beginning of another run closes the way for servers
    that run as users of their own. Its name is short, as sockets lie below it.
    """
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))  # a shell gives 1,024; some tests have more clients
    socket.getfqdn = lambda name="": "localhost"  # smtplib and aiosmtpd would ask DNS, which may be slow or away
    if not config.option.basetemp:
        config.option.basetemp = config.own_folder = tempfile.mkdtemp(prefix="e2e-")
    config.addinivalue_line("markers", "seconds(n): it takes about so long, and is begun before shorter ones")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """
    The longest first, so that none is alone at the end. Tests of one kind of directory share a worker, and its server:
    starting one takes longer than most of its tests.
    """
    for item in items:
        kind = getattr(item, "callspec", None) and item.callspec.params.get("company")
        if kind:
            item.add_marker(pytest.mark.xdist_group(kind.KIND))
            item.add_marker(pytest.mark.seconds(60))  # all that share the worker

    def seconds(item):
        marker = item.get_closest_marker("seconds")
        return marker.args[0] if marker else 0

    items.sort(key=seconds, reverse=True)


def pytest_sessionfinish(session, exitstatus):
    """The folder is kept where a test has failed."""
    own_folder = getattr(session.config, "own_folder", None)
    if own_folder and exitstatus == 0:
        shutil.rmtree(own_folder)


def pytest_terminal_summary(terminalreporter, config):
    """For `make directories`."""
    failures.write(terminalreporter, config)
    if "SUBGATE_DIRECTORIES" in os.environ:
        outcomes = [(report.nodeid, outcome) for outcome in ("passed", "failed", "error", "skipped")
                    for report in terminalreporter.stats.get(outcome, [])]
        for row in grid.rows(outcomes, [kind.KIND for kind in KINDS]):
            terminalreporter.write_line(row)


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


@pytest.fixture(scope="session")
def companies(tmp_path_factory, authority, request):
    """companies(kind): the server of that kind, started when it is first asked for; it serves all tests of a worker."""
    running = {}
    own = tmp_path_factory.mktemp("companies")
    of_this_run = own.parent.parent if hasattr(request.config, "workerinput") else own.parent

    def serve(kind):
        if kind not in running:
            more = (of_this_run,) if kind is SambaServer else ()
            running[kind] = kind(own / kind.KIND, authority, *more).start()
        return running[kind]

    yield serve
    for server in running.values():
        server.stop()


@pytest.fixture(params=KINDS, ids=[kind.KIND for kind in KINDS])
def company(request, companies):
    """A directory of each kind with the same people. Tests share it: they put back what they change."""
    if not request.param.is_installed():
        pytest.skip(f"{request.param.KIND} is not installed")
    return companies(request.param)


@pytest.fixture
def redis(tmp_path):
    redis = RedisServer(tmp_path / "redis").start()
    yield redis
    redis.stop()


@pytest.fixture
def start(tmp_path, authority, request):
    """
    start(sections, user=…) starts a Subgate that ends with the test, in order; its log is shown when the test fails.
    """
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
