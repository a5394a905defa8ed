"""Runs the transcripts of this folder (see README.md) against the real binary."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from dialog.player import Player, Stage  # noqa: E402
from harness import failures  # noqa: E402

_stages = {}


def stage_for(player):
    """
    One Subgate a configuration: most transcripts share one. One that reads what is rationed has another for itself, as
    what others were refused may have used the ration up.
    """
    setting = (player.config, player.relay, player.offers)
    key = (*setting, player.path if player.reads_rationed else None)
    if key not in _stages:
        _stages[key] = Stage(*setting)
    return _stages[key]


def pytest_sessionfinish():
    for stage in _stages.values():
        stage.close()


def pytest_terminal_summary(terminalreporter, config):
    failures.write(terminalreporter, config)


def pytest_collect_file(parent, file_path):
    if file_path.suffix == ".txt":
        return Transcript.from_parent(parent, path=file_path)
    return None


class Transcript(pytest.File):
    def collect(self):
        yield Run.from_parent(self, name="whole", by_byte=False)
        if not Player(self.path).whole_only:
            yield Run.from_parent(self, name="byte by byte", by_byte=True)


class Run(pytest.Item):
    def __init__(self, *, by_byte, **options):
        super().__init__(**options)
        self.by_byte = by_byte

    def runtest(self):
        player = Player(self.path)
        player.play(stage_for(player), self.by_byte)

    def repr_failure(self, excinfo):
        if excinfo.errisinstance(AssertionError):
            return f"{self.path.name} ({self.name}): {excinfo.value}"
        return super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, 0, f"{self.path.stem} ({self.name})"
