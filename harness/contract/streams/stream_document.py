"""What `node-image streams` reports: what stream metadata has, and what is wrong in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from harness.contract.document import Document
from harness.contract.sheet import Row, table
from harness.contract.streams.stream_checks import Finding, Severity, check
from harness.model.url_secrets import shown_url
from harness.model.versions.coreos_stream import Marketplace, Stream

HEAD = ("architecture", "release", "files", "platforms", "images")
FINDINGS_HEAD = ("severity", "place", "problem")


class StreamPart(msgspec.Struct, frozen=True, kw_only=True):
    """What there is for one architecture; of a marketplace, its clouds and versions."""

    architecture: str
    releases: tuple[str, ...]
    files: int
    platforms: tuple[str, ...]
    images: tuple[str, ...]
    """Clouds and registries that have an image."""


class StreamFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A problem; `place` is as `x86_64/qemu/qcow2.gz/disk`, or empty for the whole."""

    severity: str
    place: str
    problem: str


class StreamReport(Document, frozen=True, kw_only=True, tag="streams"):
    """One file of stream metadata."""

    subject: str
    parts: tuple[StreamPart, ...]
    asked: int
    """URLs that were asked, with --online."""
    findings: tuple[StreamFinding, ...]

    @property
    def is_wrong(self) -> bool:
        """Whether there is an error; warnings do not count."""
        return any(finding.severity == Severity.ERROR for finding in self.findings)


def urls_of(found: Stream | Marketplace) -> dict[str, str]:
    """Return the place of each URL that has to answer, by the URL."""
    if isinstance(found, Marketplace):
        return {}
    urls: dict[str, str] = {}
    for place, _, artifact in found.files():
        urls.setdefault(artifact.location, place)
        if artifact.signature:
            urls.setdefault(artifact.signature, f"{place} (signature)")
    return urls


def document(
    subject: str, found: Stream | Marketplace, answers: Mapping[str, str] | None = None
) -> StreamReport:
    """Return the report, in which no URL has a secret, however it is printed.

    `answers` are the problems of the URLs that were asked, by URL.
    """
    urls = urls_of(found) if answers is not None else {}
    silent = (
        Finding(severity=Severity.ERROR, place=urls[url], problem=f"{problem}: {url}")
        for url, problem in (answers or {}).items()
    )
    report = StreamReport(
        subject=subject, parts=tuple(_parts(found)), asked=len(urls),
        findings=tuple(
            StreamFinding(severity=each.severity, place=each.place, problem=each.problem)
            for each in dict.fromkeys((*check(found), *silent))  # both find what is malformed
        ),
    )  # fmt: skip
    return msgspec.convert(_shown(msgspec.to_builtins(report)), StreamReport)


def _shown(value: object) -> object:
    """Return values without the secrets of their URLs, which findings have at their end."""
    match value:
        case str():
            return shown_url(value) if "//" in value else value
        case dict():
            return {name: _shown(each) for name, each in value.items()}
        case list() | tuple():
            return [*map(_shown, value)]
    return value


def row(part: StreamPart) -> Row:
    """Return the cells under `HEAD`."""
    releases = ", ".join(part.releases)
    return (
        part.architecture, releases, str(part.files), " ".join(part.platforms),
        " ".join(part.images) or "-",
    )  # fmt: skip


def finding_row(finding: StreamFinding) -> Row:
    """Return the cells under `FINDINGS_HEAD`."""
    return finding.severity, finding.place or "-", finding.problem


def lines(report: StreamReport) -> Iterator[str]:
    """Yield the report as text."""
    yield from table(HEAD, map(row, report.parts))
    yield ""
    yield from table(FINDINGS_HEAD, map(finding_row, report.findings))
    yield summary(report)


def summary(report: StreamReport) -> str:
    """Return a sentence about the findings."""
    errors = sum(finding.severity == Severity.ERROR for finding in report.findings)
    warnings = len(report.findings) - errors
    asked = f"; {_count(report.asked, 'URL')} asked" if report.asked else ""
    return f"{_count(errors, 'error')}, {_count(warnings, 'warning')}{asked}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _parts(found: Stream | Marketplace) -> Iterator[StreamPart]:
    if isinstance(found, Marketplace):
        for name, clouds in found.architectures.items():
            offers = Marketplace(architectures={name: clouds}).offers()
            versions = dict.fromkeys(offer.version for _, offer in offers)
            yield StreamPart(
                architecture=name, releases=tuple(versions), files=0, platforms=tuple(clouds),
                images=(),
            )  # fmt: skip
        return
    for name, architecture in found.architectures.items():
        releases = dict.fromkeys(each.release for each in architecture.artifacts.values())
        files = sum(1 for _ in Stream(architectures={name: architecture}).files())
        yield StreamPart(
            architecture=name, releases=tuple(releases), files=files,
            platforms=tuple(architecture.artifacts), images=tuple(architecture.images),
        )  # fmt: skip
