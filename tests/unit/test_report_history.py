"""The file that remembers runs: what goes in comes out, and nobody's data is harmed."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from composed_runs import SCENARIO, TEST, case, digest, layer, machine, phase, record, subject

from harness.model.errors import InputError
from harness.model.record import Blame, Outcome, RunRecord, TestRecord
from harness.report.history.durations import of_units, usual_s
from harness.report.history.past import History, PastPhase, PastTest, RunName
from harness.report.history.store import VERSION, append, read


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "nightly.db"


def ids(found: History) -> list[str]:
    return [run.name.id for run in found.runs]


def execute(file: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(file)) as database, database:
        return database.execute(statement).fetchall()


def test_a_run_is_remembered(file: Path) -> None:
    node, bootimage = layer("cri-o-1.32-1.x86_64", "jq-1.6-1.x86_64"), layer("bash-5.1-1.x86_64")
    phases = (phase("checkout", 40.0, 4.0), phase("kernel", 4.0), phase("kubelet", None, 44.0))
    append(
        file,
        record(
            1,
            tests=(case(Outcome.FAILED, TEST, Blame.PRODUCT, "no kubelet\nand more"),),
            machines=(machine(before=bootimage, after=node, phases=phases),),
        ),
    )

    (run,) = read(file).runs

    assert run.name == RunName(
        id="run-01", started="2026-11-01T03:00:00Z", node_image=digest("a"), bootimage="b" * 64
    )
    assert run.acceleration == "kvm"
    assert run.tests == {
        TEST: PastTest(
            id=TEST, scenario=SCENARIO, outcome=Outcome.FAILED, blame=Blame.PRODUCT,
            message="no kubelet",
        )
    }  # fmt: skip
    assert run.phases == tuple(
        PastPhase(scenario=SCENARIO, machine=SCENARIO, boot=1, name=n, title=n.title(), took_s=s)
        for n, s in (("kernel", 4.0), ("checkout", 40.0))
    )
    assert read(file).packages == {
        digest("a"): ("cri-o-1.32-1.x86_64", "jq-1.6-1.x86_64"),
        "b" * 64: ("bash-5.1-1.x86_64",),
    }


def test_appending_twice_changes_nothing(file: Path) -> None:
    run = record(1, tests=(case(Outcome.PASSED),), machines=(machine(phases=(phase("a", 1.0),)),))
    append(file, run)
    once = read(file)

    append(file, run)

    assert read(file) == once


def test_the_later_state_of_a_run_counts(file: Path) -> None:
    append(file, record(1, tests=(case(Outcome.FAILED), case(Outcome.PASSED, "left out"))))
    append(file, record(1, tests=(case(Outcome.FLAKY),)))

    (run,) = read(file).runs

    assert {name: test.outcome for name, test in run.tests.items()} == {TEST: Outcome.FLAKY}


def test_runs_come_in_the_order_of_their_start(file: Path) -> None:
    append(file, record(2))
    append(file, record(1, started="2026-11-02T05:30:00+05:00"))  # half past midnight in UTC

    assert ids(read(file)) == ["run-01", "run-02"]


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("", ["run-01", "run-02"]),
        ("2026-11-02", ["run-02"]),
        ("2026-11-02T03:00:00Z", ["run-02"]),
        ("2026-11-02T03:00:01Z", []),
    ],
)
def test_runs_since_a_date(file: Path, since: str, expected: list[str]) -> None:
    append(file, record(1))
    append(file, record(2))

    assert ids(read(file, since)) == expected


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host whose own time is nine hours ahead of UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("far_east")
def test_a_date_is_one_of_utc_on_every_host(file: Path) -> None:
    append(file, record(1))

    assert ids(read(file, "2026-11-01T03:00:00")) == ["run-01"]
    assert ids(read(file, "2026-11-01T03:00:01")) == []


@pytest.mark.parametrize(
    ("shown", "image"),
    [
        ({"bootimage_sha256": "b" * 64, "bootimage": "disk.qcow2"}, "b" * 64),
        ({"bootimage_sha256": "unknown", "bootimage": "disk.qcow2"}, "disk.qcow2"),
        ({}, ""),
    ],
)
def test_an_image_is_its_digest_or_else_its_name(
    file: Path, shown: dict[str, str], image: str
) -> None:
    append(file, record(1, subject=shown, machines=(machine(before=layer("bash-5.1-1.x86_64")),)))

    found = read(file)

    assert found.runs[0].name.bootimage == image
    # What has no digest may be another image tomorrow.
    assert list(found.packages) == (["b" * 64] if image == "b" * 64 else [])


def test_packages_are_stored_once_for_an_image(file: Path) -> None:
    after = machine(after=layer("cri-o-1.32-1.x86_64"))
    append(file, record(1, machines=(after, replace(after, name="second"))))
    append(file, record(2, machines=(after,)))
    append(file, record(3, machines=(machine(after=layer()),), subject=subject(node="c")))

    assert execute(file, "SELECT digest FROM packages") == [(digest("a"),)]


def test_text_that_is_not_unicode_is_marked(file: Path) -> None:
    append(file, record(1, tests=(case(Outcome.PASSED, "t[\udcff]"),)))

    assert list(read(file).runs[0].tests) == ["t[?]"]


def test_the_file_is_in_wal_mode_and_leaves_nothing_beside_it(file: Path) -> None:
    append(file, record(1))
    read(file)

    assert execute(file, "PRAGMA journal_mode") == [("wal",)]
    assert [path.name for path in file.parent.iterdir()] == [file.name]


class _Cut(tuple[TestRecord, ...]):
    """Tests whose reading is interrupted behind the first, as a run is that Ctrl-C ends."""

    def __iter__(self) -> Iterator[TestRecord]:
        yield self[0]
        raise KeyboardInterrupt


def test_an_append_that_is_cut_short_leaves_the_file_as_it_was(file: Path) -> None:
    append(file, record(1, tests=(case(Outcome.PASSED),)))
    before = read(file)
    cut = _Cut([case(Outcome.FAILED)])

    for interrupted in (record(1, tests=cut), record(2, tests=cut)):
        with pytest.raises(KeyboardInterrupt):
            append(file, interrupted)

    assert read(file) == before
    append(file, record(2))
    assert ids(read(file)) == ["run-01", "run-02"]


def test_threads_that_append_at_once_lose_nothing(file: Path) -> None:
    records = [record(number) for number in range(1, 5)]
    start, problems = threading.Barrier(len(records)), list[Exception]()

    def add(run: RunRecord) -> None:
        start.wait()
        try:
            append(file, run)
        except InputError as exc:
            problems.append(exc)

    threads = [threading.Thread(target=add, args=(run,)) for run in records]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    assert ids(read(file)) == [run.id for run in records]


def _text(file: Path) -> None:
    file.write_text("no database\n")


def _foreign(file: Path) -> None:
    execute(file, "CREATE TABLE theirs (a)")


def _newer(file: Path) -> None:
    append(file, record(1))
    execute(file, f"PRAGMA user_version = {VERSION + 1}")


def _endless(file: Path) -> None:
    append(file, record(1))
    execute(file, "DROP TABLE packages")
    execute(
        file,
        "CREATE VIEW packages AS WITH RECURSIVE n(digest, nevras) AS"
        " (SELECT 'a', 'b' UNION ALL SELECT digest, nevras FROM n) SELECT * FROM n",
    )


def _computed(file: Path) -> None:
    append(file, record(1))
    execute(file, "DROP TABLE packages")
    execute(file, "CREATE TABLE packages (digest TEXT, nevras TEXT AS (hex(zeroblob(1 << 29))))")


def _damaged_schema(file: Path) -> None:
    append(file, record(1))
    content = file.read_bytes()
    file.write_bytes(
        content.replace(b"CREATE TABLE", b"CREATE \xf8ABLE").replace(b"subject", b"s\xf8bject")
    )


def _damaged(file: Path) -> None:
    append(file, record(1))
    content = bytearray(file.read_bytes())
    content[100:] = b"\xff" * (len(content) - 100)
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (_text, "file is not a database"),
        (_foreign, "the database of another program"),
        (_newer, f"a history of version {VERSION + 1}; this program reads up to {VERSION}"),
        (_damaged, "malformed"),
        (_damaged_schema, "cannot be used as a history"),
        (_endless, "a history with other tables than this program makes"),
        (_computed, "a history with other tables than this program makes"),
        (Path.mkdir, "a folder, not a regular file"),
        (os.mkfifo, "not a regular file"),
    ],
)
def test_a_file_that_is_no_history_is_refused_and_kept(
    file: Path, make: Callable[[Path], None], problem: str
) -> None:
    make(file)
    before = file.read_bytes() if file.is_file() else b""

    for use in (lambda: append(file, record(2)), lambda: read(file)):
        with pytest.raises(InputError, match=problem) as caught:
            use()
        assert caught.value.subject == str(file)

    assert (file.read_bytes() if file.is_file() else b"") == before


def test_missing_file_and_missing_folder_are_reported(file: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read(file)
    with pytest.raises(InputError, match="unable to open"):
        append(file / "missing/nightly.db", record(1))

    assert not file.exists()


def test_an_empty_file_becomes_a_history(file: Path) -> None:
    file.touch()
    assert read(file).runs == ()

    append(file, record(1))

    assert ids(read(file)) == ["run-01"]


@pytest.mark.parametrize("beside", ["-journal", "-wal"])
def test_fifo_beside_a_history_is_not_waited_for(file: Path, beside: str) -> None:
    append(file, record(1))
    os.mkfifo(f"{file}{beside}")

    with pytest.raises(InputError, match="cannot be used as a history: not a regular file"):
        read(file)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE phases SET took_s = 'long'", "UPDATE phases SET took_s = 9e999",
        "UPDATE phases SET boot = 1.5", "UPDATE phases SET title = x'ff'",
        "UPDATE tests SET message = x'00'", "UPDATE tests SET blame = 'a'",
        "UPDATE runs SET acceleration = x'00'", "UPDATE packages SET nevras = x'00'",
    ],
)  # fmt: skip
def test_values_that_no_run_has_are_one_error(file: Path, change: str) -> None:
    done = machine(phases=(phase("kernel", 4.0),), after=layer("jq-1.6-1.x86_64"))
    append(file, record(1, tests=(case(Outcome.PASSED),), machines=(done,)))
    execute(file, change)

    with pytest.raises(InputError, match="other values than a run has"):
        read(file)


def test_outcome_of_tomorrow_is_reported(file: Path) -> None:
    append(file, record(1, tests=(case(Outcome.PASSED),)))
    execute(file, "UPDATE tests SET outcome = 'blue'")

    with pytest.raises(InputError, match="other values than a run has: Invalid enum value 'blue'"):
        read(file)


@pytest.mark.parametrize(
    ("use", "subject"),
    [
        (lambda file: read(file, "yesterday"), "--since"),
        (lambda file: append(file, record(1, started="yesterday")), "run run-01"),
    ],
)
def test_what_is_no_date_is_refused(
    file: Path, use: Callable[[Path], object], subject: str
) -> None:
    with pytest.raises(InputError, match="'yesterday' is not a date") as caught:
        use(file)

    assert caught.value.subject == subject


def test_usual_time_of_a_scenario_is_the_median_of_its_last_runs_here(file: Path) -> None:
    for number, end_s in enumerate((900.0, 100.0, 120.0, 130.0), 1):
        done = phase("snapshot", 10.0, end_s - 10.0)
        append(file, record(number, machines=(machine(phases=(done,)),)))
    kubelet = phase("kubelet", 5.0, 7000.0)
    append(file, record(5, machines=(machine(phases=(kubelet,)),)))
    elsewhere = phase("snapshot", 10.0, 3000.0)
    append(
        file,
        record(6, subject=subject(acceleration="tcg"), machines=(machine(phases=(elsewhere,)),)),
    )

    assert usual_s(file, SCENARIO, "kvm") == 125.0
    assert usual_s(file, SCENARIO, "tcg") == 3010.0
    assert usual_s(file, "sno", "kvm") is None
    assert usual_s(file.with_name("none.db"), SCENARIO, "kvm") is None


def test_usual_time_of_a_unit_is_the_median_of_the_sums_of_its_last_runs(file: Path) -> None:
    def tests(*seconds: float) -> tuple[TestRecord, ...]:
        return tuple(
            TestRecord(id=f"t.py::{n}", outcome=Outcome.PASSED, scenario=SCENARIO, duration_s=each)
            for n, each in enumerate(seconds)
        )

    alone = TestRecord(id="u.py::a", outcome=Outcome.PASSED, duration_s=7.0)
    append(file, record(1, tests=(*tests(900.0, 900.0), alone)))
    for number in range(2, 11):
        append(file, record(number, tests=tests(100.0, number)))

    found = of_units(file, lambda scenario, test: scenario or test.partition("::")[0])

    assert found == {SCENARIO: 106.0, "u.py": 7.0}
    assert of_units(file.with_name("none.db"), lambda _, test: test) == {}
