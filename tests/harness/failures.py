"""Which tests failed, for a run that tries them once more (`RERUNS=1`)."""

import os
import pathlib


def write(terminalreporter, config):
    """Into the file that FAILED in the environment names, one a line, as pytest takes them; without FAILED nothing."""
    failed = {config.cwd_relative_nodeid(report.nodeid) for outcome in ("failed", "error")
              for report in terminalreporter.stats.get(outcome, [])}
    if failed and "FAILED" in os.environ:
        pathlib.Path(os.environ["FAILED"]).write_text("".join(f"{test}\n" for test in sorted(failed)))
