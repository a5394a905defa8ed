"""
The books of a load: what its clients heard, what upstreams have, what the audits say and what Redis counts, and where
these differ from promises 3, 4 and 5.
"""

import collections
import re

NUMBER = re.compile(rb"Message-ID: <(\d+)\.test@example\.com>")
OUTCOMES = ("message.sent", "message.failed", "message.unknown")


def numbers_at(upstreams):
    """The number of each message that they accepted, as often as they did."""
    return [int(NUMBER.search(message.content).group(1)) for upstream in upstreams for message in upstream.messages]


def attempts_in(nodes, *types):
    """(node, message, attempt) of each record of these types, with the number of its message."""
    found = []
    for node in nodes:
        for record in node.audit(*types):
            number = int(re.match(r"<(\d+)\.", record["message_id"]).group(1)) if "message_id" in record else None
            found.append(((node.name, record["message"], record["attempt"]), number))
    return found


def open_attempts(nodes):
    """Those that left and have no outcome yet."""
    return {key for key, _ in attempts_in(nodes, "message.leaving")} - {
        key for key, _ in attempts_in(nodes, *OUTCOMES)}


class Ledger:
    """`acknowledged`: the numbers of messages for which a client heard 250; each number was sent once."""

    def __init__(self, nodes, upstreams, acknowledged):
        self.acknowledged = set(acknowledged)
        self.accepted = collections.Counter(numbers_at(upstreams))
        self.leaving = attempts_in(nodes, "message.leaving")
        self.outcomes = attempts_in(nodes, *OUTCOMES)
        self.sent, self.failed, self.unknown = (
            {number for _, number in attempts_in(nodes, type_)} for type_ in OUTCOMES)

    def differences(self):
        """A sentence for each one; none is explained by a crash."""
        left = dict(self.leaving)
        found = []
        outcomes = collections.Counter(key for key, _ in self.outcomes)

        def note(what, which):
            if which:
                found.append(f"{what}: {sorted(which)[:20]}")

        note("accepted twice", [n for n, count in self.accepted.items() if count > 1])
        note("a client heard 250, and no upstream has it", self.acknowledged - set(self.accepted))
        note("accepted without message.leaving", set(self.accepted) - set(left.values()))
        note("without an outcome", set(left) - set(outcomes))
        note("with several outcomes", [key for key, count in outcomes.items() if count > 1])
        note("an outcome of what never left", set(outcomes) - set(left))
        note("recorded as sent, and no upstream has it", self.sent - set(self.accepted))
        note("recorded as failed alone, and an upstream has it",
             (self.failed - self.sent - self.unknown) & set(self.accepted))
        return found

    def figures(self):
        return (f"{len(self.acknowledged)} acknowledged, {sum(self.accepted.values())} at upstreams, "
                f"leaving {len(self.leaving)}, sent {len(self.sent)}, failed {len(self.failed)}, "
                f"unknown {len(self.unknown)}")
