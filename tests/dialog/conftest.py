"""Runs the transcripts of this folder (see README.md) against the real binary."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from dialog.player import Player, Stage  # noqa: E402

_stages = {}


def stage_for(*setting):
    """One Subgate a configuration: most transcripts share one."""
    if setting not in _stages:
        _stages[setting] = Stage(*setting)
    return _stages[setting]


def pytest_sessionfinish():
    for stage in _stages.values():
        stage.close()


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
        player.play(stage_for(player.config, player.relay, player.offers), self.by_byte)

    def repr_failure(self, excinfo):
        if excinfo.errisinstance(AssertionError):
            return f"{self.path.name} ({self.name}): {excinfo.value}"
        return super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, 0, f"{self.path.stem} ({self.name})"
