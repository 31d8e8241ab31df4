"""What it takes to read images: an architecture, credentials, a CA, and a cache of answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness import folders
from harness.images.acquire.cache import Cache
from harness.images.acquire.progress import Reporter
from harness.images.container.skopeo import Source
from harness.images.reference import Reference

CACHE_CAP_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to read images for `arch` (as in `uname -m`).

    `cache` keeps answers by digest; None keeps none. `report` gets progress.
    """

    arch: str
    authfile: Path | None = None
    cert_dir: Path | None = None
    cache: Cache | None = field(default=None, repr=False, compare=False)
    report: Reporter | None = field(default=None, repr=False, compare=False)

    def source(self, reference: Reference) -> Source:
        """Return the image at `reference`, to be read with this access."""
        return Source(
            reference=reference, arch=self.arch, authfile=self.authfile,
            cert_dir=self.cert_dir, report=self.report,
        )  # fmt: skip


def answers_of_user(report: Reporter | None = None) -> Cache:
    """Return the user's cache of answers about images; the caller closes it."""
    return Cache(folders.cache_dir() / "inspections", CACHE_CAP_BYTES, report)
