"""A file is there whole or as it was, and those who collect it can read it."""

from __future__ import annotations

import os
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
