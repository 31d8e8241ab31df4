"""Runs of shards become one run, or one error that names all that contradicts it."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from composed_runs import digest, machine, record, subject
from hypothesis import given
from hypothesis import strategies as st

from harness.cli import main
from harness.folder_lock import locked
from harness.model.errors import InputError
from harness.model.record import Outcome, RunRecord, ShardRecord, State, TestRecord
from harness.model.secrets.redaction import Redactor
from harness.plugin.partition import partition
from harness.recording import merging
from harness.recording.run_files import read_run, recovered
from harness.report import document
from harness.report.compare import compare
from harness.report.conclusion import verdict
from harness.report.history import store
from harness.report.merge import merge, part
from harness.watching.evidence import Evidence


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
    "found", [None, (0, 2), (3, 2), (1, 10**12), (-1, -1), (1, 2, -1), (1, 2, 10**30)], ids=str
)
def test_run_that_is_no_shard_is_refused(found: tuple[int, ...] | None) -> None:
    given = found and ShardRecord(number=found[0], count=found[1], tests=sum(found[2:]))

    with pytest.raises(InputError, match="pytest --shard K/N"):
        part("run-01", shard(1, shard=given))


@pytest.mark.parametrize(
    "times",
    [
        {"started": "yesterday"}, {"started": ""}, {"started": "2026-11-01"},
        {"started": "2026-13-01T00:00:00Z"}, {"ended": "\x1b[2J"},
        {"ended": "\u0662026-11-01T00:00:00Z"},
    ],
    ids=str,
)  # fmt: skip
def test_run_at_an_impossible_time_is_refused(times: dict[str, str]) -> None:
    with pytest.raises(InputError, match="its record has an impossible time"):
        part("run-01", shard(1, **times))


def test_whole_begins_with_the_first_shard_in_any_time_zone() -> None:
    found = merged(shard(1), shard(2, started="2026-11-01T01:00:00-05:00"))

    assert found.started == "2026-11-01T03:00:00Z"


FORGED = "a\nturned red: nothing\x1b[2J\u202e"


def test_foreign_text_cannot_pose_as_a_line_of_output() -> None:
    found = merged(shard(1), shard(2, notes=(FORGED,), subject=subject(acceleration=FORGED)))
    with pytest.raises(InputError) as caught:
        merged(shard(1), shard(2, tests=passed(FORGED)), shard(2, tests=passed(FORGED)))

    for text in (*found.notes, str(caught.value)):
        assert text.isprintable()


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

    done = invoke("merge", *folders, "-o", tmp_path / "all")

    assert done.exit_code == 0
    assert [line.isprintable() for line in done.output.splitlines()] == [True, True]
    assert done.output.startswith("shard 1/2: left out of the evidence: ")
    left = [path for path in (tmp_path / "all").rglob("*") if path.is_file()]
    assert {path.name for path in left} == {
        "report.json", "junit.xml", "node-image-summary.html", "progress.log",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["a\nb.txt", "\x1b[2J.txt", "\u202etxt.exe.txt", "x-summary.html", "run.sh", ".bashrc.txt",
     "-rf.txt", "l" * 200 + ".txt"],
)  # fmt: skip
@pytest.mark.parametrize("is_folder", [True, False])
def test_file_that_no_run_names_so_is_left_out(
    name: str, is_folder: bool, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, file = (name, "console.txt") if is_folder else ("sno", name)
    (folders[0] / folder).mkdir(exist_ok=True)
    (folders[0] / folder / file).write_text("x")
    hostile = machine("sno", folder=folder, artifacts=("events.txt", file))
    document.write(shard(1, machines=(hostile,)), folders[0] / "report.json")

    done = invoke("merge", *folders, "-o", tmp_path / "all")

    if not (is_folder and name in ("x-summary.html", "run.sh")):  # a folder shows no page
        assert "left out of the evidence" in done.output
        assert not [*(tmp_path / "all").glob("*/*/*")]
    assert all(line.isprintable() for line in done.output.splitlines())


def test_evidence_that_is_too_large_is_left_out(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "_ALL_BYTES", 5 << 20)
    names = tuple(f"{number}.txt" for number in range(3))
    for name in names:
        with (folders[0] / "sno" / name).open("wb") as file:
            file.truncate(2 << 20)
    big = machine("sno", artifacts=names)
    document.write(shard(1, machines=(big,)), folders[0] / "report.json")

    done = invoke("merge", *folders, "-o", tmp_path / "all")

    assert "left out of the evidence: sno/2.txt (2 MiB are too much)" in done.output
    assert len([*(tmp_path / "all").glob("*/*/*")]) == 2


def test_progress_of_somebody_else_has_nothing_that_a_terminal_obeys(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    (folders[0] / "progress.log").write_bytes(b"a\x1b]0;title\x07b\r\x9b2J\xff\n\xe2\x80\xae end")

    invoke("merge", *folders, "-o", tmp_path / "all")

    lines = (tmp_path / "all/progress.log").read_text().splitlines()
    assert (lines[0], lines[1][:2]) == ("shard 1/2", "ab")
    assert all(line.isprintable() for line in lines)


def test_console_of_a_failed_machine_is_shown(folders: tuple[Path, Path], tmp_path: Path) -> None:
    up = machine("sno", artifacts=("console.txt",), state=State.FAILED)
    document.write(shard(1, machines=(up,)), folders[0] / "report.json")

    invoke("merge", *folders, "-o", tmp_path / "all")

    assert "Linux version 6" in (tmp_path / "all/node-image-summary.html").read_text()


def test_an_interrupted_merge_leaves_no_half_report(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), merging.new_folder(tmp_path / "made"):
        raise KeyboardInterrupt

    assert not (tmp_path / "made").exists()


def test_compare_and_merge_read_a_killed_run_alike(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    killed = shard(2, state=State.RUNNING, machines=(machine("sno", boots=1),))
    folder = kept(tmp_path / "killed", killed)
    newer = machine("sno", boots=7, started="2026-11-02T03:00:00Z")
    (folder / "sno").mkdir()
    Evidence(folder=folder / "sno", redactor=Redactor()).keep_record(newer)

    found = read_run(folder)
    invoke("merge", folders[0], folder, "-o", tmp_path / "all")
    shown = CliRunner().invoke(main, ["compare", str(folders[0]), str(folder), "--json"])

    assert found.state is State.INTERRUPTED
    assert [each.boots for each in found.machines] == [7]
    assert [each.boots for each in document.read(tmp_path / "all").machines] == [0, 7]
    assert json.loads(shown.output)["new"]["state"] == "interrupted"


def test_killed_run_without_a_record_is_compared(tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    (folder / "sno").mkdir(parents=True)
    Evidence(folder=folder / "sno", redactor=Redactor()).keep_record(machine("sno"))

    shown = CliRunner().invoke(main, ["compare", str(folder), str(folder)])

    assert (shown.exit_code, "killed" in shown.output) == (0, True)


def test_active_run_is_compared_as_it_is_but_not_merged(tmp_path: Path) -> None:
    folder = kept(tmp_path / "active", shard(1, 1, state=State.RUNNING))
    with locked(folder, fcntl.LOCK_SH):
        assert read_run(folder).state is State.RUNNING
        with pytest.raises(InputError, match="the run is still active"):
            recovered(folder)
