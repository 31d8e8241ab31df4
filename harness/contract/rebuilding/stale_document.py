"""What `node-image stale` reports: for each stream and architecture, the jobs that must run."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from harness.contract.document import Document
from harness.contract.rebuilding.staleness import Reason
from harness.contract.sheet import Section

_HEAD = ("job", "package", "architecture", "image", "has", "newest", "newest in")


class StalePart(msgspec.Struct, frozen=True, kw_only=True):
    """One node image and its base image, for one architecture."""

    stream: str
    architecture: str
    base: str
    base_version: str | None
    node: str
    node_version: str | None
    is_built_on_base: bool
    """Whether the layers of the node image begin with those of the base image."""
    is_in_release: bool | None
    """Whether the release names this image; null without a release beside the image."""
    jobs: tuple[str, ...]
    """The jobs that must run, in their order."""
    reasons: tuple[Reason, ...]


class Stale(Document, frozen=True, kw_only=True, tag="stale"):
    """The jobs of all streams and architectures."""

    repositories: tuple[str, ...]
    parts: tuple[StalePart, ...]

    @property
    def must_build(self) -> bool:
        """Whether a job must run."""
        return any(part.jobs for part in self.parts)


def sections(found: Stale) -> Iterator[Section]:
    """Yield what a reader gets, in parts."""
    for part in found.parts:
        yield Section(
            title=f"{part.stream or 'stream unknown'}, {part.architecture}: {verdict(part)}",
            head=_HEAD, rows=tuple(map(_row, part.reasons)), notes=tuple(_notes(part)),
        )  # fmt: skip
    if not found.repositories:
        text = "Without --repo, only the base image and the node image are compared."
        yield Section(notes=(text,))


def verdict(part: StalePart) -> str:
    """Return the jobs to run as words."""
    return ", then ".join(part.jobs) or "nothing to build"


def _row(reason: Reason) -> tuple[str, ...]:
    return (
        str(reason.job), reason.name, reason.arch, reason.image, reason.has or "-", reason.newest,
        reason.source,
    )  # fmt: skip


def _notes(part: StalePart) -> Iterator[str]:
    yield f"base: {part.base} {part.base_version or ''}"
    yield f"node: {part.node} {part.node_version or ''}"
    if not part.is_built_on_base:
        yield "The node image is not built on this base image, by its layers."
    if part.is_in_release is False:
        yield "The release has another node image."
