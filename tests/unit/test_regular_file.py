"""Files that users name are read within a bound, and nothing waits for ever."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import regular_file, tables
from harness.commands.texts import _text_of as console_text
from harness.lint import command_lint
from harness.model.errors import InputError
from harness.recording.artifacts import Artifacts, choose
from harness.verdict import expectations
from harness.workplace.named_files import text_of as option_text


def made(kind: str, folder: Path) -> Path:
    path = folder / "named.toml"
    match kind:
        case "FIFO":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "endless device":
            path.symlink_to("/dev/zero")
        case "huge file":
            with path.open("wb") as file:
                file.truncate(1 << 40)
    return path


KINDS = ("FIFO", "folder", "endless device", "huge file", "missing")
READERS: dict[str, Callable[[Path], object]] = {
    "--allow and --rules": lambda path: tables.read(path, "rule"),
    "--ignition": lambda path: option_text(path, "--ignition"),
    "--expectations": lambda path: expectations.load(str(path)),
    "lint-ignition": lambda path: command_lint.read_files([path]),
    "diagnose": console_text,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_not_a_usable_file_is_refused(
    reader: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regular_file, "MAX_CONSOLE_BYTES", 1 << 20)
    path = made(kind, tmp_path)

    with pytest.raises(InputError) as caught:
        READERS[reader](path)

    assert str(path) in caught.value.subject
    assert caught.value.problem.startswith("cannot be read: ")
    assert caught.value.remedy


@pytest.mark.parametrize("kind", KINDS)
def test_unusable_authfile_has_no_secrets(kind: str, tmp_path: Path) -> None:
    artifacts = Artifacts(choose(tmp_path / "kept"), made(kind, tmp_path))

    assert artifacts.redactor("a line") == "a line"


@pytest.fixture
def pipe() -> tuple[int, int]:
    return os.pipe()


def of(descriptor: int) -> Path:
    return Path(f"/dev/fd/{descriptor}")


def test_pipe_is_read_to_its_end(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"a console")
    os.close(pipe[1])

    assert console_text(of(pipe[0])) == "a console"


def test_pipe_that_is_silent_is_refused(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"begun")

    with pytest.raises(InputError, match="a pipe that was silent for 0 s"):
        regular_file.text_or_pipe(of(pipe[0]), "Name a file.", silence_s=0)


def test_pipe_without_content_is_refused(pipe: tuple[int, int]) -> None:
    os.close(pipe[1])

    with pytest.raises(InputError, match="a pipe without content"):
        regular_file.text_or_pipe(of(pipe[0]), "Name a file.")


def test_pipe_is_read_up_to_the_bound(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], bytes(5000))

    with pytest.raises(InputError, match="larger than 0 MiB"):
        regular_file.text_or_pipe(of(pipe[0]), "Name a file.", limit_bytes=4999)
