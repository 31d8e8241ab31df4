"""The page for people: one HTML file without requests and scripts, also for Prow's Spyglass.

Text of guests is shown as text; see `inert`. `fixtures/report/summary.html.j2` has the order of its
parts, `summary.css` their look.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.diagnosis.readers import systemd_words
from harness.folders import fixture
from harness.model.escapes import displayed
from harness.model.record import MachineRecord, Outcome, RunRecord, Weight
from harness.model.run_folder import JUNIT, PROGRESS, RECORD
from harness.report import conclusion, inert, timeline
from harness.report.differences import (
    FieldChange,
    PackageChanges,
    field_changes,
    package_changes,
)

_LINES_BEFORE = 24
_LINES_AFTER = 8
_LINE_LENGTH = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layers:
    """What live-apply changed on a machine."""

    machine: MachineRecord
    packages: PackageChanges
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Excerpt:
    """Lines of a machine's console, and whether each is quoted by a fatal finding."""

    machine: MachineRecord
    lines: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """Files of the run's folder that belong together, as name and path."""

    group: str
    links: tuple[tuple[str, str], ...]


def render(record: RunRecord, excerpts: Mapping[str, tuple[str, ...]]) -> str:
    """Return the page of a run; `excerpts` are lines of the console by the machine's name."""
    alike = conclusion.alike(record)
    return _environment().get_template("summary.html.j2").render(
        run=record,
        verdict=conclusion.verdict(record),
        is_stand_in=conclusion.is_stand_in(record),
        reason=conclusion.reason(record),
        red=[group for group in alike if group.first.outcome.is_red],
        fatal=conclusion.seen(record, Weight.FATAL),
        warnings=conclusion.seen(record, Weight.WARNING),
        allowed=conclusion.seen(record, Weight.ALLOWED),
        missing=[(m, missing) for m in record.machines for missing in m.missing],
        notable=[group for group in alike if not group.first.outcome.is_red],
        passed=[test for test in record.tests if test.outcome is Outcome.PASSED],
        layers=tuple(_layers(record)),
        excerpts=tuple(_excerpts(record, excerpts)),
        files=tuple(_files(record)),
    )  # fmt: skip


def console_excerpt(console_text: str, at_line_text: str) -> tuple[str, ...]:
    """Return the console's lines around the first one with `at_line_text`, else its last lines.

    Lines are quoted with their speaker in front, which the console writes in another way: without
    the whole, what follows the speaker is looked for. Of what systemd redraws, the last is kept.
    """
    lines = _console_lines(console_text)
    at = _index_of(lines, at_line_text)
    begin, end = (at - _LINES_BEFORE, at + _LINES_AFTER + 1) if at is not None else (
        len(lines) - _LINES_BEFORE, len(lines)
    )  # fmt: skip
    return tuple(_cut(line) for line in lines[max(begin, 0) : end])


def _console_lines(text: str) -> list[str]:
    ended = text.replace("\r", "\n").split("\n")
    lines = [line for line in (displayed(line).rstrip() for line in ended) if line]
    shown = [systemd_words.progress(line) for line in lines]
    nexts = [*shown[1:], None]
    return [
        line
        for line, job, following in zip(lines, shown, nexts, strict=True)
        if not (job and following and job.what == following.what)
    ]


def _index_of(lines: list[str], text: str) -> int | None:
    spoken = text.partition(": ")[2]
    for wanted in (text.strip(), spoken.strip()):
        found = (n for n, line in enumerate(lines) if wanted and wanted in line)
        if (at := next(found, None)) is not None:
            return at
    return None


def _cut(line: str) -> str:
    return line if len(line) <= _LINE_LENGTH else f"{line[:_LINE_LENGTH]}…"


def _layers(record: RunRecord) -> Iterator[_Layers]:
    for machine in record.machines:
        if machine.before and machine.after:
            yield _Layers(
                machine=machine,
                packages=package_changes(machine.before.packages, machine.after.packages),
                fields=field_changes(machine.before.os_release, machine.after.os_release),
            )


def _excerpts(record: RunRecord, excerpts: Mapping[str, tuple[str, ...]]) -> Iterator[_Excerpt]:
    for machine in record.machines:
        fatal = [sighting for sighting in machine.sightings if sighting.weight is Weight.FATAL]
        quoted = [line.text for sighting in fatal for line in sighting.lines]
        lines = excerpts.get(machine.name, ())
        decisive = {at for text in quoted if (at := _index_of(list(lines), text)) is not None}
        if lines:
            marked = tuple((line, n in decisive) for n, line in enumerate(lines))
            yield _Excerpt(machine=machine, lines=marked)


def _files(record: RunRecord) -> Iterator[_Files]:
    yield _Files(group="run", links=tuple((name, name) for name in (RECORD, JUNIT, PROGRESS)))
    for machine in record.machines:
        links = tuple((name, f"{machine.folder}/{name}") for name in machine.artifacts)
        yield _Files(group=machine.name, links=links)


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(fixture("report")),
        autoescape=True,
        finalize=inert.shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "plain": inert.plain,
        "path_link": inert.path_link,
        "web_link": inert.web_link,
        "seconds": _seconds,
        "share": _share,
        "length_of_time": _length_of_time,
        "size": _size,
        "when": _when,
    }
    environment.globals |= {"timeline_of": timeline.of}
    return environment


def _when(run: RunRecord) -> str:
    """Return when a run was and how long it took; the raw text if that is not a time."""
    try:
        begin = datetime.fromisoformat(run.started)
        end = datetime.fromisoformat(run.ended) if run.ended else None
        begun = f"{begin:%Y-%m-%d %H:%M:%S} UTC"
        if end is None:
            return f"begun {begun}, not ended when this was written"
        return f"{begun}, {_length_of_time((end - begin).total_seconds())}"
    except (ValueError, TypeError):
        return f"{run.started} to {run.ended or 'no end'}"


def _seconds(value_s: float) -> str:
    return f"{value_s:.1f} s"


def _share(value_percent: float) -> str:
    return f"{value_percent:.2f}%"


def _length_of_time(value_s: float) -> str:
    minutes, seconds = divmod(round(value_s), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _size(value_bytes: int) -> str:
    kib = value_bytes / 1024
    return f"{kib / 1024:.1f} MiB" if kib >= 1024 else f"{kib:.0f} KiB"
