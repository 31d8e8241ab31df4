"""Figures by part, in one file that every benchmark adds to."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.host import Host, Moment, look, this_host
from harness import atomic
from harness.folders import cache_dir
from harness.model.clock import utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured value, the median of its samples; an estimate is extrapolated from fewer ones."""

    name: str
    value: float
    unit: str
    samples: tuple[float, ...] = ()
    at_most: float | None = None
    at_least: float | None = None
    is_estimate: bool = False
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the value reaches its aim, None without one."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least


@dataclass(kw_only=True)
class Part:
    """What one benchmark measures; `problem` says why it has no more figures, `note` what lacks."""

    name: str
    accelerator: str = ""
    began: str = field(default_factory=utc_now)
    host: Host = field(default_factory=this_host)
    at_start: Moment
    at_end: Moment | None = None
    figures: list[Figure] = field(default_factory=list)
    problem: str = ""
    note: str = ""

    def add(
        self,
        name: str,
        samples: Sequence[float],
        unit: str,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        note: str = "",
    ) -> float:
        """Add the median of what was measured, and return it.

        Raises:
            ValueError: nothing was measured.
        """
        if not samples:
            raise ValueError(f"{self.name}: {name} has no sample")
        rounded = tuple(round(one, 3) for one in samples)
        figure = Figure(
            name=name, value=round(median(samples), 3), unit=unit, samples=rounded,
            at_most=at_most, at_least=at_least, note=note,
        )  # fmt: skip
        self.figures.append(figure)
        return figure.value

    def ratio(
        self,
        name: str,
        ones: Sequence[float],
        others: Sequence[float],
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        note: str = "",
    ) -> float:
        """Add the median of `one / other` by round: a host that slows down slows down both.

        Raises:
            ValueError: not each round has both, or there is none.
        """
        ratios = [one / other for one, other in zip(ones, others, strict=True)]
        return self.add(name, ratios, "times", at_most=at_most, at_least=at_least, note=note)

    def estimate(self, name: str, each: Sequence[float], count: int, unit: str) -> float:
        """Add what `count` would cost by the mean of the measured ones, marked as an estimate.

        Raises:
            ValueError: nothing was measured.
        """
        if not each:
            raise ValueError(f"{self.name}: {name} has no sample")
        note = f"extrapolated from {len(each)} of {count}"
        value = round(sum(each) / len(each) * count, 3)
        samples = tuple(round(one, 3) for one in each)
        self.figures.append(
            Figure(name=name, value=value, unit=unit, samples=samples, is_estimate=True, note=note)
        )
        return value


@contextmanager
def measuring(
    name: str, *, own: Path | None = None, accelerator: str = "", document: Path | None = None
) -> Iterator[Part]:
    """Context manager that yields an empty part, and keeps it at the end, whatever happens.

    `own` is the run's folder, which our own QEMUs name. A part that fails keeps its figures.
    """
    part = Part(name=name, accelerator=accelerator, at_start=look(own))
    try:
        yield part
    except BaseException as exc:
        part.problem = (str(exc).splitlines() or [type(exc).__name__])[0]
        raise
    finally:
        part.at_end = look(own)
        keep(part, document or file())


def file() -> Path:
    """Return where the figures are kept: in CI's folder of artifacts, else in the cache."""
    return Path(os.environ.get("ARTIFACT_DIR") or cache_dir()) / "bench.json"


def keep(part: Part, document: Path) -> None:
    """Put a part into the file, in place of an older one of its name."""
    document.parent.mkdir(parents=True, exist_ok=True)
    with document.with_name(f".{document.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        parts = {**read(document), part.name: asdict(part)}
        atomic.write(document, json.dumps({"parts": parts}, indent=2).encode())


def read(document: Path) -> dict[str, Any]:
    """Return the parts by name; without the file, none."""
    try:
        parts = json.loads(document.read_text())["parts"]
    except FileNotFoundError:
        return {}
    assert isinstance(parts, dict)
    return parts


def parts_of(document: Path) -> list[Part]:
    return [_part(value) for value in read(document).values()]


def _part(value: dict[str, Any]) -> Part:
    figures = [Figure(**{**one, "samples": tuple(one["samples"])}) for one in value.pop("figures")]
    at_end = value.pop("at_end")
    return Part(
        figures=figures, host=Host(**value.pop("host")), at_start=Moment(**value.pop("at_start")),
        at_end=at_end and Moment(**at_end), **value,
    )  # fmt: skip
