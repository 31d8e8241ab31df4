"""The values that a history keeps of runs. `store.py` stores them, `trends.py` compares them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.model.record import Blame, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class RunName:
    """A run and its images: digests, or what the user named if a digest is unknown.

    An image is empty if the run ended before it was known.
    """

    id: str
    started: str
    node_image: str
    bootimage: str

    @property
    def images(self) -> tuple[str, str] | None:
        """Both images, None unless both are known."""
        return (self.node_image, self.bootimage) if self.node_image and self.bootimage else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PastTest:
    """A test of a past run; `message` is the first line."""

    id: str
    scenario: str | None
    outcome: Outcome
    blame: Blame | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PastPhase:
    """A phase that a machine of a past run completed."""

    scenario: str
    machine: str
    boot: int
    name: str
    title: str
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run of the history."""

    name: RunName
    acceleration: str
    tests: Mapping[str, PastTest]
    phases: tuple[PastPhase, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Runs in the order of their start, and the packages of images by digest, as NEVRA."""

    runs: tuple[PastRun, ...]
    packages: Mapping[str, tuple[str, ...]]
