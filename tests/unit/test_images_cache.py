from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from images_fakes import deadline

from harness.images.acquire.cache import Cache
from harness.model.errors import DeadlineError, InputError

BIG = 1 << 16


def put(cache: Cache, key: str, size_bytes: int = BIG) -> Path:
    return cache.get_or_make(key, lambda path: _write(path, size_bytes), deadline())


def _write(path: Path, size_bytes: int) -> None:
    path.write_bytes(os.urandom(size_bytes))


def never(_: Path) -> None:
    raise AssertionError("made again")


def test_content_is_made_once_and_found_by_the_next(tmp_path: Path) -> None:
    with Cache(tmp_path) as cache:
        made = put(cache, "a")
    with Cache(tmp_path) as cache:
        found = cache.get_or_make("a", never, deadline())

    assert found == made
    assert found.stat().st_size == BIG


def test_failed_maker_leaves_only_what_the_next_one_continues(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        path.with_name("download.part").write_bytes(b"half")
        raise InputError("x", "broke", "mend it")

    with Cache(tmp_path) as cache, pytest.raises(InputError, match="broke"):
        cache.get_or_make("a", fail, deadline())

    assert {path.name for path in (tmp_path / "a").iterdir()} == {"lock", "download.part"}


def test_the_least_recently_used_key_goes_first(tmp_path: Path) -> None:
    for key, used_at in (("old", 1), ("older", 0), ("new", 2)):
        with Cache(tmp_path) as cache:
            put(cache, key)
        for path in (tmp_path / key).iterdir():
            os.utime(path, (used_at, used_at))
    with Cache(tmp_path) as cache:
        cache.get_or_make("older", never, deadline())

    with Cache(tmp_path, cap_bytes=2 * BIG + 10) as cache:
        cache.evict()

    assert not (tmp_path / "old" / "content").exists()
    assert (tmp_path / "older" / "content").exists()
    assert (tmp_path / "new" / "content").exists()


def test_content_in_use_is_never_evicted(tmp_path: Path) -> None:
    with Cache(tmp_path) as user, Cache(tmp_path, cap_bytes=0) as other:
        used = put(user, "a")
        other.evict()

        assert used.exists()

    with Cache(tmp_path, cap_bytes=0) as other:
        other.evict()
    assert not used.exists()


def test_content_above_the_cap_is_still_returned(tmp_path: Path) -> None:
    with Cache(tmp_path, cap_bytes=0) as cache:
        assert put(cache, "a").exists()
        assert put(cache, "b").exists()


def test_leftovers_count_and_are_evicted_with_folders(tmp_path: Path) -> None:
    (tmp_path / "a" / "layout").mkdir(parents=True)
    _write(tmp_path / "a" / "layout" / "blob", BIG)

    with Cache(tmp_path, cap_bytes=BIG // 2) as cache:
        cache.evict()

    assert not (tmp_path / "a" / "layout").exists()


def test_only_one_makes_a_key_at_a_time(tmp_path: Path) -> None:
    refused = []

    def make(path: Path) -> None:
        with Cache(tmp_path) as other, pytest.raises(DeadlineError) as caught:
            other.get_or_make("a", never, deadline(2))
        refused.append(caught.value.reason)
        path.write_bytes(b"made")

    with Cache(tmp_path) as cache:
        cache.get_or_make("a", make, deadline())

    assert refused == ["another process is making or removing it"]


def test_one_key_is_shared_by_several_users(tmp_path: Path) -> None:
    with Cache(tmp_path) as first, Cache(tmp_path) as second:
        path = put(first, "a")

        assert second.get_or_make("a", never, deadline(0)) == path


def test_read_only_cache_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with Cache(tmp_path / "file") as cache, pytest.raises(InputError, match="Not a directory"):
        put(cache, "a")


def test_what_is_cached_can_be_used_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Cache(tmp_path) as cache:
        kept = put(cache, "a")
    usual = Path.open

    def read_only(path: Path, mode: str = "r") -> object:
        if mode != "r":
            raise OSError(errno.EROFS, "Read-only file system")
        return usual(path, mode)

    monkeypatch.setattr(Path, "open", read_only)

    with Cache(tmp_path) as cache:
        assert cache.get_or_make("a", never, deadline()) == kept
        with pytest.raises(InputError, match="the cache cannot be written: Read-only"):
            cache.get_or_make("b", never, deadline())


def test_full_disk_is_reported_with_the_free_space(tmp_path: Path) -> None:
    def fill(_: Path) -> None:
        Path("/dev/full").write_bytes(b"x")

    with Cache(tmp_path) as cache, pytest.raises(InputError, match=r"No space left .* MiB free"):
        cache.get_or_make("a", fill, deadline())
