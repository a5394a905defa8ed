#!/usr/bin/env python3
"""
What the console takes with 10,000 users, whose mail of a month is known, and 1 GB of audit: each page, the console at
rest, 50 browsers, and what mail notices of them. `make pages` builds what it needs and runs it; PAGES_USERS and
PAGES_AUDIT_MIB make it smaller.
"""

import contextlib
import http.client
import os
import pathlib
import shutil
import sys
import tempfile
import threading
import time
import urllib.parse
from statistics import median, quantiles

sys.path[:0] = [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).parents[1])]

import searches  # noqa: E402
from bench import Sink, Talker  # noqa: E402
from harness.certificates import Authority  # noqa: E402
from harness.console import Console, Reader  # noqa: E402
from harness.event_stream import EventStream  # noqa: E402
from harness.measure import cpu_ms, family, memory_kib  # noqa: E402
from harness.process import wait_until  # noqa: E402
from harness.subgate import Subgate  # noqa: E402
from logins import line_of, make_password  # noqa: E402
from servers import SECTIONS, SINK_NAME, Roles  # noqa: E402

USERS = int(os.environ.get("PAGES_USERS", 10_000))
searches.SIZE = int(os.environ.get("PAGES_AUDIT_MIB", 1024)) << 20
CLIENTS = 50          # that send
BROWSERS = 50
ASKED = 20            # times each page
REST_SECONDS = 10
CHECK_SECONDS = 120
BROWSED_SECONDS = 20
FOLLOWED_SECONDS = 40
FOLLOWED_EVERY = 5
TURNS = 3
MESSAGES = 4000       # a turn, with the browsers and without
BOSSES = [f"user{number}@example.com" for number in range(25)]
AUDIT = 'audit { rotate = 0  rotate_size = 0 }\n'  # else it is packed, in the midst of all
PAUSE_SECONDS = 0.4   # between pages: a session may ask 20 questions a second, and a page asks up to eight
ROLES = {"console": "subgate: console", "admin": "subgate: admin", "relay": "subgate: relay",
         "auth": "subgate: auth", "redis": "subgate: redis"}
SOME = urllib.parse.quote("user7@example.com")
PAGES = ["/me", "/now", "/people", f"/person?user={SOME}", "/mail", f"/mail?user={SOME}",
         "/mail?text=nobody-wrote-this", "/message?id=00000000000003e8", "/relays", "/alerts", "/login"]


class Browser:
    """Somebody who is logged in, over one kept connection."""

    def __init__(self, console, cookie):
        self.fields = {"Cookie": cookie, "Accept-Language": "en"}
        self.connection = console.connect()

    def load(self, path):
        """(ms, bytes, status); status 0: the console closed the connection, as it does after 30 s of a request."""
        began = time.monotonic()
        try:
            self.connection.request("GET", path, headers=self.fields)
            answer = self.connection.getresponse()
            text, status = answer.read(), answer.status
        except (http.client.RemoteDisconnected, ConnectionResetError):
            self.connection.close()  # the next request opens it anew
            text, status = b"", 0
        return (time.monotonic() - began) * 1000, len(text), status


