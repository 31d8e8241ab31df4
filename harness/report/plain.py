"""Comparisons and trends as plain text, for a terminal and a CI log.

What guests and tests wrote is shown without the control characters that a terminal would obey.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from harness.model.escapes import printable
from harness.model.record import Blame
from harness.report.compare import Comparison, Ending, LayerChanges, PhaseTimes, Side, TestChange
from harness.report.differences import FieldChange, PackageChanges
from harness.report.past import RunName
from harness.report.statistics import DEFAULT, Decision, Judgement
from harness.report.trends import PhaseTrend, RedTest, Steadiness, Trends

_NOT_SEEN = "not known: on one side no machine came to show them"
_NOT_REMEMBERED = "not known: an image has no digest, or no machine came to show them"


def comparison_text(found: Comparison) -> str:
    """Return a comparison as lines, each ended."""
    return _text(_comparison(found))


def trends_text(found: Trends) -> str:
    """Return trends as lines, each ended."""
    return _text(_trends(found))


def _text(lines: Iterable[str]) -> str:
    return printable("".join(f"{line.rstrip()}\n" for line in lines))


def _comparison(found: Comparison) -> Iterator[str]:
    yield from _side("old", found.old)
    yield from _side("new", found.new)
    yield from _section("what was tested", _subject(found))
    tests = found.tests
    yield f"\nturned red: {len(tests.turned_red) or 'nothing'}"
    yield from _test_lines(tests.turned_red)
    for title, changes in (
        ("still red", tests.still_red), ("turned green", tests.turned_green),
        ("new tests", tests.new), ("tests that are gone", tests.gone),
    ):  # fmt: skip
        if changes:
            yield f"\n{title}: {len(changes)}"
            yield from _test_lines(changes)
    yield from _section("new sightings", _sighting_lines(found))
    yield from _section("commands newly missed before live-apply", _missing_lines(found))
    for layer, changed in (("node", found.node), ("bootimage", found.bootimage)):
        yield from _section(f"packages of the {layer}", _layer_packages(changed))
        yield from _section(f"os-release of the {layer}", _layer_fields(changed))
    yield from _section("phases", _phase_lines(found.phases))


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Give the lines under a title, nothing if there are none."""
    if told := list(lines):
        yield f"\n{title}"
        yield from told


def _side(which: str, side: Side) -> Iterator[str]:
    yield f"{which}  {side.id}  {side.started}  {side.state}"


def _subject(found: Comparison) -> Iterator[str]:
    changed = {change.name for change in found.subject}
    same = found.new.subject.items()
    names = found.old.subject | found.new.subject
    width = max(map(len, names), default=0)
    yield from (f"  {name:<{width}}  {value}" for name, value in same if name not in changed)
    yield from _field_lines(found.subject, width)


def _field_lines(changes: Sequence[FieldChange], width: int = 0) -> Iterator[str]:
    width = width or max((len(change.name) for change in changes), default=0)
    for name, old, new in changes:
        yield f"  {name:<{width}}  {_or_dash(old)} -> {_or_dash(new)}"


def _or_dash(text: str | None) -> str:
    return "-" if text is None else text


def _test_lines(changes: Iterable[TestChange]) -> Iterator[str]:
    """Give the tests by what they say: one bad boot turns many of them red at once."""
    groups: defaultdict[tuple[object, ...], list[TestChange]] = defaultdict(list)
    for change in changes:
        alone = "" if change.message else change.id
        groups[change.old, change.new, change.blame, change.message, alone].append(change)
    for first, *others in groups.values():
        turn = f"{_or_dash(first.old)} -> {_or_dash(first.new)}{_blamed(first.blame)}"
        yield f"  {first.id}: {turn}" if not others else f"  {1 + len(others)} tests: {turn}"
        if first.message:
            yield f"      {_first_line(first.message)}"
        if others:
            yield from (f"    - {change.id}" for change in (first, *others))


def _blamed(blame: Blame | None) -> str:
    return f" ({blame})" if blame else ""


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _sighting_lines(found: Comparison) -> Iterator[str]:
    for new in found.sightings:
        seen = new.sighting
        kind = f"{seen.weight}, {seen.blame}"
        yield f"  {new.machine}: {seen.rule} ({kind}) in {seen.phase}: {seen.cause}"


def _missing_lines(found: Comparison) -> Iterator[str]:
    for new in found.missing_commands:
        package = f", which {new.missing.package} brings" if new.missing.package else ""
        yield f"  {new.machine}: {new.missing.caller} calls {new.missing.command}{package}"


def _layer_packages(layer: LayerChanges | None) -> Iterator[str]:
    if layer is None:
        yield f"  {_NOT_SEEN}"
    else:
        yield from _package_lines(layer.packages, "  ")


