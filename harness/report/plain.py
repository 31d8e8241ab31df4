"""Comparisons and trends as plain text, for a terminal and a CI log.

What guests and tests wrote is shown on one line each, without the control characters that a
terminal would obey. The words and the order are in `fixtures/report/comparison.txt.j2` and
`trends.txt.j2`.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.folders import fixture
from harness.model.escapes import one_line
from harness.report.compare import Comparison, Ending, PhaseTimes, TestChange
from harness.report.differences import FieldChange
from harness.report.history.statistics import DEFAULT, Decision, Judgement
from harness.report.history.trends import PhaseTrend, RedTest, Trends

_T = TypeVar("_T")
Cells = tuple[str, ...]
# Of a column. Each row is as wide as its columns: one cell of megabytes would be too much memory.
_WIDEST = 200
_DEEPEST = 8


def comparison_text(found: Comparison) -> str:
    """Return a comparison as lines, each ended."""
    return _rendered("comparison.txt.j2", found=found, subject=tuple(_subject(found)))


def trends_text(found: Trends) -> str:
    """Return trends as lines, each ended."""
    wavering = [test for test in found.steadiness if test.wavered or test.rig_errors]
    wavering.sort(key=lambda test: test.rate, reverse=True)
    return _rendered("trends.txt.j2", found=found, wavering=wavering)


def _rendered(template: str, **values: object) -> str:
    text = _environment().get_template(template).render(values)
    return "".join(f"{line.rstrip()}\n" for line in text.rstrip("\n").split("\n"))


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(fixture("report")),
        autoescape=True,  # so that `_shown` can tell the output of macros from values
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "aligned": _aligned,
        "alike": _alike,
        "of_one_history": _of_one_history,
        "changed": _changed,
        "phase_row": _phase_row,
        "trend_row": _trend_row,
        "dash": _dash,
        "first_line": _first_line,
    }
    return environment


def _shown(value: object) -> Markup:
    """Return a value of a template on one line; the output of a macro as it is."""
    return value if isinstance(value, Markup) else Markup(one_line(str(value)))  # noqa: S704 - no HTML


def _aligned(rows: Iterable[Cells]) -> Iterator[str]:
    """Give rows as lines, with each column but the last as wide as its widest cell."""
    every = [tuple(map(one_line, row)) for row in rows]
    widths = [min(max(map(len, column)), _WIDEST) for column in zip(*every, strict=True)]
    for row in every:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _grouped(items: Iterable[_T], key: Callable[[_T], Hashable]) -> list[list[_T]]:
    groups: defaultdict[Hashable, list[_T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return list(groups.values())


def _alike(changes: Iterable[TestChange]) -> list[list[TestChange]]:
    """Group the tests by what they say: one bad boot turns many of them red at once."""
    return _grouped(
        changes, lambda c: (c.old, c.new, c.blame, c.message, "" if c.message else c.id)
    )


def _of_one_history(tests: Iterable[RedTest]) -> list[list[RedTest]]:
    """Group the tests by their history: one bad image turns many of them red at once."""
    return _grouped(tests, lambda test: (test.since, test.last_green))


def _subject(found: Comparison) -> Iterator[Cells]:
    changed = {change.name for change in found.subject}
    yield from (item for item in found.new.subject.items() if item[0] not in changed)
    yield from _changed(found.subject)


def _changed(changes: Iterable[FieldChange]) -> Iterator[Cells]:
    for name, old, new in changes:
        yield name, f"{_dash(old)} -> {_dash(new)}"


def _phase_row(phase: PhaseTimes) -> Cells:
    old, new = _took(phase.old_s, phase.old_end), _took(phase.new_s, phase.new_end)
    ratio = f"  x {phase.ratio:.2f}" if phase.ratio is not None else ""
    title = f"{'  ' * min(phase.depth, _DEEPEST)}{phase.title}"
    return f"{phase.machine} boot {phase.boot}", title, f"{old} -> {new}{ratio}"


def _trend_row(phase: PhaseTrend) -> Cells:
    name = f"{phase.machine} boot {phase.boot}  {phase.title}"
    return f"{phase.decision.judgement:<12}", name, _numbers(phase.decision)


def _numbers(decision: Decision) -> str:
    now = _took(decision.value)
    if decision.judgement is Judgement.TOO_FEW or decision.median is None:
        return f"{now}  {decision.runs} earlier of at least {DEFAULT.least_runs}"
    change = f"{decision.change:+.0%}, " if decision.change is not None else ""
    return (
        f"{now}  {change}z {decision.z:.1f}; median {decision.median:.1f} s,"
        f" MAD {decision.mad:.2f} s of {decision.runs} earlier"
    )


def _took(seconds: float | None, ending: Ending = Ending.NOT_REACHED) -> str:
    if seconds is not None:
        return f"{seconds:7.1f} s"
    return f"{'-' if ending is Ending.NOT_REACHED else ending:>9}"


def _dash(text: str | None) -> str:
    return "-" if text is None else text


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
