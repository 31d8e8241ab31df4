"""Boots of bug reports, played second by second as the watch over a machine plays a live one."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

from diagnosis_samples import engine, line

from harness.diagnosis.diagnosis import Diagnosis
from harness.diagnosis.line import Line, Stream
from harness.diagnosis.readers.console import ConsoleReader
from harness.folders import fixture
from harness.model.record import Sighting

_STEP_S = 0.5
_AFTER_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A boot as a report describes it, and what the diagnosis has to say of it."""

    name: str
    lines: tuple[Line, ...]
    end_s: float
    rule: str
    blame: str
    within_s: float
    says: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What ended a boot and when, None if nothing did; and what else was seen."""

    fatal: Sighting | None
    at_s: float
    warnings: tuple[Sighting, ...]
    half_counted: tuple[Sighting, ...]


def reports() -> tuple[Report, ...]:
    text = fixture("transcripts/diagnosis/reports.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    return tuple(_report(entry, tables["base"]) for entry in tables["report"])


def play(report: Report, factor: float = 1.0) -> Outcome:
    """Play a report until a rule ends it, or `report.end_s` at last."""
    judge = engine(factor=factor)
    diagnosis, waiting = Diagnosis(judge), list(reversed(report.lines))
    now_s = last_s = 0.0
    fatal = None
    while fatal is None and now_s <= report.end_s:
        while waiting and waiting[-1].at_s <= now_s:
            last_s = waiting[-1].at_s
            diagnosis.take(waiting.pop())
        judge.tick(now_s, last_s, diagnosis.tracker.current.name)
        fatal = judge.fatal(now_s)
        now_s += _STEP_S
    return Outcome(
        fatal=fatal, at_s=now_s - _STEP_S, warnings=judge.warnings, half_counted=judge.half_counted
    )


def _report(entry: dict[str, object], bases: dict[str, list[list[object]]]) -> Report:
    named = cast("list[str]", entry.get("base", []))
    own = cast("list[list[object]]", entry["lines"])
    raw = [one for base in named for one in bases[base]] + own
    lines = tuple(_lines(raw))
    return Report(
        name=str(entry["name"]), lines=lines,
        end_s=float(str(entry.get("end_s", lines[-1].at_s + _AFTER_S))),
        rule=str(entry.get("rule", "")), blame=str(entry.get("blame", "")),
        within_s=float(str(entry.get("within_s", 0))), says=str(entry.get("says", "")),
        warnings=tuple(cast("list[str]", entry.get("warnings", []))),
    )  # fmt: skip


def _lines(raw: list[list[object]]) -> Iterator[Line]:
    reader = ConsoleReader()
    for at_s, stream, text in sorted(_repeated(raw), key=lambda one: one[0]):
        if stream is Stream.CONSOLE:
            yield from reader.feed(f"{text}\r\n", at_s)
        else:
            yield replace(line(stream, text, at_s), boot=reader.boot)


def _repeated(raw: list[list[object]]) -> Iterator[tuple[float, Stream, str]]:
    for at_s, stream, text, *repeats in raw:
        times, every_s = (int(str(repeats[0])), float(str(repeats[1]))) if repeats else (1, 0.0)
        for number in range(times):
            yield (
                float(str(at_s)) + number * every_s, Stream(str(stream)),
                str(text).replace("{n}", str(number + 1)),
            )  # fmt: skip
