"""
Three machines, each a network namespace with a redis-server and a Sentinel: a primary and two replicas at first. They
can be killed, frozen, and cut off from each other while clients still reach them.
"""

import os
import pathlib
import random
import signal
import subprocess

from .process import Process, wait_until
from .redis_server import RedisServer

PASSWORD = RedisServer.PASSWORD
REDIS, SENTINEL = 6379, 26379


def run(*command):
    subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=30)


class Machine:
    def __init__(self, folder, name, address):
        self.folder, self.name, self.address = folder, name, address
        self.redis = self.sentinel = None
        self.folder.mkdir(parents=True)

    def start(self, primary=None):
        """`primary`: whom it follows, if Sentinels don't know better."""
        config = self.folder / "redis.conf"
        if not config.exists():
            follows = f"replicaof {primary.address} {REDIS}\n" if primary and primary is not self else ""
            config.write_text(
                f"port {REDIS}\nbind {self.address}\ndir {self.folder}\nsave \"\"\nappendonly yes\n"
                f"requirepass {PASSWORD}\nmasterauth {PASSWORD}\nrepl-diskless-sync-delay 0\n{follows}")
        self.redis = self._run(config)
        wait_until(lambda: self.info("PING") == "PONG", f"redis-server at {self.address}")

    def watch(self, primary):
        config = self.folder / "sentinel.conf"
        config.write_text(
            f"port {SENTINEL}\nbind {self.address}\ndir {self.folder}\n"
            f"sentinel monitor trio {primary.address} {REDIS} 2\nsentinel auth-pass trio {PASSWORD}\n"
            "sentinel down-after-milliseconds trio 1000\nsentinel failover-timeout trio 1000\n"
            "sentinel parallel-syncs trio 2\n")
        self.sentinel = self._run(config, "--sentinel")

    def _run(self, config, *more):
        return Process(["ip", "netns", "exec", self.name, "redis-server", config, *more], config.with_suffix(".log"))

    def info(self, *command, port=REDIS):
        """What redis-cli prints; empty while it doesn't answer."""
        try:
            done = subprocess.run(["redis-cli", "-h", self.address, "-p", str(port), *map(str, command)], timeout=2,
                                  capture_output=True, text=True, env={**os.environ, "REDISCLI_AUTH": PASSWORD})
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout.strip()

    def is_primary(self):
        return "role:master" in self.info("INFO", "replication")

    def kill(self):
        self.redis.signal(signal.SIGKILL)
        self.redis.popen.wait()
        self.redis = None

    def freeze(self):
        for process in (self.redis, self.sentinel):
            process.signal(signal.SIGSTOP)

    def thaw(self):
        for process in (self.redis, self.sentinel):
            process.signal(signal.SIGCONT)

    def cut_off(self, others):
        """From the other machines; whoever is none of them reaches it still."""
        for other in others:
            run("ip", "-n", self.name, "route", "add", "blackhole", f"{other.address}/32")

    def join(self, others):
        for other in others:
            run("ip", "-n", self.name, "route", "del", "blackhole", f"{other.address}/32")

    def stop(self):
        for process in (self.redis, self.sentinel):
            if process:
                process.stop()


class RedisTrio:
    def __init__(self, folder):
        self.number = random.randrange(1, 60000)
        self.bridge = f"sg{self.number}"
        network = f"10.{200 + self.number // 256 % 50}.{self.number % 256}"
        self.own_address = f"{network}.1"
        self.machines = [Machine(pathlib.Path(folder) / f"machine{n}", f"{self.bridge}-{n}", f"{network}.{10 + n}")
                         for n in range(3)]

    def __enter__(self):
        try:
            self._connect()
            for machine in self.machines:
                machine.start(self.machines[0])
            for machine in self.machines:
                machine.watch(self.machines[0])
            self.await_whole()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for machine in self.machines:
            machine.stop()
            subprocess.run(["ip", "netns", "del", machine.name], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", self.bridge], capture_output=True, check=False)

    def _connect(self):
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "addr", "add", f"{self.own_address}/24", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")
        for n, machine in enumerate(self.machines):
            link = f"{self.bridge}v{n}"
            run("ip", "netns", "add", machine.name)
            run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", machine.name)
            run("ip", "link", "set", link, "master", self.bridge, "up")
            run("ip", "-n", machine.name, "addr", "add", f"{machine.address}/24", "dev", "eth0")
            run("ip", "-n", machine.name, "link", "set", "eth0", "up")
            run("ip", "-n", machine.name, "link", "set", "lo", "up")

    def section(self, more=""):
        sentinels = ", ".join(f'"{machine.address}:{SENTINEL}"' for machine in self.machines)
        return (f'redis {{ sentinels = {{{sentinels}}}  master = "trio"  password_file = "secrets/redis"  {more} }}\n')

    def named_primary(self):
        """Whom two Sentinels name; None."""
        names = [machine.info("SENTINEL", "get-master-addr-by-name", "trio", port=SENTINEL).split("\n")[0]
                 for machine in self.machines]
        for machine in self.machines:
            if names.count(machine.address) >= 2:
                return machine
        return None

    def await_whole(self):
        """One primary with two replicas that have caught up, as all Sentinels know."""
        def is_whole():
            primary = self.named_primary()
            return (primary and primary.is_primary()
                    and primary.info("INFO", "replication").count("state=online") == 2
                    and all("slaves=2,sentinels=3" in machine.info("INFO", "sentinel", port=SENTINEL)
                            for machine in self.machines))
        wait_until(is_whole, "a primary with two replicas", 60)

    def others_of(self, machine):
        return [other for other in self.machines if other is not machine]
