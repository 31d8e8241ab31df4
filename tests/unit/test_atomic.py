"""A file is there whole or as it was, and those who collect it can read it."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import atomic


def test_file_has_its_content_and_no_neighbours(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    atomic.write(path, b"new")

    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_write_leaves_no_part(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.mkdir()

    with pytest.raises(OSError, match="directory"):
        atomic.write(blocked, b"new")

    assert list(tmp_path.iterdir()) == [blocked]


def test_error_while_making_leaves_the_old(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail_half_way() -> None:
        with atomic.replacing(path) as fresh:
            fresh.write_text("half")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - raised above
        fail_half_way()

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "last").symlink_to("first")

    with atomic.replacing(tmp_path / "last") as fresh:
        fresh.symlink_to("second")

    assert (tmp_path / "last").readlink() == Path("second")


def test_file_is_readable_by_those_who_collect_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    usual = os.umask(0o022)
    try:
        atomic.write(path, b"")
    finally:
        os.umask(usual)

    assert path.stat().st_mode & 0o777 == 0o644


def _fail(number: int) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


def _open_on_a_full_disk(path: Path, flags: int, *rest: int) -> int:
    if flags & os.O_TMPFILE == os.O_TMPFILE:
        raise OSError(errno.EOPNOTSUPP, "as file systems without such files")
    os.close(_OPEN(path, flags, *rest))
    return _OPEN("/dev/full", os.O_WRONLY)


_OPEN = os.open
_FULL_DISK: dict[str, tuple[str, Callable[..., int]]] = {
    "open": ("os.open", _fail(errno.ENOSPC)),
    "write": ("os.open", _open_on_a_full_disk),
    "fsync": ("os.fsync", _fail(errno.ENOSPC)),
    "quota": ("os.fsync", _fail(errno.EDQUOT)),
    "replace": ("pathlib.Path.replace", _fail(errno.ENOSPC)),
}


@pytest.mark.parametrize("step", _FULL_DISK)
# Small enough to wait in the buffer until the end, and so large that it does not.
@pytest.mark.parametrize("size_bytes", [1, 1 << 20])
def test_full_disk_keeps_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, size_bytes: int
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old" * 9000)
    with monkeypatch.context() as patched:
        patched.setattr(*_FULL_DISK[step])

        with pytest.raises(OSError, match=r"No space left|quota") as raised:
            atomic.write(path, b"n" * size_bytes)

    assert atomic.is_full(raised.value)
    assert path.read_bytes() == b"old" * 9000
    assert list(tmp_path.iterdir()) == [path]


_WRITE_PAST_A_LIMIT = """
import resource, sys
from pathlib import Path
from harness import atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    atomic.write(Path(sys.argv[1]), b"n" * 100_000)
except OSError as exc:
    sys.exit(f"failed: {exc.strerror}")
"""


def test_write_that_ends_half_way_keeps_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old" * 9000)

    done = subprocess.run(
        [sys.executable, "-c", _WRITE_PAST_A_LIMIT, str(path)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip

    assert "failed: File too large" in done.stderr
    assert path.read_bytes() == b"old" * 9000
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("is_durable", [True, False])
def test_durable_file_and_its_folder_are_on_the_disk_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_durable: bool
) -> None:
    synced: list[tuple[bool, bool]] = []

    def sync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append((is_folder, (tmp_path / "file").exists()))

    monkeypatch.setattr("os.fsync", sync)

    atomic.write(tmp_path / "file", b"new", is_durable=is_durable)

    assert synced == ([(False, False), (True, True)] if is_durable else [])


def test_folder_that_cannot_be_synced_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not for folders")

    monkeypatch.setattr("os.fsync", sync)

    atomic.write(tmp_path / "file", b"new")

    assert (tmp_path / "file").read_bytes() == b"new"


KILLED = """
import resource, signal, sys
from pathlib import Path
from harness import atomic
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
atomic.write(Path(sys.argv[1]), b"new" * 100_000)
"""


def test_a_process_that_is_killed_while_it_writes_leaves_only_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")

    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)

    assert done.returncode == -signal.SIGXFSZ
    assert [found.name for found in tmp_path.iterdir()] == ["report.json"]
    assert path.read_text() == "old"
