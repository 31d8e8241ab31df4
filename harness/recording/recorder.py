"""Writes report.json, junit.xml and the page while a run is running.

The process that sees all tests records: xdist's controller, or the only process. Its own thread
writes while machines boot, so that a killed run leaves what it had, and shows the progress of the
workers. A problem in all this never changes the verdict: it is reported once.
"""

from __future__ import annotations

import logging
import os
import platform
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness import full_folder
from harness.model.clock import SYSTEM_CLOCK, Clock, utc_now
from harness.model.record import Blame, RunRecord, ShardRecord, State
from harness.recording.artifacts import Artifacts, read_tested
from harness.recording.ledger import Ledger, is_only_rigs
from harness.recording.notes import Note, put_note
from harness.recording.run_files import RunFiles, ended, write_all

LOG = logging.getLogger(__name__)
RIG_ERRORS = 8
"""pytest's exit status when tests are red, and all of it is the rig's."""
TICK_S = 0.25
"""How often the recorder's thread looks for what is new."""
_ENDED_BY_FORCE = (
    pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """What a recorder calls; `follow` every `tick_s` and at the end, `warn` for a full disk."""

    history: Path | None = None
    follow: Callable[[], None] = lambda: None
    notes: Callable[[], tuple[str, ...]] = lambda: ()
    shard: Callable[[], ShardRecord | None] = lambda: None
    write: Callable[[RunRecord, Path], None] = write_all
    warn: Callable[[str], None] = LOG.error
    tick_s: float = TICK_S
    clock: Clock = field(default=SYSTEM_CLOCK, repr=False)


class Recorder:
    """Collects pytest's reports; follows from `start` on, and writes from `begin` on."""

    def __init__(self, artifacts: Artifacts, ways: Ways) -> None:
        self._artifacts = artifacts
        self._ways = ways
        self._early: list[pytest.TestReport] = []
        self._ledger = Ledger(lambda text: artifacts.redactor(text))
        self._has_other_red = False
        self._begun = ""
        self._ending = _Ending()
        self._lock = threading.Lock()
        self._files = RunFiles(artifacts.path, ways.write, ways.clock, ways.warn)
        self._host: dict[str, str] = {}
        self._may_write = threading.Event()
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the run has tests of machines, and so a report."""
        return bool(self._begun)

    @property
    def problem(self) -> str:
        """The first problem of the recording, empty if there is none."""
        return self._files.problem or full_folder.problem_of(self._artifacts.path)

    def start(self) -> None:
        """Follow from now on, before there is anything to record; later calls do nothing."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._work, name="node-image-recorder", daemon=True
            )
            self._thread.start()

    def begin(self) -> None:
        """Lock the folder, write the first report, and keep it up to date. Call it once."""
        if self._begun:
            return
        self._begun = utc_now()
        self._host = _host()
        with self._files.noting_problem("the run's folder cannot be used"):
            _ = self._artifacts.folder
        for report in self._early:
            self._ledger.add(report)
        self._early.clear()
        self._write()
        self._may_write.set()  # Only now: the thread and this one never write at once.
        self.start()

    def look(self) -> None:
        """Begin if another process has made the run's folder."""
        if not self._begun and self._artifacts.is_made:
            self.begin()

    def test_begins(self, test_id: str) -> None:
        """Note that a test begins, here or in a worker, and is not over."""
        self.look()
        if self._begun:
            with self._lock:
                self._ledger.begin(test_id)

    def add(self, report: pytest.TestReport) -> None:
        """Add a test's report."""
        self.look()
        if not self._begun:
            self._early.append(report)
            return
        with self._lock:
            self._ledger.add(report)

    def add_crash(self, report: pytest.TestReport) -> None:
        """Attribute the crash of a worker to the rig; `add` gets the report next."""
        if self._begun:
            report.when = "setup"
            put_note(report, Note(blame=Blame.RIG, message=report.longreprtext))

    def add_collection(self, report: pytest.CollectReport) -> None:
        """Note a failure of the collection."""
        self._has_other_red = self._has_other_red or report.failed

    def status(self, found: int) -> int:
        """Return the exit status of the run for that of pytest."""
        self.look()
        if not self._begun or found != pytest.ExitCode.TESTS_FAILED or self._has_other_red:
            return found
        return RIG_ERRORS if is_only_rigs(self._ledger.tests) else found

    def finish(self, exit_code: int) -> None:
        """Write the last report, and end the thread; nothing in a run without a report."""
        if self._is_over.is_set():
            return
        self.close()
        if not self._begun:
            return
        state = State.INTERRUPTED if exit_code in _ENDED_BY_FORCE else State.FINISHED
        self._ending = _Ending(state=state, ended=utc_now(), exit_code=exit_code)
        self._write()
        if self._ways.history is not None:
            from harness.report.history import store

            with self._files.noting_problem("the run is not in the history"):
                store.append(self._ways.history, self.record())

    def close(self) -> None:
        """End the thread; closing twice is fine."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            self._follow()

    def record(self) -> RunRecord:
        """Return the run as it is now."""
        with self._lock:
            tests, running = self._ledger.tests, self._ledger.running
        ending, tested = self._ending, read_tested(self._artifacts.path)
        machines = self._files.machines()
        is_over = ending.state is not State.RUNNING
        return RunRecord(
            id=self._artifacts.path.name,
            state=ending.state,
            started=self._begun,
            ended=ending.ended,
            exit_code=ending.exit_code,
            subject=tested.subject,
            host=self._host | tested.host,
            machines=tuple(map(ended, machines)) if is_over else machines,
            tests=tests,
            shard=self._ways.shard(),
            notes=(
                *self._ways.notes(),
                *filter(None, (full_folder.problem_of(self._artifacts.path), self._files.problem)),
                *(f"not over: {test}" for test in running),
            ),
        )

    def tick(self) -> None:
        """Show and write what is new; called by the thread."""
        self._follow()
        if self._may_write.is_set() and self._files.is_due():
            self._write()

    def _work(self) -> None:
        while not self._is_over.wait(self._ways.tick_s):
            self.tick()

    def _write(self) -> None:
        with self._files.noting_problem("the report is not complete"):
            self._files.write(self.record())

    def _follow(self) -> None:
        with self._files.noting_problem("progress cannot be shown"):
            self._ways.follow()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ending:
    """How a run ended; by default it has not."""

    state: State = State.RUNNING
    ended: str = ""
    exit_code: int | None = None


def _host() -> dict[str, str]:
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "name": platform.node(),
        "kernel": platform.release(),
        "memory_mib": str(memory_bytes >> 20),
        "pytest": pytest.__version__,
    }
