"""
An upstream that takes tokens: XOAUTH2 and OAUTHBEARER, with and without initial response, and says why it does not.
"""

import base64
import json

from .raw_upstream import EHLO, Connection, RawUpstream

REASON = json.dumps({"status": "401", "schemes": "Bearer", "scope": "https://mail.google.com/"})


class _TokenConnection(Connection):
    """Notes what is said within a login, both ways."""

    def authenticate(self, line):
        mechanism, *response = line.split(" ")[1:]
        blob = response[0] if response else self._ask("334 ")
        user, token = self._read(mechanism, base64.b64decode(blob, validate=True).decode())
        self.upstream.logins.append((mechanism, user, len(response), token))
        if token in self.upstream.tokens:
            self._say("235 2.7.0 Accepted")
            return
        why = self.upstream.reason.replace("@TOKEN@", token)
        end = self._ask("334 " + base64.b64encode(why.encode()).decode())
        assert end == {"XOAUTH2": "", "OAUTHBEARER": "AQ=="}[mechanism], f"{mechanism} ended with {end!r}"
        self._say(self.upstream.refusal)

    @staticmethod
    def _read(mechanism, text):
        first, *fields = text.split("\1")
        assert fields[-2:] == ["", ""], text
        if mechanism == "XOAUTH2":
            assert first.startswith("user=") and len(fields) == 3, text
            user = first[5:]
        else:
            assert first.startswith("n,a=") and first.endswith(",") and fields[0].startswith("host="), text
            user = first[4:-1]
        assert fields[-3].startswith("auth=Bearer "), text
        return user, fields[-3][12:]

    def _say(self, text):
        self.upstream.dialog.append(f"S: {text}")
        self.reply(text)

    def _ask(self, text):
        self._say(text)
        line = self.line()
        self.upstream.dialog.append(f"C: {line}")
        return line

    def line(self):
        line = super().line()
        if line.upper().startswith("AUTH "):
            self.upstream.dialog.append(f"C: {line}")
        return line


class TokenUpstream(RawUpstream):
    """
    `tokens` are the access tokens it takes; `logins` (mechanism, user, initial responses, token) all that were tried.
    `reason` is the JSON of a refusal; @TOKEN@ in it is the token that it refuses.
    """

    connection = _TokenConnection

    def __init__(self, offers="XOAUTH2 OAUTHBEARER", **options):
        super().__init__(**options)
        self.tokens, self.dialog, self.reason = [], [], REASON
        self.refusal = "535 5.7.8 Username and Password not accepted"
        self.offers = offers

    def _next(self, stage):
        action = super()._next(stage)
        if stage == EHLO and action is None:
            return f"250-raw.example\n250-PIPELINING\n250-SIZE 0\n250-8BITMIME\n250 AUTH LOGIN {self.offers}"
        return action

    def section(self, name="upstream", extra="", reply_timeout="5s", auth="xoauth2", oauth="google"):
        return f"""
relay {name} {{
  host = "127.0.0.1"  port = {self.port}  tls = "none"
  auth = "{auth}"  user = "{self.USER}"  oauth = "{oauth}"
  connect_timeout = "5s"  reply_timeout = "{reply_timeout}"
  {extra}
}}
"""
