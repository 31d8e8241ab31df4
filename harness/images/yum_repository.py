"""The newest packages of a yum repository, in a folder or at a URL.

The index names the list of packages by its sha256, which is the key of what is kept of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import msgspec

from harness import regular_file, temporary
from harness.folders import expanded
from harness.images.acquire.cache import Cache
from harness.images.acquire.compression import DAMAGE, opened
from harness.images.acquire.digest import mismatch, parse_sha256, sha256_of
from harness.images.acquire.download import download, fetch_text
from harness.images.acquire.progress import Reporter
from harness.images.acquire.url import is_url, shown_image
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError
from harness.model.packages.nevra import Nevra
from harness.model.packages.repository_xml import Primary, newest_packages, parse_repomd

_INDEX = "repodata/repomd.xml"
_MAX_INDEX_BYTES = 4 << 20
_MAX_PACKED_BYTES = 512 << 20
_MAX_LIST_BYTES = 4 << 30
_READ_BYTES = 1 << 20
_FORM = 1  # of what is kept
_REPOSITORY = "Name a folder or URL that has repodata/repomd.xml."


def newest_of(
    location: str, arch: str, cache: Cache | None, deadline: Deadline
) -> Mapping[str, Nevra]:
    """Return the newest package of each name for `arch`; `$basearch` in the location is replaced.

    `cache` keeps them by the sum of the list; None keeps nothing.

    Raises:
        InputError: there is no repository, or it is damaged.
        DeadlineError: the time is over.
    """
    if cache is None:
        with temporary.folder() as folder, Cache(folder) as passing:
            return newest_of(location, arch, passing, deadline)
    place = location.replace("$basearch", arch).rstrip("/")
    subject = shown_image(place)
    primary = parse_repomd(_index(place, subject, deadline), f"{subject}/{_INDEX}")
    _require_inside(primary, subject)
    make = partial(_make, place, primary, arch, deadline, report=cache.report)
    kept = cache.get_or_make(f"{primary.sha256}-{arch}-newest-{_FORM}", make, deadline)
    return msgspec.json.decode(kept.read_bytes(), type=dict[str, Nevra])


def _index(place: str, subject: str, deadline: Deadline) -> bytes:
    if is_url(place):
        text = fetch_text(f"{place}/{_INDEX}", deadline, _MAX_INDEX_BYTES)
        if text is None:
            raise InputError(subject, f"no repository: the server has no {_INDEX}", _REPOSITORY)
        return text.encode()
    try:
        return regular_file.read(expanded(place) / _INDEX, _MAX_INDEX_BYTES)
    except OSError as exc:
        problem = f"no repository: {_INDEX} cannot be read: {exc.strerror}"
        raise InputError(subject, problem, _REPOSITORY) from exc


def _require_inside(primary: Primary, subject: str) -> None:
    """Refuse a list of packages that is elsewhere, or that is implausibly large."""
    path = PurePosixPath(primary.href)
    if path.is_absolute() or ".." in path.parts or "//" in primary.href or "\0" in primary.href:
        problem = f"the index names a list outside of the repository: {primary.href!r}"
        raise InputError(subject, problem, "Use another repository.")
    if primary.size_bytes > _MAX_PACKED_BYTES:
        problem = f"a list of packages of {primary.size_bytes} bytes"
        raise InputError(subject, problem, "Use another repository.")


def _make(
    place: str,
    primary: Primary,
    arch: str,
    deadline: Deadline,
    target: Path,
    *,
    report: Reporter | None,
) -> None:
    path = _verified(place, primary, target.with_name("primary"), deadline, report)
    subject = f"{shown_image(place)}/{primary.href}"
    with path.open("rb") as packed:
        found = newest_packages(_blocks(packed, subject, deadline), arch, subject)
    target.write_bytes(msgspec.json.encode(found))
    target.with_name("primary").unlink(missing_ok=True)


def _verified(
    place: str, primary: Primary, target: Path, deadline: Deadline, report: Reporter | None
) -> Path:
    """Return the packed list of packages, of which the sum is that of the index."""
    expected = parse_sha256(primary.sha256)
    if is_url(place):
        download(
            f"{place}/{primary.href}", expected, target, deadline,
            report=report, max_bytes=_MAX_PACKED_BYTES,
        )  # fmt: skip
        return target
    path = expanded(place) / primary.href
    try:
        regular_file.require(path)
        got = sha256_of(path, deadline)
    except OSError as exc:
        problem = f"cannot be read: {exc.strerror}"
        raise InputError(str(path), problem, "Create the metadata again.") from exc
    if got != expected:
        raise mismatch(str(path), expected, got, is_compressed=False)
    return path


def _blocks(packed: BinaryIO, subject: str, deadline: Deadline) -> Iterator[bytes]:
    total_bytes = 0
    try:
        plain = opened(packed)
        while block := plain.read(_READ_BYTES):
            total_bytes += len(block)
            if total_bytes > _MAX_LIST_BYTES:
                problem = f"a list of packages of more than {_MAX_LIST_BYTES >> 30} GiB"
                raise InputError(subject, problem, "Use another repository.")
            if deadline.is_over:
                reason = f"{total_bytes >> 20} MiB read"
                raise DeadlineError(f"reading {subject}", deadline.limit_s, reason)
            yield block
    except DAMAGE as exc:
        problem = f"damaged or truncated compressed data ({exc})"
        raise InputError(subject, problem, "Create the metadata again.") from exc