def _layer_fields(layer: LayerChanges | None) -> Iterator[str]:
    yield from _field_lines(layer.os_release if layer else ())


def _package_lines(changes: PackageChanges, indent: str) -> Iterator[str]:
    if not changes:
        yield f"{indent}the same"
    yield from (f"{indent}- {nevra}" for nevra in changes.removed)
    yield from (f"{indent}+ {nevra}" for nevra in changes.added)
    yield from (f"{indent}  {name}  {old} -> {new}" for name, old, new in changes.changed)


def _phase_lines(phases: Sequence[PhaseTimes]) -> Iterator[str]:
    places = [f"{phase.machine} boot {phase.boot}" for phase in phases]
    titles = [f"{'  ' * phase.depth}{phase.title}" for phase in phases]
    wide, wider = _width(places), _width(titles)
    for place, title, phase in zip(places, titles, phases, strict=True):
        ratio = f"  x {phase.ratio:.2f}" if phase.ratio is not None else ""
        yield (
            f"  {place:<{wide}}  {title:<{wider}}"
            f"  {_took(phase.old_s, phase.old_end)} -> {_took(phase.new_s, phase.new_end)}{ratio}"
        )


def _width(texts: Iterable[str]) -> int:
    return max(map(len, texts), default=0)


def _took(seconds: float | None, ending: Ending = Ending.NOT_REACHED) -> str:
    if seconds is not None:
        return f"{seconds:7.1f} s"
    return f"{'-' if ending is Ending.NOT_REACHED else ending:>9}"


def _trends(found: Trends) -> Iterator[str]:
    yield f"newest of {found.runs} runs: {_run(found.newest)}"
    yield f"\nred in it: {len(found.red) or 'nothing'}"
    yield from _red_lines(found.red)
    yield from _section("wavering tests", _wavering_lines(found.steadiness))
    yield from _section(
        f"phases, held to earlier runs with acceleration {found.acceleration or 'not told'}",
        _trend_lines(found.phases),
    )


def _run(run: RunName) -> str:
    node, bootimage = run.node_image or "not known", run.bootimage or "not known"
    return f"{run.id} of {run.started}, node image {node}, bootimage {bootimage}"


def _red_lines(tests: Sequence[RedTest]) -> Iterator[str]:
    """Give the tests by their common history: one bad image turns many of them red at once."""
    groups: defaultdict[tuple[RunName, RunName | None], list[RedTest]] = defaultdict(list)
    for test in tests:
        groups[test.since, test.last_green].append(test)
    for (since, last_green), group in groups.items():
        yield f"\nred since {_run(since)}"
        yield f"last green: {_run(last_green) if last_green else 'none of the runs looked at'}"
        if last_green:
            yield from _change_lines(group[0])
        for test in group:
            yield f"  {test.id}: {test.outcome}{_blamed(test.blame)}, in a row: {test.red_runs}"
            if test.message:
                yield f"      {_first_line(test.message)}"


def _change_lines(test: RedTest) -> Iterator[str]:
    if test.is_same_images:
        yield "these very images passed: something else changed, or the tests waver"
        return
    for layer, changes in (("node", test.node_packages), ("bootimage", test.bootimage_packages)):
        yield f"packages of the {layer} since then:"
        if changes is None:
            yield f"    {_NOT_REMEMBERED}"
        else:
            yield from _package_lines(changes, "    ")


def _wavering_lines(tests: Iterable[Steadiness]) -> Iterator[str]:
    for test in sorted(tests, key=lambda test: test.rate, reverse=True):
        if test.wavered or test.rig_errors:
            often = f"wavered in {test.wavered} of {test.runs} runs"
            rig = f", errors of the rig apart: {test.rig_errors}" if test.rig_errors else ""
            yield f"  {test.rate:4.0%}  {test.id}: {often}{rig}"


def _trend_lines(phases: Sequence[PhaseTrend]) -> Iterator[str]:
    names = [f"{phase.machine} boot {phase.boot}  {phase.title}" for phase in phases]
    width = _width(names)
    for name, phase in zip(names, phases, strict=True):
        decision = phase.decision
        yield f"  {decision.judgement:<12}  {name:<{width}}  {_numbers(decision)}"


def _numbers(decision: Decision) -> str:
    now = _took(decision.value)
    if decision.judgement is Judgement.TOO_FEW or decision.median is None:
        return f"{now}  {decision.runs} earlier of at least {DEFAULT.least_runs}"
    change = f"{decision.change:+.0%}, " if decision.change is not None else ""
    return (
        f"{now}  {change}z {decision.z:.1f}; median {decision.median:.1f} s,"
        f" MAD {decision.mad:.2f} s of {decision.runs} earlier"
    )
