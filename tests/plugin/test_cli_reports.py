"""`node-image compare` and `node-image history`: what they print, and what they exit with."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from harness.cli import main
from harness.model.record import Outcome, RunRecord, TestRecord
from harness.report import document
from harness.report.history import store

# As two runs on one host are: processes that share nothing but the file.
_SPAWN = multiprocessing.get_context("spawn")
_JOIN_S = 60.0


def run(number: int, outcome: Outcome = Outcome.PASSED) -> RunRecord:
    return RunRecord(
        id=f"run-{number}",
        started=f"2026-11-{number:02}T03:00:00Z",
        subject={"node_image_digest": f"sha256:{number:064}", "acceleration": "kvm"},
        host={},
        tests=(TestRecord(id="t::kubelet", outcome=outcome, scenario="ipi_bootstrap"),),
    )


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def reports(tmp_path: Path) -> tuple[Path, Path]:
    """A green run's report and a red one's."""
    green, red = tmp_path / "green.json", tmp_path / "red.json"
    document.write(run(1), green)
    document.write(run(2, Outcome.FAILED), red)
    return green, red


@pytest.fixture
def nightly(tmp_path: Path) -> Path:
    file = tmp_path / "nightly.db"
    store.append(file, run(1))
    store.append(file, run(2, Outcome.FAILED))
    return file


def test_compare_exits_1_when_something_turned_red(reports: tuple[Path, Path]) -> None:
    green, red = reports

    result = invoke("compare", green, red)

    assert result.exit_code == 1
    assert "turned red: 1\n  t::kubelet: passed -> failed\n" in result.output


def test_compare_exits_0_when_nothing_did(reports: tuple[Path, Path]) -> None:
    green, red = reports

    result = invoke("compare", red, green)

    assert result.exit_code == 0
    assert "turned red: nothing\n\nturned green: 1\n" in result.output


def test_compare_prints_json(reports: tuple[Path, Path]) -> None:
    result = invoke("compare", *reports, "--json")

    found = json.loads(result.output)
    assert result.exit_code == 1
    assert found["schema"] == 1
    assert found["new"]["id"] == "run-2"
    assert found["tests"]["turned_red"] == [
        {"id": "t::kubelet", "old": "passed", "new": "failed", "blame": None, "message": ""}
    ]


def test_compare_takes_folders_of_runs(reports: tuple[Path, Path], tmp_path: Path) -> None:
    green, red = reports
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, file in zip(folders, (green, red), strict=True):
        folder.mkdir()
        file.rename(folder / "report.json")

    assert invoke("compare", *folders).exit_code == 1
    assert invoke("compare", folders[0], folders[0] / "report.json").exit_code == 0


def test_compare_refuses_a_machine_and_names_the_run(
    reports: tuple[Path, Path], tmp_path: Path
) -> None:
    result = invoke("compare", reports[0], tmp_path / "run/ipi/machine.json")

    assert result.exit_code == 2
    assert "the record of one machine" in result.output
    assert result.output.endswith(f"Name {tmp_path}/run/report.json.\n")


def test_report_is_written_for_a_folder_or_its_record(tmp_path: Path) -> None:
    document.write(run(1), tmp_path / "report.json")

    for named in (tmp_path, tmp_path / "report.json"):
        result = invoke("report", named)

        assert (result.exit_code, result.output) == (0, f"{tmp_path}/node-image-summary.html\n")


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        (".", "no whole report.json, and no record of a machine to make one from"),
        ("nope", "no such folder"),
        ("notes.txt", "not a folder and not a report.json"),
    ],
)
def test_report_of_what_is_no_run_says_what_to_name(
    named: str, problem: str, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").touch()

    result = invoke("report", tmp_path / named)

    assert result.exit_code == 2
    assert problem in result.output
    assert "Name the folder of a run, such as <artifacts>/last" in result.output


def test_history_without_runs_says_how_to_add_some(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()

    result = invoke("history", tmp_path / "empty.db")

    assert result.exit_code == 2
    assert f"no runs in this history. Add a run with `pytest --history {tmp_path}/" in result.output


def test_history_shows_since_when_a_test_is_red(nightly: Path) -> None:
    result = invoke("history", nightly)

    assert result.exit_code == 0
    assert "red since run-2 of 2026-11-02T03:00:00Z" in result.output
    assert "last green: run-1 of 2026-11-01T03:00:00Z" in result.output


def test_history_prints_json(nightly: Path) -> None:
    result = invoke("history", nightly, "--json", "--since", "2026-11-02")

    found = json.loads(result.output)
    assert (found["schema"], found["runs"]) == (1, 1)
    assert [test["last_green"] for test in found["red"]] == [None]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        pytest.param(["--scenario", "sno"], "no run fits", id="no such scenario"),
        pytest.param(["--since", "2027-01-01"], "no run fits", id="nothing so late"),
        pytest.param(["--since", "lately"], "'lately' is not a date", id="no date"),
    ],
)
def test_history_without_such_runs_exits_2(nightly: Path, arguments: list[str], shown: str) -> None:
    result = invoke("history", nightly, *arguments)

    assert result.exit_code == 2
    assert shown in result.output


def test_files_that_cannot_be_used_exit_2(tmp_path: Path, reports: tuple[Path, Path]) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("no database")

    for result in (invoke("history", file), invoke("compare", reports[0], file)):
        assert result.exit_code == 2
        assert result.output.startswith(f"Error: {file}: ")


class _Killer(tuple[TestRecord, ...]):
    """Tests whose reading kills the process behind the first, in the middle of an append."""

    def __iter__(self) -> Iterator[TestRecord]:
        yield self[0]
        os.kill(os.getpid(), signal.SIGKILL)


def _append_and_die(file: Path) -> None:
    tests = _Killer([TestRecord(id="t::kubelet", outcome=Outcome.FAILED)])
    dying = RunRecord(id="dying", started="2026-11-03", subject={}, host={}, tests=tests)
    store.append(file, dying)


def test_process_killed_while_it_appends_leaves_the_history_as_it_was(nightly: Path) -> None:
    before = store.read(nightly)
    process = _SPAWN.Process(target=_append_and_die, args=(nightly,))

    process.start()
    process.join(_JOIN_S)

    assert process.exitcode == -signal.SIGKILL
    assert store.read(nightly) == before
    store.append(nightly, run(3))
    assert [found.name.id for found in store.read(nightly).runs] == ["run-1", "run-2", "run-3"]


def _append_some(file: Path, numbers: tuple[int, ...]) -> None:
    for number in numbers:
        store.append(file, run(number))


def test_processes_that_append_at_once_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "nightly.db"
    shares = (tuple(range(1, 10)), tuple(range(10, 19)))
    processes = [_SPAWN.Process(target=_append_some, args=(file, share)) for share in shares]

    for process in processes:
        process.start()
    for process in processes:
        process.join(_JOIN_S)

    assert [process.exitcode for process in processes] == [0, 0]
    assert len(store.read(file).runs) == 18
