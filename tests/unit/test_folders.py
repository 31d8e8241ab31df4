"""Folders that cannot be created are errors with a remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import folders
from harness.cli import main
from harness.model.errors import InputError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.touch()
    return path


def test_cache_folder_is_made_where_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a/b"))

    assert folders.cache_dir() == tmp_path / "a/b/pytest-node-image"
    assert folders.cache_dir().is_dir()


@pytest.mark.parametrize("value", ["", "cache", "./cache"])
def test_cache_folder_that_is_not_absolute_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", value)

    assert folders.cache_path() == tmp_path / ".cache/pytest-node-image"


@pytest.mark.parametrize("below", ["", "/deeper"])
def test_cache_folder_that_cannot_be_made_is_an_error(
    below: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", f"{file}{below}")

    with pytest.raises(InputError) as caught:
        folders.cache_dir()

    assert str(caught.value) == (
        f"cache folder {file}{below}/pytest-node-image: cannot be created: Not a directory. "
        "Set XDG_CACHE_HOME to a writable folder."
    )


def test_home_without_room_for_a_cache_folder_is_an_error(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(file))

    with pytest.raises(InputError, match="cannot be created: Not a directory"):
        folders.cache_dir()


def test_user_without_a_home_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)

    with pytest.raises(InputError, match="this user has no home"):
        folders.cache_path()


def _run_folder_is_a_file(file: Path, root: Path) -> None:
    (root / file.name).touch()


def _root_is_a_file(file: Path, root: Path) -> None:
    root.rmdir()
    root.touch()


@pytest.mark.parametrize("spoil", [_run_folder_is_a_file, _root_is_a_file])
def test_folder_for_runs_that_cannot_be_made_is_an_error(
    spoil: Callable[[Path, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "tmp"
    root.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(root))
    name = folders.runs_dir()
    name.rmdir()
    spoil(name, root)

    with pytest.raises(InputError, match=r"cannot be created: .*TMPDIR"):
        folders.runs_dir()


def test_home_of_no_user_is_a_path_as_any_other() -> None:
    assert folders.expanded("~no-such-user/a") == Path("~no-such-user/a")
    assert folders.expanded("~/a") == Path.home() / "a"


@pytest.mark.parametrize(
    "words",
    [("streams", "~no-such-user/a"), ("inspect", "~no-such-user/a"),
     ("inspect", "stream:~no-such-user/a#x86_64/qemu/qcow2.gz"),
     ("stale", "--base", "~no-such-user/a", "--node", "~no-such-user/b")],
)  # fmt: skip
def test_file_of_no_user_is_one_error(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, words)

    assert (done.exit_code, "Traceback" in done.output) == (2, False)
    assert "~no-such-user/a: " in done.output
