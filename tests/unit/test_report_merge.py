"""Runs of shards become one run, or one error that names all that contradicts it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from composed_runs import digest, machine, record, subject
from hypothesis import given
from hypothesis import strategies as st

from harness.cli import main
from harness.model.errors import InputError
from harness.model.record import Outcome, RunRecord, ShardRecord, State, TestRecord
from harness.plugin.partition import partition
from harness.recording import merging
from harness.report import document
from harness.report.compare import compare
from harness.report.conclusion import verdict
from harness.report.history import store
from harness.report.merge import merge, part


def passed(*names: str) -> tuple[TestRecord, ...]:
    return tuple(TestRecord(id=name, outcome=Outcome.PASSED) for name in names)


def shard(number: int, count: int = 2, /, **changes: object) -> RunRecord:
    """Return the run of a shard with one test, of as many tests as shards."""
    given = {
        "shard": ShardRecord(number=number, count=count, tests=count, selection="abc"),
        "state": State.FINISHED, "exit_code": 0, "ended": f"2026-11-0{number}T04:00:00Z",
        "tests": passed(f"t::{number}"),
    }  # fmt: skip
    return record(number, **(given | changes))


def merged(*runs: RunRecord) -> RunRecord:
    return merge([part(run.id, run) for run in runs])


def test_whole_has_all_tests_of_its_shards() -> None:
    found = merged(shard(2), shard(1))

    assert [test.id for test in found.tests] == ["t::1", "t::2"]
    assert (found.state, found.exit_code, found.shard) == (State.FINISHED, 0, None)
    assert (found.started, found.ended) == ("2026-11-01T03:00:00Z", "2026-11-02T04:00:00Z")
    assert found.subject == subject()
    assert found.notes == ()
    assert verdict(found).headline == "Passed"


@given(st.sets(st.text(min_size=1, max_size=4), min_size=1, max_size=20), st.integers(1, 9))
def test_no_test_is_lost_between_partition_and_merge(names: set[str], count: int) -> None:
    shards = partition(dict.fromkeys(names, 1.0), count)
    divided = ShardRecord(number=1, count=count, tests=len(names), selection="abc")
    runs = [
        replace(
            shard(1),
            id=f"run-{number}",
            shard=replace(divided, number=number),
            tests=passed(*(name for name in names if shards[name] == number)),
        )
        for number in range(1, count + 1)
    ]

    found = merged(*runs)

    assert found.state is State.FINISHED
    assert sorted(test.id for test in found.tests) == sorted(names)


def test_machines_keep_their_names_and_evidence_is_by_shard() -> None:
    both = (machine("node"),)
    runs = shard(1, machines=(machine("sno"), *both)), shard(2, machines=both)

    found = merged(*runs)

    assert [(each.name, each.folder) for each in found.machines] == [
        ("sno", "shard-1/sno"), ("node-shard-1", "shard-1/node"), ("node-shard-2", "shard-2/node"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("codes", "exit_code"), [((0, 0), 0), ((0, 1), 1), ((8, 1), 1), ((8, 0), 8), ((3, 0), 3)]
)
def test_exit_code_is_that_of_one_run(codes: tuple[int, int], exit_code: int) -> None:
    found = merged(*(shard(n, exit_code=code) for n, code in enumerate(codes, 1)))

    assert found.exit_code == exit_code


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome.is_red])
def test_red_test_of_a_run_that_ended_with_0_makes_the_whole_red(outcome: Outcome) -> None:
    red = TestRecord(id="t::2", outcome=outcome)

    assert merged(shard(1), shard(2, tests=(red,))).exit_code == 1


def test_test_that_ran_twice_in_a_shard_counts_once() -> None:
    twice = shard(2, tests=passed("t::2", "t::2"), shard=ShardRecord(number=2, count=2, tests=3))

    found = merged(shard(1, shard=ShardRecord(number=1, count=2, tests=3)), twice)

    assert found.notes == ("1 of 3 tests have no result",)


@pytest.mark.parametrize(
    ("runs", "notes"),
    [
        (
            (shard(1, 3), shard(3, 3)),
            ["missing of 3 shards: 2", "1 of 3 tests have no result"],
        ),
        (
            (shard(1), shard(2, state=State.INTERRUPTED, tests=())),
            ["shard 2/2 was interrupted (run-02)", "1 of 2 tests have no result"],
        ),
        (
            (shard(1), shard(2, state=State.INTERRUPTED, shard=ShardRecord(number=2, count=2))),
            ["shard 2/2 was interrupted (run-02)"],
        ),
        ((shard(1), shard(2, tests=())), ["1 of 2 tests have no result"]),
    ],
    ids=["missing", "killed", "killed-early", "lost"],
)
def test_whole_that_lacks_something_is_interrupted(
    runs: tuple[RunRecord, ...], notes: list[str]
) -> None:
    found = merged(*runs)

    assert [*found.notes] == notes
    assert (found.state, found.exit_code) == (State.INTERRUPTED, 2)
    assert verdict(found).headline == "Interrupted"


def test_other_acceleration_is_a_note() -> None:
    found = merged(shard(1), shard(2, subject=subject(acceleration="tcg")))

    assert [*found.notes] == ["run-02: with another acceleration (tcg, the others kvm)"]
    assert found.subject["acceleration"] == "kvm | tcg"
    assert found.state is State.FINISHED


def test_notes_of_shards_are_kept() -> None:
    assert [*merged(shard(1), shard(2, notes=("not over: x",))).notes] == ["shard 2/2: not over: x"]


OTHER_CUT = ShardRecord(number=2, count=2, tests=2, selection="def")


@pytest.mark.parametrize(
    ("runs", "problems"),
    [
        ((shard(1), replace(shard(1), id="again")), ["shard 1 is there 2 times (run-01, again)"]),
        ((shard(1), shard(2, 3)), ["run-02: of another number of shards (3, the others 2)"]),
        (
            (shard(1), shard(2, shard=OTHER_CUT)),
            ["run-02: of other tests or another --history (def, the others abc)"],
        ),
        (
            (shard(1), shard(2, subject=subject(node="c"))),
            [f"run-02: of another node_image_digest ({digest('c')}, the others {digest('a')})"],
        ),
        (
            (shard(1), shard(2, subject=subject(bootimage="c"))),
            ["run-02: of another bootimage_sha256"],
        ),
        (
            (shard(1, host={"harness": "1"}), shard(2, host={"harness": "2"})),
            ["run-02: of another version of the harness (2, the others 1)"],
        ),
        ((shard(1), shard(2, tests=passed("t::1"))), ["in several shards: 1 tests (t::1)"]),
        (
            (shard(1), shard(1, 3, subject=subject(node="c"))),
            ["of another number of shards", "of another node_image_digest", "shard 1 is there 2"],
        ),
    ],
    ids=["doubled", "count", "cut", "node-image", "bootimage", "harness", "tests", "several"],
)
def test_shards_that_are_no_whole_are_one_error(
    runs: tuple[RunRecord, ...], problems: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        merged(*runs)

    assert all(problem in str(caught.value) for problem in problems)


def test_shards_without_images_fit_any() -> None:
    assert merged(shard(1), shard(2, subject={})).state is State.FINISHED


@pytest.mark.parametrize(
    "found", [None, (0, 2), (3, 2), (1, 10**12), (-1, -1)], ids=lambda value: str(value)
)
def test_run_that_is_no_shard_is_refused(found: tuple[int, int] | None) -> None:
    given = found and ShardRecord(number=found[0], count=found[1])

    with pytest.raises(InputError, match="pytest --shard K/N"):
        part("run-01", shard(1, shard=given))


def kept(folder: Path, run: RunRecord) -> Path:
    folder.mkdir()
    document.write(run, folder / "report.json")
    return folder


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["report", *(str(argument) for argument in arguments)])


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    up = machine("sno", artifacts=("console.txt", "gone.txt"))
    one, two = kept(tmp_path / "1", shard(1, machines=(up,))), kept(tmp_path / "2", shard(2))
    (one / "sno").mkdir()
    (one / "sno" / "console.txt").write_text("Linux version 6\n")
    (one / "progress.log").write_text("sno comes up\n")
    return one, two


def test_merge_writes_report_page_junit_and_evidence(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    result = invoke("merge", folders[0], folders[1] / "report.json", "-o", tmp_path / "all")

    assert (result.exit_code, result.output) == (0, f"{tmp_path}/all/node-image-summary.html\n")
    found = document.read(tmp_path / "all")
    assert len(found.tests) == 2
    assert "t" in (tmp_path / "all/junit.xml").read_text()
    assert (tmp_path / "all/shard-1/sno/console.txt").read_text() == "Linux version 6\n"
    assert "shard-1/sno/console.txt" in (tmp_path / "all/node-image-summary.html").read_text()
    assert (tmp_path / "all/progress.log").read_text() == "shard 1/2\nsno comes up\n"


def test_merged_run_is_compared_and_remembered_as_any_other(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    history = tmp_path / "nightly.db"
    for name in ("all", "again"):
        invoke("merge", *folders, "-o", tmp_path / name, "--history", history)
    found = document.read(tmp_path / "all")

    assert [run.name.id for run in store.read(history).runs] == [found.id]
    assert not compare(found, found).is_worse
    assert invoke("write", tmp_path / "all").exit_code == 0


def test_red_or_missing_shard_exits_1_and_is_named(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    red = kept(tmp_path / "red", shard(2, exit_code=1))

    assert invoke("merge", folders[0], red, "-o", tmp_path / "all").exit_code == 1
    result = invoke("merge", folders[0], "-o", tmp_path / "one")

    assert result.exit_code == 1
    assert result.output.startswith("missing of 2 shards: 2\n1 of 2 tests have no result\n")


def test_killed_shard_is_read_as_it_is(folders: tuple[Path, Path], tmp_path: Path) -> None:
    killed = kept(tmp_path / "killed", shard(2, state=State.RUNNING, exit_code=None, ended=""))
    before = (killed / "report.json").read_bytes()

    result = invoke("merge", folders[0], killed, "-o", tmp_path / "all")

    assert result.exit_code == 1
    assert "shard 2/2 was interrupted" in result.output
    assert (killed / "report.json").read_bytes() == before
    assert [path.name for path in killed.iterdir()] == ["report.json"]


def test_used_folder_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    result = invoke("merge", *folders, "-o", folders[1])

    assert result.exit_code == 2
    assert "not empty. Name a new folder." in result.output


@pytest.mark.parametrize(
    ("folder", "name"),
    [("..", "secret"), ("sno", "../../secret"), ("sno", "link"), ("linked", "secret"), ("/", "x"),
     ("sno", "fifo"), ("sno", "\0"), ("", "secret"), ("sno", "dir")],
)  # fmt: skip
def test_evidence_outside_of_a_shards_folder_is_not_copied(
    folder: str, name: str, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    (folders[0] / "sno" / "link").symlink_to(tmp_path / "secret")
    (folders[0] / "linked").symlink_to(tmp_path)
    os.mkfifo(folders[0] / "sno" / "fifo")
    (folders[0] / "sno" / "dir").mkdir()
    hostile = machine("sno", folder=folder, artifacts=(name,), state=State.FAILED)
    document.write(shard(1, machines=(hostile,)), folders[0] / "report.json")

    assert invoke("merge", *folders, "-o", tmp_path / "all").exit_code == 0

    left = [path for path in (tmp_path / "all").rglob("*") if path.is_file()]
    assert {path.name for path in left} == {
        "report.json", "junit.xml", "node-image-summary.html", "progress.log",
    }  # fmt: skip


def test_console_of_a_failed_machine_is_shown(folders: tuple[Path, Path], tmp_path: Path) -> None:
    up = machine("sno", artifacts=("console.txt",), state=State.FAILED)
    document.write(shard(1, machines=(up,)), folders[0] / "report.json")

    invoke("merge", *folders, "-o", tmp_path / "all")

    assert "Linux version 6" in (tmp_path / "all/node-image-summary.html").read_text()


def test_an_interrupted_merge_leaves_no_half_report(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), merging.new_folder(tmp_path / "made"):
        raise KeyboardInterrupt

    assert not (tmp_path / "made").exists()
