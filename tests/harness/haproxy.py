"""HAProxy, the real one, on loopback in front of what a test names."""

from .process import Process, free_port, is_listening, wait_until

CONFIG = """
global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
"""

FRONT = """
listen front{number}
    bind 127.0.0.1:{port}
    server subgate 127.0.0.1:{to} {option}
"""


class HAProxy:
    """
    `fronts` are (port to forward to, option of the server line, such as "send-proxy-v2"); `ports` are what it listens
    on.
    """

    def __init__(self, folder, fronts):
        self._folder = folder
        self._fronts = fronts
        self.ports = [free_port() for _ in fronts]
        self._process = None

    def start(self):
        self._folder.mkdir(parents=True)
        config = self._folder / "haproxy.cfg"
        config.write_text(CONFIG + "".join(
            FRONT.format(number=number, port=port, to=to, option=option)
            for number, (port, (to, option)) in enumerate(zip(self.ports, self._fronts))))
        self._process = Process(["haproxy", "-db", "-f", config], self._folder / "haproxy.log")
        wait_until(lambda: all(is_listening(port) for port in self.ports), lambda: f"haproxy:\n{self._process.output}")
        return self

    def stop(self):
        self._process.stop()
