"""Bootimages: from the user's path or URL to a verified, decompressed disk image on this host.

A compressed or remote image becomes a cache entry, by the sha256 of the published file. A plain
local image is used in place and never written to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness import regular_file
from harness.folders import expanded
from harness.images.acquire import stream_metadata
from harness.images.acquire.cache import Cache
from harness.images.acquire.compression import compression_of, decompress
from harness.images.acquire.digest import Sha256, mismatch, parse_sha256, parse_sums, sha256_of
from harness.images.acquire.disk_format import DiskFormat, inspect_disk_image
from harness.images.acquire.download import download, fetch_text, file_name
from harness.images.acquire.progress import Reporter
from harness.images.acquire.stream_metadata import StreamDisk
from harness.images.acquire.url import is_url, shown_url
from harness.model.clock import Deadline
from harness.model.errors import InputError

_MAX_SUMS_BYTES = 1 << 16  # of a `.sha256` file


@dataclass(frozen=True, slots=True, kw_only=True)
class BootImage:
    """A disk image under overlays; never write to it.

    `sha256` is that of the published file, which identifies it in reports. `origin` is the user's
    path or URL, without secrets.
    """

    path: Path
    format: DiskFormat
    virtual_size_bytes: int
    sha256: Sha256
    origin: str


def acquire(text: str, sha256: str | None, cache: Cache, deadline: Deadline) -> BootImage:
    """Return the bootimage at the path or URL `text`; it stays valid until `cache` closes.

    `stream:FILE#x86_64/qemu/qcow2.gz` is a disk in stream metadata (`StreamDisk`), with its sums.

    Raises:
        InputError: it is missing, unreadable, empty, damaged, not a disk image, or of another sum.
        DeadlineError: the time is over.
    """
    expected = parse_sha256(sha256) if sha256 else None
    if (named := StreamDisk.of(text)) is not None:
        origin = str(named)
        path, digest = _from_stream(named, expected, cache, deadline)
    elif is_url(text):
        origin = shown_url(text)
        path, digest = _from_url(text, expected, cache, deadline)
    else:
        origin = text
        path, digest = _from_file(text, expected, cache, deadline)
    stream_metadata.require_disk(path, origin)
    disk = inspect_disk_image(path, origin, deadline)
    return BootImage(
        path=path, format=disk.format, virtual_size_bytes=disk.virtual_size_bytes,
        sha256=digest, origin=origin,
    )  # fmt: skip


def published_name(text: str, deadline: Deadline) -> str:
    """Return the path or URL of a bootimage, of which the name has its version.

    Raises:
        InputError: the stream metadata that `text` names cannot be used.
    """
    named = StreamDisk.of(text)
    return text if named is None else named.artifact(deadline).location


def _from_stream(
    named: StreamDisk, expected: Sha256 | None, cache: Cache, deadline: Deadline
) -> tuple[Path, Sha256]:
    """Return the disk, of which both sums are those of the metadata."""
    artifact = named.artifact(deadline)
    if not is_url(artifact.location):
        problem = f"names {artifact.location!r}, which is not an http or https URL"
        raise InputError(str(named), problem, "Correct the metadata, or use the disk image itself.")
    digest = parse_sha256(artifact.sha256)
    if expected is not None and expected != digest:
        raise mismatch(str(named), expected, digest, is_compressed=True)
    path, _ = _from_url(artifact.location, digest, cache, deadline)
    if artifact.uncompressed_sha256:
        inside = parse_sha256(artifact.uncompressed_sha256)
        _check_inside(path, inside, str(named), deadline)
    return path, digest


def _check_inside(path: Path, expected: Sha256, subject: str, deadline: Deadline) -> None:
    got = sha256_of(path, deadline)
    if got != expected:
        problem = f"wrong digest inside: expected uncompressed-sha256 {expected}, got {got}"
        raise InputError(subject, problem, "Correct the metadata, or download it again.")


def _from_url(
    url: str, expected: Sha256 | None, cache: Cache, deadline: Deadline
) -> tuple[Path, Sha256]:
    digest = expected or _published_sum(url, deadline)
    fetch = partial(_fetch_disk, url, digest, deadline, report=cache.report)
    return cache.get_or_make(digest, fetch, deadline), digest


def _fetch_disk(
    url: str, digest: Sha256, deadline: Deadline, target: Path, *, report: Reporter | None
) -> None:
    fetched = target.with_name("download")
    # It exists after an interrupted decompression, perhaps not whole after a loss of power.
    if not fetched.exists() or sha256_of(fetched, deadline) != digest:
        download(url, digest, fetched, deadline, report=report)
    if _is_compressed(fetched):
        decompress(fetched, target, shown_url(url), deadline, report=report)
        fetched.unlink()
    else:
        fetched.rename(target)


def _published_sum(url: str, deadline: Deadline) -> Sha256:
    name = file_name(url)
    sidecar = re.sub(r"(?=[?#])|$", ".sha256", url, count=1)
    digest = parse_sums(fetch_text(sidecar, deadline) or "", name)
    if digest is None:
        raise InputError(
            shown_url(url), f"no sha256 to verify it, and none at {shown_url(sidecar)}",
            f"Publish {name}.sha256 beside it, or for a bootimage use --bootimage-sha256.",
        )  # fmt: skip
    return digest


def _from_file(
    text: str, expected: Sha256 | None, cache: Cache, deadline: Deadline
) -> tuple[Path, Sha256]:
    path = expanded(text).absolute()
    _require_readable(path, text)
    expected = expected or _sidecar_sum(path)
    digest = sha256_of(path, deadline)
    if expected is not None and expected != digest:
        raise mismatch(text, expected, digest, is_compressed=_is_compressed(path))
    if not _is_compressed(path):
        return path, digest

    def unpack(target: Path) -> None:
        decompress(path, target, text, deadline, report=cache.report)

    return cache.get_or_make(digest, unpack, deadline), digest


def _require_readable(path: Path, text: str) -> None:
    remedy = "Name a readable disk image file, or an http or https URL."
    try:
        regular_file.require(path)
    except OSError as exc:
        raise InputError(text, f"cannot be read: {exc.strerror}", remedy) from exc
    if not path.stat().st_size:
        raise InputError(text, "an empty file", remedy)


def _sidecar_sum(path: Path) -> Sha256 | None:
    sidecar = path.with_name(f"{path.name}.sha256")
    if not sidecar.is_file():
        return None
    with sidecar.open("rb") as file:
        text = file.read(_MAX_SUMS_BYTES).decode(errors="replace")
    digest = parse_sums(text, path.name)
    if digest is None:
        remedy = f"Write the sum of {path.name} into it, or remove it."
        raise InputError(str(sidecar), "no sha256 sum in this file", remedy)
    return digest


def _is_compressed(path: Path) -> bool:
    with path.open("rb") as file:
        return compression_of(file) is not None
