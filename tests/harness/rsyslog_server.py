"""A real rsyslogd: what it gets over TLS, TCP or UDP is in a file, one message a line."""

import json
import pathlib
import signal

from .process import Process, free_port, is_listening, wait_until

COMMON = """
global(workDirectory="{folder}" maxMessageSize="1m" {tls})
module(load="imtcp" maxSessions="50" {driver})
module(load="imudp")
input(type="imtcp" address="127.0.0.1" port="{port}")
input(type="imudp" address="127.0.0.1" port="{port}")
template(name="all" type="string" string="%pri% %timestamp:::date-rfc3339% %hostname% %app-name% %msgid% %msg%\\n")
action(type="omfile" file="{received}" template="all" asyncWriting="off" ioBufferSize="4k" flushOnTXEnd="on")
"""
TLS = 'DefaultNetstreamDriverCAFile="{ca}" DefaultNetstreamDriverCertFile="{certificate}" ' \
      'DefaultNetstreamDriverKeyFile="{key}"'
DRIVER = 'StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon"'


class RsyslogServer:
    """`authority` None: TCP and UDP without TLS."""

    def __init__(self, folder, authority=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._received = self.folder / "received"
        self._config = self.folder / "rsyslog.conf"
        self._process = None
        tls = driver = ""
        if authority:
            certificate, key = authority.certificate("siem.example.com")
            tls = TLS.format(ca=authority.ca, certificate=certificate, key=key)
            driver = DRIVER
        self._config.write_text(COMMON.format(folder=self.folder, port=self.port, received=self._received, tls=tls,
                                              driver=driver))

    def start(self):
        self._process = Process(["rsyslogd", "-n", "-f", self._config, "-i", self.folder / "pid"],
                                self.folder / "rsyslog.log")
        wait_until(lambda: is_listening(self.port), lambda: f"rsyslogd: {self._process.output}")
        return self

    def stop(self):
        if self._process:
            self._process.stop()
        self._process = None

    def freeze(self):
        self._process.signal(signal.SIGSTOP)

    def thaw(self):
        self._process.signal(signal.SIGCONT)

    @property
    def messages(self):
        """(priority, time, host, program, type, record) of each whole line."""
        text = self._received.read_text() if self._received.exists() else ""
        lines = text[:text.rfind("\n") + 1].splitlines()
        return [(*line.split(" ", 5)[:5], json.loads(line.split(" ", 5)[5])) for line in lines if " subgate " in line]

    @property
    def records(self):
        return [message[5] for message in self.messages]
