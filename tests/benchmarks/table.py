"""The one table of all parts, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.figures import Figure, Part

_HEAD = ("part", "figure", "median", "samples", "aim")
_QUIET_LOAD = 0.5  # of each processor, before the part began
_MOST_SAMPLES = 8


def table(parts: Sequence[Part]) -> str:
    """Return the figures of all parts, with what is to be known of the host below."""
    rows = [_HEAD, *(row for part in parts for row in _rows(part))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join([*lines, "", *_host_lines(parts), *_notes(parts)])


def _rows(part: Part) -> Iterator[tuple[str, ...]]:
    for figure in part.figures:
        yield part.name, figure.name, _value(figure), _samples(figure), _aim(figure)
    if part.problem:
        yield part.name, f"NOT COMPLETE: {part.problem}", "", "", ""


def _value(figure: Figure) -> str:
    sign = "~" if figure.is_estimate else ""
    return f"{sign}{_number(figure.value)} {figure.unit}".rstrip()


def _samples(figure: Figure) -> str:
    if len(figure.samples) < 2:
        return ""
    shown = " ".join(map(_number, figure.samples[:_MOST_SAMPLES]))
    more = len(figure.samples) - _MOST_SAMPLES
    return f"{shown} +{more}" if more > 0 else shown


def _aim(figure: Figure) -> str:
    if figure.is_met is None:
        return ""
    words, limit = (
        ("at least", figure.at_least) if figure.at_most is None else ("at most", figure.at_most)
    )
    return f"{words} {limit:g}: {'met' if figure.is_met else 'missed'}"


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"


def _line(row: Sequence[str], widths: Iterable[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _host_lines(parts: Sequence[Part]) -> Iterator[str]:
    for host in dict.fromkeys(part.host for part in parts):
        yield f"host: {host.cpus} CPUs, {host.memory_mib} MiB, Linux {host.kernel}"
    for part in parts:
        end = part.at_end or part.at_start
        others = max(part.at_start.other_qemus, end.other_qemus)
        text = f"{part.name}: {part.began}, load {part.at_start.load} at its start, {end.load} at"
        text += f" its end, {others} other QEMUs seen"
        if part.accelerator:
            text += f", {part.accelerator}"
        if others or part.at_start.load > _QUIET_LOAD * part.host.cpus:
            text += "; NOT A QUIET HOST"
        yield text


def _notes(parts: Sequence[Part]) -> Iterator[str]:
    for part in parts:
        if part.note:
            yield f"{part.name}: {part.note}"
        for figure in part.figures:
            if figure.note:
                yield f"{part.name}, {figure.name}: {figure.note}"
