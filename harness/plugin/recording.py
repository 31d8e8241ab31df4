"""The hooks that feed the recorder; registered in the process that sees all tests."""

from __future__ import annotations

import pytest

from harness.recording.recorder import Recorder


class Recording:
    """Passes pytest's reports, of this process and of workers, to a recorder."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note that a test begins, here or in a worker."""
        self._recorder.test_begins(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what became of a phase of a test."""
        self._recorder.add(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take in what became of a file."""
        self._recorder.add_collection(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, report: pytest.TestReport) -> None:
        """Report the crash of a worker as an error."""
        self._recorder.add_crash(report)
