"""The recorder writes as it goes, from the first machine's test on, and never in the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from machine_fakes import FakeClock
from recording_fakes import TEST, make_artifacts, make_report, noted, whole_test, write_machine

from harness.model.errors import InputError
from harness.model.record import Blame, Outcome, RunRecord, State
from harness.recording.artifacts import Tested
from harness.recording.recorder import RIG_ERRORS, Recorder, Ways
from harness.recording.run_files import rebuild, write_all
from harness.report import document

NEVER_S = 3600.0


class Desk:
    """A recorder with what it wrote; its thread has no turn unless the test gives it one."""

    def __init__(self, tmp_path: Path, **ways: object) -> None:
        self.artifacts = make_artifacts(tmp_path)
        self.clock = FakeClock()
        self.written: list[RunRecord] = []
        self.followed = 0
        given = {
            "write": self._write, "follow": self._follow, "tick_s": NEVER_S, "clock": self.clock,
        } | ways  # fmt: skip
        self.recorder = Recorder(self.artifacts, Ways(**given))  # type: ignore[arg-type]

    @property
    def last(self) -> RunRecord:
        return self.written[-1]

    def add(self, *reports: pytest.TestReport) -> None:
        for report in reports:
            self.recorder.add(report)

    def turn(self, after_s: float) -> None:
        self.clock.sleep(after_s)
        self.recorder.tick()

    def close(self) -> None:
        self.recorder.close()
        self.artifacts.close()

    def _write(self, record: RunRecord, _: Path) -> None:
        self.written.append(record)

    def _follow(self) -> None:
        self.followed += 1


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def rigs(nodeid: str = TEST) -> pytest.TestReport:
    return noted(make_report("setup", "failed", "no host", nodeid), Blame.RIG)


def products(nodeid: str = TEST) -> pytest.TestReport:
    return noted(make_report("call", "failed", "no kubelet", nodeid), Blame.PRODUCT)


def test_run_without_machines_leaves_nothing(desk: Desk) -> None:
    desk.recorder.test_begins(TEST)
    desk.add(*whole_test(make_report()))
    desk.recorder.finish(0)

    assert not desk.recorder.has_begun
    assert not desk.artifacts.is_made
    assert desk.written == []


def test_workers_are_followed_before_there_is_anything_to_record(desk: Desk) -> None:
    desk.recorder.start()
    desk.turn(9.0)
    desk.recorder.finish(0)

    assert desk.followed == 2, "at the turn, and what came last"
    assert desk.written == []
    assert not desk.artifacts.is_made


def test_first_report_says_that_the_run_goes_on(desk: Desk) -> None:
    desk.recorder.begin()
    desk.recorder.begin()

    (first,) = desk.written
    assert first.state is State.RUNNING
    assert first.id == "run-1"
    assert first.started.endswith("+00:00")
    assert first.exit_code is None
    assert first.host["kernel"]
    assert not first.ended


def test_tests_before_the_first_machines_are_recorded_too(desk: Desk) -> None:
    desk.add(*whole_test(make_report(nodeid="test_plain.py::test_early")))

    desk.recorder.begin()

    assert [test.id for test in desk.last.tests] == ["test_plain.py::test_early"]


def test_folder_that_a_worker_made_begins_the_run(desk: Desk, tmp_path: Path) -> None:
    worker = make_artifacts(tmp_path)
    worker.keep_tested(Tested(subject={"node_image": "oci:x"}, host={"cpus": "2"}))
    worker.close()

    desk.recorder.test_begins(TEST)

    assert desk.last.subject == {"node_image": "oci:x"}
    assert desk.last.host["cpus"] == "2"
    desk.turn(2.0)
    assert desk.last.notes == (f"not over: {TEST}",)


def test_report_is_written_again_when_something_is_new_but_not_at_once(desk: Desk) -> None:
    desk.recorder.begin()
    desk.turn(2.0)
    assert len(desk.written) == 1, "nothing is new"

    desk.add(*whole_test(make_report()))
    desk.turn(1.0)
    assert len(desk.written) == 1, "it is too soon"
    desk.turn(1.0)

    assert [test.outcome for test in desk.last.tests] == [Outcome.PASSED]


def test_machine_that_changes_while_no_test_ends_is_written(desk: Desk) -> None:
    desk.recorder.begin()
    machine = write_machine(desk.artifacts.path, boots=1, started="2026-11-23T12:00:02Z")
    write_machine(desk.artifacts.path, "earlier", started="2026-11-23T12:00:01Z")

    desk.turn(2.0)

    assert [found.name for found in desk.last.machines] == ["earlier", "fake"]
    assert desk.last.machines[1] == machine

    write_machine(desk.artifacts.path, boots=2, started="2026-11-23T12:00:02Z")
    desk.turn(2.0)

    assert desk.last.machines[1].boots == 2


def test_slow_writing_is_done_less_often(tmp_path: Path) -> None:
    clock, written = FakeClock(), list[RunRecord]()

    def write_slowly(record: RunRecord, _: Path) -> None:
        clock.sleep(3.0)
        written.append(record)

    desk = Desk(tmp_path, write=write_slowly, clock=clock)
    desk.clock = clock
    desk.recorder.begin()
    desk.add(*whole_test(make_report()))

    desk.turn(140.0)
    assert len(written) == 1
    desk.turn(7.0)
    assert len(written) == 2
    desk.close()


def test_last_report_has_the_end(desk: Desk) -> None:
    desk.recorder.begin()
    desk.add(*whole_test(make_report()))
    desk.recorder.finish(0)
    desk.recorder.finish(1)

    assert desk.last.state is State.FINISHED
    assert desk.last.exit_code == 0
    assert desk.last.ended >= desk.last.started
    assert len(desk.written) == 2
    assert desk.followed == 1, "what came last is shown"


def test_interrupted_run_says_so_and_has_no_machine_that_is_up(desk: Desk) -> None:
    desk.recorder.begin()
    write_machine(desk.artifacts.path, state=State.UP)
    write_machine(desk.artifacts.path, "lost", state=State.FAILED)

    desk.recorder.finish(pytest.ExitCode.INTERRUPTED)

    assert desk.last.state is State.INTERRUPTED
    assert {m.name: m.state for m in desk.last.machines} == {
        "fake": State.INTERRUPTED, "lost": State.FAILED,
    }  # fmt: skip


def test_problem_in_writing_is_reported_once_and_stops_nothing(tmp_path: Path) -> None:
    def fail(record: RunRecord, _: Path) -> None:
        raise OSError("no space left")

    def fail_too() -> None:
        raise ValueError("no terminal")

    desk = Desk(tmp_path, write=fail, follow=fail_too)
    desk.recorder.begin()
    desk.turn(2.0)
    desk.recorder.finish(0)

    assert desk.recorder.problem == "the report is not complete: no space left"
    assert desk.recorder.record().notes == (desk.recorder.problem,)
    desk.close()


def test_machine_whose_record_cannot_be_read_is_left_out_and_reported(desk: Desk) -> None:
    write_machine(desk.artifacts.path)
    (desk.artifacts.path / "broken").mkdir()
    (desk.artifacts.path / "broken/machine.json").write_text("{")
    desk.recorder.begin()

    assert [machine.name for machine in desk.last.machines] == ["fake"]
    assert "broken/machine.json cannot be read" in desk.recorder.problem


@pytest.mark.parametrize(
    ("reports", "found", "expected"),
    [
        ([], 0, 0),
        ([rigs()], 1, RIG_ERRORS),
        ([rigs(), products("another")], 1, 1),
        ([products()], 1, 1),
        ([rigs()], 2, 2),
        ([], 1, 1),
    ],
    ids=["green", "rig", "both", "product", "interrupted", "red-that-is-no-tests"],
)
def test_exit_status(
    desk: Desk, reports: list[pytest.TestReport], found: int, expected: int
) -> None:
    desk.recorder.begin()
    desk.add(*reports)

    assert desk.recorder.status(found) == expected


def test_run_without_machines_keeps_the_exit_status_of_pytest(desk: Desk) -> None:
    desk.add(rigs())

    assert desk.recorder.status(1) == 1


def test_file_that_cannot_be_collected_is_not_the_rigs(desk: Desk) -> None:
    desk.recorder.begin()
    desk.add(rigs())
    broken = pytest.CollectReport("t.py", "failed", None, None)
    desk.recorder.add_collection(broken)

    assert desk.recorder.status(1) == 1


def test_crash_of_a_worker_is_the_rigs(desk: Desk) -> None:
    desk.recorder.begin()
    crash = make_report(outcome="failed", longrepr="worker 'gw0' crashed")
    desk.recorder.add_crash(crash)
    desk.add(crash)

    (test,) = desk.recorder.record().tests
    assert (test.outcome, test.blame) == (Outcome.ERROR, Blame.RIG)
    assert desk.recorder.status(1) == RIG_ERRORS


def test_run_is_added_to_the_history(tmp_path: Path) -> None:
    from harness.report.history import store

    desk = Desk(tmp_path, history=tmp_path / "history.sqlite")
    desk.recorder.begin()
    desk.recorder.finish(0)

    (run,) = store.read(tmp_path / "history.sqlite").runs
    assert run.name.id == "run-1"
    desk.close()


def test_history_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no history")
    desk = Desk(tmp_path, history=tmp_path / "notes.txt")
    desk.recorder.begin()
    desk.recorder.finish(0)

    assert desk.recorder.problem.startswith("the run is not in the history: ")
    assert (tmp_path / "notes.txt").read_text() == "no history"
    desk.close()


def killed_run(desk: Desk) -> Path:
    """Leave what a killed run leaves: a report of a while ago, and a machine that went on."""
    desk.recorder.begin()
    desk.add(*whole_test(make_report()))
    write_all(desk.recorder.record(), desk.artifacts.path)
    write_machine(desk.artifacts.path, boots=2)
    desk.close()
    return desk.artifacts.path


def test_killed_run_is_rebuilt_with_all_it_left(desk: Desk) -> None:
    folder = killed_run(desk)
    assert document.read(folder / "report.json").state is State.RUNNING

    rebuilt = rebuild(folder)

    assert rebuilt == document.read(folder / "report.json")
    assert rebuilt.state is State.INTERRUPTED
    assert [(m.state, m.boots) for m in rebuilt.machines] == [(State.INTERRUPTED, 2)]
    assert "Interrupted" in (folder / "node-image-summary.html").read_text()
    assert "interrupted" in (folder / "junit.xml").read_text()


def test_run_that_is_over_is_rebuilt_as_it_was(desk: Desk) -> None:
    folder = killed_run(desk)
    over = replace(document.read(folder / "report.json"), state=State.FINISHED, exit_code=0)
    document.write(over, folder / "report.json")
    (folder / "junit.xml").unlink()

    assert rebuild(folder) == over
    assert (folder / "junit.xml").is_file()


def test_run_killed_before_its_first_report_is_rebuilt_from_its_machines(desk: Desk) -> None:
    folder = killed_run(desk)
    (folder / "report.json").unlink()
    (folder / "tested.json").write_text('{"subject": {"node_image": "oci:x"}, "host": {}}')

    rebuilt = rebuild(folder)

    assert rebuilt == document.read(folder)
    assert (rebuilt.id, rebuilt.state) == ("run-1", State.INTERRUPTED)
    assert rebuilt.subject == {"node_image": "oci:x"}
    assert [machine.state for machine in rebuilt.machines] == [State.INTERRUPTED]
    assert rebuilt.started == rebuilt.machines[0].started


def test_run_without_a_report_that_goes_on_is_left_alone(desk: Desk) -> None:
    desk.recorder.begin()
    write_machine(desk.artifacts.path, boots=1)
    (desk.artifacts.path / "report.json").unlink(missing_ok=True)

    with pytest.raises(InputError, match="the run is still active"):
        rebuild(desk.artifacts.path)


def test_run_that_goes_on_is_left_alone(desk: Desk) -> None:
    desk.recorder.begin()
    write_all(desk.recorder.record(), desk.artifacts.path)

    with pytest.raises(InputError, match="the run is still active"):
        rebuild(desk.artifacts.path)


def test_page_shows_the_console_of_a_machine_that_failed(desk: Desk) -> None:
    desk.recorder.begin()
    write_machine(desk.artifacts.path, state=State.FAILED)
    console = "\n".join(f"line {number} of the boot" for number in range(99))
    (desk.artifacts.path / "fake/console.txt").write_text(console)

    write_all(desk.recorder.record(), desk.artifacts.path)

    page = (desk.artifacts.path / "node-image-summary.html").read_text()
    assert "line 98 of the boot" in page
    assert "line 1 of the boot" not in page
