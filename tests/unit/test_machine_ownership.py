from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from machine_fakes import FakeClock, make_run

from harness.machine.ownership import reaper
from harness.machine.ownership.locks import lock
from harness.machine.ownership.remains import DomainRecord, demolish
from harness.machine.ownership.run import begin_run
from harness.machine.ownership.sweep import live_runs, sweep
from harness.model.clock import Deadline
from harness.model.errors import InputError

RECORD = DomainRecord(uri="qemu:///embed?root=/r", uuid="u-1", name="one")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def scratch_root(tmp_path: Path) -> Path:
    folder = tmp_path / "var-tmp"
    folder.mkdir()
    return folder


def orphan_scratch(scratch_root: Path, run_folder: Path) -> Path:
    scratch = scratch_root / f"node-image-{os.getuid()}-{run_folder.name}"
    scratch.mkdir()
    (scratch / "run").symlink_to(run_folder)
    (scratch / "overlay.qcow2").touch()
    return scratch


def test_a_run_leaves_nothing_behind(runs: Path, scratch_root: Path) -> None:
    with begin_run(runs, scratch_root) as run:
        (run.scratch / "overlay.qcow2").touch()
        run.record_domain(RECORD)
        assert live_runs(runs) == (run.folder,)
        assert run.scratch.parent == scratch_root

    assert not run.folder.exists()
    assert not run.scratch.exists()


def test_looking_for_runs_leaves_nothing_in_a_folder_that_is_being_removed(runs: Path) -> None:
    (runs / "run-000000").mkdir()

    assert live_runs(runs) == ()
    (runs / "run-000000").rmdir()


def test_record_of_a_domain_is_whole_or_missing(
    runs: Path, scratch_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with begin_run(runs, scratch_root) as run:
        run.record_domain(RECORD)
        (record,) = (run.folder / "domains").iterdir()
        before = record.read_text()

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            run.record_domain(replace(RECORD, name="another"))

        assert [path.read_text() for path in (run.folder / "domains").iterdir()] == [before]


def test_a_run_ends_with_its_error(runs: Path, scratch_root: Path) -> None:
    with pytest.raises(KeyboardInterrupt), begin_run(runs, scratch_root) as run:
        raise KeyboardInterrupt

    assert not run.folder.exists()


def test_disks_fall_back_to_the_run_folder(runs: Path, tmp_path: Path) -> None:
    with begin_run(runs, tmp_path / "missing") as run:
        assert run.scratch.parent == run.folder
        assert run.scratch.is_dir()


def test_a_folder_open_to_others_is_refused(runs: Path) -> None:
    runs.chmod(0o755)

    with pytest.raises(InputError, match="0700"):
        sweep(runs)


def test_a_link_in_place_of_the_folder_is_refused(runs: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(runs)

    with pytest.raises(InputError, match="0700"):
        sweep(link)


def test_sweep_removes_dead_runs_and_nothing_else(runs: Path, scratch_root: Path) -> None:
    dead = make_run(runs, "run-000001")
    alive = make_run(runs, "run-000002")
    (runs / "ports").mkdir()
    (runs / "someone-elses").mkdir()

    with lock(alive.folder / "lock", Deadline.after(1)):
        swept = sweep(runs, scratch_root)

    assert [line.partition(" ")[0] for line in swept] == [str(dead.folder)]
    assert not dead.folder.exists()
    assert alive.folder.exists()
    assert (runs / "ports").exists()
    assert (runs / "someone-elses").exists()


def test_sweep_removes_disks_without_a_run_folder(runs: Path, scratch_root: Path) -> None:
    alive = make_run(runs, "run-000002")
    kept = orphan_scratch(scratch_root, alive.folder)
    orphan = orphan_scratch(scratch_root, runs / "run-000001")

    with lock(alive.folder / "lock", Deadline.after(1)):
        sweep(runs, scratch_root)

    assert not orphan.exists()
    assert kept.exists()


def test_sweep_leaves_disks_that_another_run_uses(runs: Path, scratch_root: Path) -> None:
    scratch = orphan_scratch(scratch_root, runs / "run-000001")

    with lock(scratch / "lock", Deadline.after(1)):
        assert sweep(runs, scratch_root) == ()

    assert scratch.exists()


def test_an_unreadable_record_does_not_stop_the_taking_down(
    runs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_run(runs)
    (run.folder / "domains/cut.json").write_text('{"uri": "qemu:///sess')

    with caplog.at_level(logging.WARNING):
        demolish(run.folder)

    assert "cut.json" in caplog.text
    assert not run.folder.exists()


def test_what_starts_while_a_run_is_taken_down_is_ended(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(runs)
    remove, started = shutil.rmtree, list[subprocess.Popen[bytes]]()

    def remove_after_a_start(folder: Path, *, ignore_errors: bool) -> None:
        if not started:
            argv = ("tail", "-f", "/dev/null", folder / "pid")
            started.append(subprocess.Popen(argv, stderr=subprocess.DEVNULL))
        remove(folder, ignore_errors=ignore_errors)

    monkeypatch.setattr(shutil, "rmtree", remove_after_a_start)
    try:
        ended = demolish(run.folder)
    finally:
        started[0].kill()

    assert ended == (started[0].pid,)
    assert started[0].wait() == -signal.SIGKILL


@pytest.mark.parametrize("text", ["", "{", '"text"', '{"uri": "x"}', '{"other": 1}', "[]"])
def test_a_damaged_record_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        DomainRecord.from_text(text)


def test_a_record_reads_back() -> None:
    assert DomainRecord.from_text(RECORD.to_text()) == RECORD


def test_a_forgotten_domain_has_no_record(runs: Path) -> None:
    run = make_run(runs)
    run.record_domain(RECORD)

    run.forget_domain(RECORD)
    run.forget_domain(RECORD)

    assert list((run.folder / "domains").iterdir()) == []


def pipe_with(text: bytes) -> int:
    reading, writing = os.pipe()
    os.write(writing, text)
    os.close(writing)
    return reading


def test_reaper_leaves_a_run_that_dismissed_it(runs: Path) -> None:
    run = make_run(runs)
    pipe = pipe_with(b".")

    assert reaper.watch(run.folder, pipe) is False

    os.close(pipe)
    assert run.folder.exists()


def test_reaper_takes_down_a_run_that_died(runs: Path) -> None:
    run = make_run(runs)
    pipe = pipe_with(b"")

    assert reaper.watch(run.folder, pipe) is True

    os.close(pipe)
    assert not run.folder.exists()


def test_reaper_leaves_a_run_that_another_takes_down(runs: Path) -> None:
    run = make_run(runs)
    pipe = pipe_with(b"")

    with lock(run.folder / "lock", Deadline.after(1)):
        assert reaper.watch(run.folder, pipe, FakeClock()) is False

    os.close(pipe)
    assert run.folder.exists()


def test_reaper_finds_a_run_that_is_gone_already(runs: Path) -> None:
    pipe = pipe_with(b"")

    assert reaper.watch(runs / "run-000009", pipe) is False

    os.close(pipe)


def test_a_folder_named_harness_in_the_users_folder_is_not_run(
    runs: Path, scratch_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness/__init__.py").write_text("raise SystemExit('the wrong harness')")
    monkeypatch.chdir(tmp_path)

    with begin_run(runs, scratch_root) as run:
        assert run.folder.exists()
