"""One folder for each session, made by who needs it first, kept while somebody uses it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from recording_fakes import make_artifacts

from harness.model.errors import InputError
from harness.recording.artifacts import (
    KEPT_RUNS,
    Artifacts,
    Place,
    Tested,
    choose,
    is_in_use,
    read_tested,
)


def cached(base: Path, name: str) -> Artifacts:
    return Artifacts(Place(path=base / name, is_cache=True, begun_s=0.0))


def test_folder_is_found_by_last_and_made_on_first_use(tmp_path: Path) -> None:
    make_artifacts(tmp_path, "run-1").folder  # noqa: B018 - asking for it makes it
    newest = make_artifacts(tmp_path, "run-2")
    assert not newest.is_made

    assert newest.folder == tmp_path / "run-2"

    assert newest.is_made
    assert (tmp_path / "last").resolve() == newest.folder


@pytest.mark.parametrize(("is_cache", "mode"), [(True, 0o700), (False, 0o755)])
def test_folder_is_private_unless_the_user_named_one(
    tmp_path: Path, *, is_cache: bool, mode: int
) -> None:
    umask = os.umask(0o022)
    try:
        folder = Artifacts(Place(path=tmp_path / "run-1", is_cache=is_cache, begun_s=0.0)).folder
    finally:
        os.umask(umask)

    assert folder.stat().st_mode & 0o777 == mode


def test_who_finds_it_made_uses_it_too(tmp_path: Path) -> None:
    made: list[str] = []
    place = Place(path=tmp_path / "run-1", is_cache=False, begun_s=0.0)

    for name in ("first", "second"):
        worker = Artifacts(place, when_made=lambda name=name: made.append(name))  # type: ignore[misc]
        assert worker.folder == worker.folder

    assert made == ["first", "second"]


def test_cache_keeps_the_newest_runs(tmp_path: Path) -> None:
    for number in range(KEPT_RUNS + 2):
        run = cached(tmp_path, f"run-{number:02}")
        os.utime(run.folder, (number, number))
        run.close()

    newest = cached(tmp_path, "run-99").folder

    left = sorted(path.name for path in tmp_path.glob("run-*"))
    assert len(left) == KEPT_RUNS
    assert left[-1] == newest.name
    assert "run-00" not in left


def test_run_that_goes_on_is_not_forgotten(tmp_path: Path) -> None:
    long = cached(tmp_path, "run-00")
    os.utime(long.folder, (0, 0))
    for number in range(1, KEPT_RUNS + 2):
        run = cached(tmp_path, f"run-{number:02}")
        os.utime(run.folder, (number, number))
        run.close()

    assert long.is_made
    assert not (tmp_path / "run-01").exists()


def test_folder_is_in_use_until_it_is_closed(tmp_path: Path) -> None:
    run = make_artifacts(tmp_path)

    assert is_in_use(run.folder)
    run.close()
    run.close()
    assert not is_in_use(run.path)


def test_folder_that_the_user_named_keeps_everything(tmp_path: Path) -> None:
    for number in range(KEPT_RUNS + 2):
        run = make_artifacts(tmp_path, f"run-{number}")
        _ = run.folder
        run.close()

    assert len(list(tmp_path.glob("run-*"))) == KEPT_RUNS + 2


def test_folder_that_cannot_hold_evidence_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(InputError, match="file: cannot be written: Not a directory"):
        make_artifacts(tmp_path / "file").folder  # noqa: B018


def test_choice_is_new_each_time_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    named, default = choose(tmp_path / "mine"), choose(None)

    assert named.path.parent == tmp_path / "mine"
    assert not named.is_cache
    assert default.path.parent == tmp_path / "cache/pytest-node-image/runs"
    assert default.is_cache
    assert named.path.name != default.path.name
    assert list(tmp_path.iterdir()) == []


def test_worker_gets_the_place_of_the_controller(tmp_path: Path) -> None:
    place = choose(tmp_path)

    assert Place.from_controller(json.loads(json.dumps(place.to_worker()))) == place


def test_what_is_under_test_is_kept_once_and_without_secrets(tmp_path: Path) -> None:
    run = make_artifacts(tmp_path)
    run.redactor.add("p4ssw0rd-of-the-mirror")
    origin = "https://mirror.example/p4ssw0rd-of-the-mirror/disk.qcow2"

    run.keep_tested(Tested(subject={"bootimage": origin}, host={"cpus": "2"}))
    run.keep_tested(Tested(subject={"bootimage": "another"}))

    shown = read_tested(run.path)
    assert shown.subject == {"bootimage": "https://mirror.example/[removed]/disk.qcow2"}
    assert shown.host == {"cpus": "2"}


@pytest.mark.parametrize("order", [("worker", "controller"), ("controller", "worker")])
def test_process_that_knows_nothing_does_not_hide_what_another_keeps(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    known = {"worker": Tested(subject={"bootimage": "boot.raw"}), "controller": Tested()}

    for name in order:
        make_artifacts(tmp_path).keep_tested(known[name])

    assert read_tested(tmp_path / "run-1") == known["worker"]


def test_nothing_is_under_test_until_it_is_kept(tmp_path: Path) -> None:
    assert read_tested(tmp_path) == Tested()


def test_secrets_of_the_authfile_are_known(tmp_path: Path) -> None:
    authfile = tmp_path / "auth.json"
    authfile.write_text('{"auths": {"registry.example": {"auth": "dXNlcjpodW50ZXItdHdv"}}}')
    place = choose(tmp_path)

    assert "hunter-two" not in Artifacts(place, authfile).redactor("logged in with hunter-two")
    assert Artifacts(place, tmp_path / "missing").redactor("all is well") == "all is well"