class Pages:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        authority = Authority(self.folder / "tls")
        self.sink = Sink(authority)
        names = ", ".join(f'"{boss}"' for boss in BOSSES)
        self.console = Console(authority, f"admin_users = {{{names}}}")
        sections = SECTIONS.format(port=self.sink.secure, ca=authority.ca, name=SINK_NAME, connections=20) + AUDIT
        self.subgate = Subgate(self.folder / "subgate", authority, sections + self.console.section,
                               {"upstream": "password"})
        self.passwords = {f"user{number}@example.com": make_password() for number in range(USERS)}

    def remember_month(self):
        """What everybody sent on the 30 days before today, for Redis to begin with (past.lua)."""
        today = int(time.time()) // 86400 * 86400
        days = ";".join(f"{today - back * 86400} {1 + back % 9} {2 + back % 9} {4096 * (1 + back % 9)}"
                        for back in range(30, 0, -1))
        folder = self.subgate.state / "redis"
        folder.mkdir()
        with open(folder / "appendonly.aof", "w", encoding="ascii") as commands:
            for user in self.passwords:
                words = ["HSET", f"subgate:quota:{{{user}}}", "past", "1 " + days]
                commands.write(f"*{len(words)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in words))
        if self.subgate.user:
            for path in (folder, folder / "appendonly.aof"):
                shutil.chown(path, self.subgate.user)

    def start(self):
        self.subgate.state.mkdir(parents=True, exist_ok=True)
        self.remember_month()
        path = self.subgate.state / "app-passwords"
        path.write_text("".join(line_of(number, user, password) + "\n"
                                for number, (user, password) in enumerate(self.passwords.items())))
        path.chmod(0o600)
        self.subgate.start()
        self.roles = Roles(ROLES, self.subgate.pid)
        self.cookies = [self.log_in(boss) for boss in BOSSES]

    def log_in(self, user):
        reader = Reader(self.console)
        assert reader.log_in(user, self.subgate.create_app_password(user, "console", "--console"))[0] == 303
        return reader.cookie

    # ---- what is there

    def clients(self, users):
        path = self.folder / "users"
        path.write_text("".join(f"{user} {self.passwords[user]}\n" for user in users))
        load = Talker("load", self.subgate.implicit, path)
        assert load.listen() == "ready"
        return load

    def send(self, load, count, clients):
        before = self.sink.taken()
        seconds, _ = map(float, load.ask(f"{count} 4096 {clients} 1 1 0").split())
        wait_until(lambda: self.sink.taken() - before >= count, lambda: f"{count} messages at the sink", 120)
        return seconds

    def fill(self):
        """Everybody sends today, a message or more; then the audit of a month follows, as searches.py makes it."""
        users = list(self.passwords)
        for at in range(0, len(users), 500):
            some = users[at:at + 500]
            load = self.clients(some)
            self.send(load, 2 * len(some), len(some))
            load.stop()
        old = self.folder / "old"
        searches.write_audit(old)
        with open(old, "rb") as source, open(self.subgate.state / "audit.jsonl", "ab") as audit:
            while block := source.read(1 << 20):
                audit.write(block)
        old.unlink()
        print(f"{len(users):,} users, {os.stat(self.subgate.state / 'audit.jsonl').st_size >> 20:,} MiB of audit; "
              f"load of the machine {os.getloadavg()[0]:.1f}\n")

    # ---- pages

    def has_checked(self):
        return not self.console.ask("GET", "/api/v1/audit/check", Cookie=self.cookies[0])[2].get("running")

    def check_audit(self):
        """/mail has the last day's audit verified, by a thread of the least priority: not beside the pages."""
        assert Browser(self.console, self.cookies[0]).load("/mail")[2] == 200
        until = time.monotonic() + CHECK_SECONDS
        while not self.has_checked() and time.monotonic() < until:
            time.sleep(1)

    def measure_pages(self):
        names = list(ROLES)
        self.check_audit()
        if not self.has_checked():
            print("the audit is still being verified, beside the pages\n")
        print("| page | first ms | median ms | p95 ms | KB | CPU ms | of which " + " / ".join(names) + " |")
        print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
        for path, cookie in zip(PAGES, self.cookies):
            browser, loads = Browser(self.console, cookie), []
            first = browser.load(path)[0]
            before = self.roles.each(cpu_ms)
            for _ in range(ASKED):
                loads.append(browser.load(path))
                time.sleep(PAUSE_SECONDS)
            after = self.roles.each(cpu_ms)
            assert all(status in (200, 404) for *_, status in loads), (path, loads)
            took = [(after[name] - before[name]) / ASKED for name in names]
            print(f"| {urllib.parse.unquote(path)} | {first:.1f} | {median(ms for ms, *_ in loads):.1f} | "
                  f"{quantiles((ms for ms, *_ in loads), n=20)[-1]:.1f} | {loads[0][1] / 1000:.1f} | {sum(took):.1f} | "
                  + " / ".join(f"{ms:.1f}" for ms in took) + " |", flush=True)

    # ---- browsers

    @contextlib.contextmanager
    def browsers(self):
        """Each loads a page a second at most, and every other time /now; yields what each was answered."""
        is_over, failed = threading.Event(), []
        answers = [[] for _ in range(BROWSERS)]

        def browse(number):
            try:
                browser = Browser(self.console, self.cookies[number % len(self.cookies)])
                while not is_over.wait(1):
                    done = len(answers[number])
                    path = "/now" if done % 2 else PAGES[(number + done) % len(PAGES)]
                    answers[number].append(browser.load(path)[2])
            except Exception as error:  # pylint: disable=broad-except
                failed.append(error)

        threads = [threading.Thread(target=browse, args=(number,)) for number in range(BROWSERS)]
        for thread in threads:
            thread.start()
        try:
            yield answers
        finally:
            is_over.set()
            for thread in threads:
                thread.join()
        assert not failed, failed

    def measure_rest(self, title, seconds):
        before, began = self.roles.each(cpu_ms), time.monotonic()
        time.sleep(seconds)
        took, pids = time.monotonic() - began, self.roles.pids()
        after = self.roles.each(cpu_ms)
        for name in ("console", "admin", "relay"):
            print(f"| {title} | {name} | {(after[name] - before[name]) / took / 10:.2f} | {memory_kib(pids[name])} |",
                  flush=True)

    def measure_browsers(self):
        print("\n| | process | % of a core | KiB PSS |\n|---|---|---:|---:|")
        self.measure_rest("at rest", REST_SECONDS)
        with self.browsers() as answers:
            self.measure_rest(f"{BROWSERS} browsers", BROWSED_SECONDS)
            statuses = [status for mine in answers for status in mine]
        print(f"\n{len(statuses)} pages by {BROWSERS} browsers in {BROWSED_SECONDS} s, "
              f"{statuses.count(503)} of them refused for the time being, {statuses.count(0)} given up")

    # ---- the first page, which follows what happens

    @contextlib.contextmanager
    def askers(self):
        """What browsers did before there were streams, and do where there is no place for one."""
        is_over = threading.Event()

        def ask(number):
            browser = Browser(self.console, self.cookies[number % len(self.cookies)])
            while not is_over.wait(FOLLOWED_EVERY):
                assert browser.load("/now")[2] == 200

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(BROWSERS)]
        for thread in threads:
            thread.start()
        yield
        is_over.set()
        for thread in threads:
            thread.join()

    @contextlib.contextmanager
    def followers(self):
        def read(stream):
            while stream.read_message():
                pass
            stream.close()

        with contextlib.ExitStack() as open_streams:
            for number in range(BROWSERS):
                cookie = self.cookies[number % len(self.cookies)]
                stream = EventStream(self.console, cookie, f"127.0.0.{2 + number % 2}")
                assert stream.status == 200
                thread = threading.Thread(target=read, args=(stream,))
                thread.start()
                open_streams.callback(thread.join)
                open_streams.callback(stream.leave)
            yield

    def measure_followers(self):
        names = ("console", "admin", "relay", "auth")
        print(f"\n| {BROWSERS} browsers at /now | mail | % of a core: " + " / ".join(names) + " |\n|---|---|---:|")
        load = self.clients(list(self.passwords)[:CLIENTS])
        for title, browsers in (("ask every 5 s", self.askers), ("follow a stream", self.followers)):
            with browsers():
                for has_mail in (False, True):
                    time.sleep(FOLLOWED_EVERY)
                    before, began = self.roles.each(cpu_ms), time.monotonic()
                    while time.monotonic() < began + FOLLOWED_SECONDS:
                        if has_mail:
                            self.send(load, 1, 1)
                        time.sleep(1)
                    took, after = time.monotonic() - began, self.roles.each(cpu_ms)
                    share = " / ".join(f"{(after[name] - before[name]) / took / 10:.2f}" for name in names)
                    print(f"| {title} | {'a message a second' if has_mail else 'none'} | {share} |", flush=True)
        load.stop()

    # ---- mail

    def measure_mail(self):
        """CPU of the whole server but console and admin, which are the browsers' own."""
        print("\n| turn | browsers | messages a second | CPU µs a message, console and admin left out |")
        print("|---|---:|---:|---:|", flush=True)
        load = self.clients(list(self.passwords)[:CLIENTS])
        self.send(load, MESSAGES // 10, CLIENTS)
        for turn in range(TURNS):
            for count in (0, BROWSERS):
                with self.browsers() if count else contextlib.nullcontext():
                    mine = self.roles.pids()
                    pids = set(family(self.subgate.pid)) - set(mine["console"]) - set(mine["admin"])
                    before = cpu_ms(pids)
                    seconds = self.send(load, MESSAGES, CLIENTS)
                    cpu = cpu_ms(pids) - before
                print(f"| {turn + 1} | {count} | {MESSAGES / seconds:.0f} | {1000 * cpu / MESSAGES:.0f} |", flush=True)
        load.stop()


def main():
    with tempfile.TemporaryDirectory(prefix="pages-", dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        os.chmod(folder, 0o755)
        pages = Pages(folder)
        try:
            pages.start()
            pages.fill()
            pages.measure_pages()
            pages.measure_browsers()
            pages.measure_followers()
            pages.measure_mail()
        finally:
            if pages.subgate.pid:
                pages.subgate.stop()
            pages.sink.stop()


if __name__ == "__main__":
    main()
