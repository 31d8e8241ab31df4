"""The session: its recording, its end, and the summary."""

from __future__ import annotations

import pytest

from harness.plugin import progress, sharding, shared_boots
from harness.plugin.asked import is_worker, problem_of, settings_of
from harness.plugin.state import (
    artifacts_of,
    close_workplace,
    prepare_folder,
    recorder_of,
    start_recorder,
)

_HAVE_RUN = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Record the tests, in the process that sees all of them."""
    if (recorder := start_recorder(session.config)) is not None:
        from harness.plugin.recording import Recording

        session.config.pluginmanager.register(Recording(recorder))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Close what this process opened, after the fixtures; report what a worker's check found."""
    closed, ended = close_workplace(session.config), shared_boots.end(session.config)
    problem_at_end = closed or ended
    _finish_shard(session)
    if (recorder := recorder_of(session.config)) is not None:
        found = pytest.ExitCode.INTERNAL_ERROR if problem_at_end else session.exitstatus
        session.exitstatus = recorder.status(found)
        recorder.finish(session.exitstatus)
    if problem_at_end:
        pytest.exit(problem_at_end, returncode=pytest.ExitCode.INTERNAL_ERROR)
    problem = problem_of(session.config)
    if problem is not None and progress.has_workers(session.config):
        raise pytest.UsageError(str(problem))


def _finish_shard(session: pytest.Session) -> None:
    """Leave a report of a shard without machines too: a merge has to find every shard."""
    config = session.config
    if settings_of(config).shard is None or is_worker(config):
        return
    if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
        if not sharding.has_tests_elsewhere(config):
            return
        session.exitstatus = pytest.ExitCode.OK
    if session.exitstatus in _HAVE_RUN and not config.getoption("collectonly"):
        prepare_folder(config)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the findings of the run, its shard, and where its report is."""
    recorder = recorder_of(config)
    if recorder is not None and (line := sharding.line(config)):
        terminalreporter.write_line(line)
    if recorder is not None and recorder.has_begun:
        from harness.plugin.summary import write

        write(terminalreporter, recorder.record(), artifacts_of(config).path)
