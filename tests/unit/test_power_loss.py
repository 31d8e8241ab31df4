"""After a loss of power at any moment a reader finds the old, the new, or nothing; never a part."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from composed_runs import case, machine, record
from kept_fakes import keep, origin, qemu_img
from machine_fakes import soon
from power_loss import crashes

from harness import atomic
from harness.images.acquire.cache import Cache
from harness.machine.forking.store import Store
from harness.model.record import Outcome, RunRecord, State
from harness.model.secrets.redaction import Redactor
from harness.recording.run_files import read_run, write_all
from harness.report.history import store
from harness.watching.evidence import Evidence


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.mark.parametrize("old", [b"", b"the old text"])
def test_text_is_the_old_or_the_new(root: Path, old: bytes, tmp_path: Path) -> None:
    found: set[bytes] = set()
    (root / "file").write_bytes(old)

    def check(folder: Path) -> None:
        found.add((folder / "file").read_bytes())

    after = crashes(lambda: atomic.write(root / "file", b"the new text"), root, check, tmp_path)

    assert found == {old, b"the new text"}
    assert all(state == {"file": b"the new text"} for state in after)


@pytest.mark.parametrize("mutation", ["fsync", "rename"])
def test_the_model_finds_a_writer_that_does_not_wait(
    root: Path, tmp_path: Path, mutation: str
) -> None:
    (root / "file").write_bytes(b"old")

    def careless() -> None:
        if mutation == "fsync":
            atomic.write(root / "file", b"the new text", is_durable=False)
        else:
            (root / "file").write_bytes(b"the new text")
            with atomic.replacing(root / "other") as fresh:
                fresh.touch()

    found: set[bytes] = set()
    crashes(careless, root, lambda folder: found.add((folder / "file").read_bytes()), tmp_path)

    assert found - {b"old", b"the new text"}


def test_image_cache_never_has_a_part(root: Path, tmp_path: Path) -> None:
    whole = b"an image of some length"

    def make(target: Path) -> None:
        target.with_name("download").write_bytes(whole)
        with target.open("wb") as file:
            file.write(whole)
        target.with_name("download").unlink()

    def use(folder: Path) -> bytes:
        with Cache(folder) as cache:
            return cache.get_or_make("key", make, soon()).read_bytes()

    found: list[bytes] = []
    crashes(partial(use, root), root, lambda folder: found.append(use(folder)), tmp_path)

    assert {*found} == {whole}
    assert len(found) > 10


def test_kept_checkpoint_is_whole_or_dropped(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    qemu_img(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    root.chmod(0o700)
    taken: list[bool] = []

    def check(folder: Path) -> None:
        with Store(folder) as found:
            for kept in found.entries():
                taken.append(found.take(kept))
                if taken[-1]:
                    (known,) = kept.machines.values()
                    assert (kept.folder / known.ram).read_bytes() == b"the memory"
                    assert (kept.folder / known.state).read_bytes() == b"state"
        with Store(folder) as again:
            again.expire()
            assert keep(again, tmp_path / "run-2", origin(), b"the memory")

    with Store(root) as given:
        crashes(
            lambda: keep(given, tmp_path / "run-1", origin(), b"the memory"), root, check, tmp_path
        )

    assert True in taken
    assert False in taken


RUNNING = record(1, tests=(case(Outcome.PASSED),), machines=(machine("sno", boots=1),))
OVER = replace(RUNNING, state=State.FINISHED, exit_code=0, ended="2026-11-01T04:00:00Z")


@pytest.mark.parametrize("run", [replace(RUNNING, notes=("newer",)), OVER], ids=["turn", "end"])
def test_report_can_always_be_read(root: Path, run: RunRecord, tmp_path: Path) -> None:
    (root / "sno").mkdir()
    Evidence(folder=root / "sno", redactor=Redactor()).keep_record(machine("sno", boots=1))
    write_all(RUNNING, root)
    found: list[RunRecord] = []

    crashes(
        lambda: write_all(run, root), root, lambda folder: found.append(read_run(folder)), tmp_path
    )

    assert len(found) > 5
    for each in found:
        assert [one.boots for one in each.machines] == [1]
        assert each == run or each.state is State.INTERRUPTED
        assert each.tests == RUNNING.tests or "left no whole report.json" in each.notes[0]


def test_history_has_the_runs_before_or_the_new_one_too(tmp_path: Path) -> None:
    """SQLite syncs the log before it says that a run is added; until then any part may be there."""
    path = tmp_path / "nightly.db"
    store.append(path, record(1))
    with closing(sqlite3.connect(path)) as reader:
        assert reader.execute("SELECT count(*) FROM runs").fetchone() == (1,)  # keeps the log
        store.append(path, record(2, tests=(case(Outcome.PASSED),)))
        log = path.with_name(f"{path.name}-wal").read_bytes()
        database = path.read_bytes()

    found = set()
    for cut in (*range(0, len(log), 256), len(log)):
        for rest in (b"", bytes(len(log) - cut)):
            folder = tmp_path / "found"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / path.name).write_bytes(database)
            (folder / f"{path.name}-wal").write_bytes(log[:cut] + rest)
            found.add(tuple(run.name.id for run in store.read(folder / path.name).runs))

    assert found == {("run-01",), ("run-01", "run-02")}


def test_history_waits_for_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "nightly.db"
    store.append(path, record(1))

    with store.reading(path) as database:
        assert database is not None
        (synchronous,) = database.execute("PRAGMA synchronous").fetchone()

    assert synchronous == 2  # FULL: the log is synced with each transaction
