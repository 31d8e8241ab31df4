"""One run made of several: the shards of a suite, each of which ran its part of the tests.

Pure: records in, a record or the problems out. What was tested must be the same in all shards, and
no test may be in two. A shard that is missing or was killed leaves a note, and the whole counts as
interrupted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from harness.model.clock import moment_of
from harness.model.errors import InputError
from harness.model.escapes import one_line
from harness.model.record import MachineRecord, RunRecord, ShardRecord, State
from harness.model.shard import MOST_SHARDS

_SAME = frozenset({
    "expectations", "node_image_version", "os_stream", "hardware", "config_release", "stand_in",
})  # fmt: skip
_SAME_ENDINGS = ("_digest", "_sha256")
_HARNESS = "harness"
# Source: pytest.ExitCode.
_TESTS_FAILED = 1
_INTERRUPTED = 2
_NAMED = 5
_MOST_TESTS = 10_000_000
_REMEDY = "Name one run of each shard, all of one command on the same tests and images."


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A shard's run. `where` names it in errors, `folder` is that of its evidence in the whole."""

    where: str
    folder: str
    shard: ShardRecord
    run: RunRecord


def part(where: str, run: RunRecord) -> Part:
    """Return a run as a part of a whole.

    Raises:
        InputError: it was no shard.
    """
    if run.shard is None:
        problem = "the run was no shard; it has all tests"
        raise InputError(where, problem, "Name runs of `pytest --shard K/N`.")
    shard = run.shard
    if not (1 <= shard.number <= shard.count <= MOST_SHARDS and 0 <= shard.tests <= _MOST_TESTS):
        problem = f"its record has a shard that cannot be: {shard} of {shard.tests} tests"
        raise InputError(where, problem, "Name runs of `pytest --shard K/N`.")
    try:
        for text in (run.started, *([run.ended] if run.ended else [])):
            moment_of(text)
    except ValueError as exc:
        problem = f"its record has an impossible time: {exc}"
        raise InputError(where, problem, "Name the folder as its run left it.") from exc
    return Part(where=where, folder=f"shard-{shard.number}", shard=shard, run=run)


def merge(parts: Sequence[Part]) -> RunRecord:
    """Return the run that all parts are together.

    Raises:
        InputError: they are not parts of one whole; names everything that contradicts that.
    """
    ordered = sorted(parts, key=lambda part: part.shard.number)
    if problems := [one_line(problem) for problem in _problems(ordered)]:
        raise InputError("the shards", "; ".join(problems), _REMEDY)
    runs = [part.run for part in ordered]
    is_whole = not any(_lacking(ordered))
    return RunRecord(
        id=f"{runs[0].id}-merged",
        state=State.FINISHED if is_whole else State.INTERRUPTED,
        started=min((run.started for run in runs), key=moment_of),
        ended=max((run.ended for run in runs if run.ended), key=moment_of, default=""),
        exit_code=_exit_code(runs, is_whole=is_whole),
        subject=_joined([run.subject for run in runs]),
        host=_joined([run.host for run in runs]),
        machines=tuple(_machines(ordered)),
        tests=tuple(test for run in runs for test in run.tests),
        notes=tuple(map(one_line, _notes(ordered))),
    )


def _problems(parts: Sequence[Part]) -> Iterator[str]:
    yield from _different(parts, "of another number of shards", lambda p: str(p.shard.count))
    yield from _different(parts, "of other tests or another --history", lambda p: p.shard.selection)
    harness = "of another version of the harness"
    yield from _different(parts, harness, lambda p: p.run.host.get(_HARNESS, ""))
    for name in sorted({name for part in parts for name in part.run.subject if _is_same(name)}):
        yield from _different(parts, f"of another {name}", partial(_tested, name))
    yield from _doubled_shards(parts)
    yield from _doubled_tests(parts)


def _tested(name: str, part: Part) -> str:
    return part.run.subject.get(name, "")


def _different(parts: Sequence[Part], what: str, value: Callable[[Part], str]) -> Iterator[str]:
    """Name the parts whose value is not that of most; a part that does not know it has none."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for part in parts:
        if found := value(part):
            groups[found].append(part.where)
    usual = max(groups, key=lambda found: len(groups[found]), default="")
    for found, where in groups.items():
        if found != usual:
            yield f"{_named(where)}: {what} ({found}, the others {usual})"


def _is_same(name: str) -> bool:
    return name in _SAME or name.endswith(_SAME_ENDINGS)


def _doubled_shards(parts: Sequence[Part]) -> Iterator[str]:
    groups: defaultdict[int, list[str]] = defaultdict(list)
    for part in parts:
        groups[part.shard.number].append(part.where)
    for number, where in groups.items():
        if len(where) > 1:
            yield f"shard {number} is there {len(where)} times ({_named(where)})"


def _doubled_tests(parts: Sequence[Part]) -> Iterator[str]:
    counted = Counter(test for part in parts for test in {test.id for test in part.run.tests})
    doubled = sorted(test for test, count in counted.items() if count > 1)
    if doubled:
        yield f"in several shards: {len(doubled)} tests ({_named(doubled)})"


def _lacking(parts: Sequence[Part]) -> Iterator[str]:
    """Give what keeps the whole from being finished."""
    count = parts[0].shard.count
    have = {part.shard.number for part in parts}
    missing = [str(number) for number in range(1, count + 1) if number not in have]
    if missing:
        yield f"missing of {count} shards: {_named(missing)}"
    for part in parts:
        if part.run.state is not State.FINISHED:
            yield f"shard {part.shard} was interrupted ({part.where})"
    selected = max(part.shard.tests for part in parts)
    ran = len({test.id for part in parts for test in part.run.tests})
    if selected > ran:
        yield f"{selected - ran} of {selected} tests have no result"


def _notes(parts: Sequence[Part]) -> Iterator[str]:
    yield from _lacking(parts)
    yield from _different_hosts(parts)
    for part in parts:
        yield from (f"shard {part.shard}: {note}" for note in part.run.notes)


def _different_hosts(parts: Sequence[Part]) -> Iterator[str]:
    yield from _different(parts, "with another acceleration", partial(_tested, "acceleration"))


def _exit_code(runs: Sequence[RunRecord], *, is_whole: bool) -> int:
    """Return pytest's exit code for the whole: failed tests count most, then the rig.

    A red test counts by itself: another plugin may have ended its run with 0.
    """
    codes = {code for run in runs if (code := run.exit_code)}
    is_red = any(test.outcome.is_red for run in runs for test in run.tests)
    if _TESTS_FAILED in codes or (is_red and not codes):
        return _TESTS_FAILED
    return max(codes, default=0 if is_whole else _INTERRUPTED)


def _joined(found: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return all values of each name, those that differ beside each other."""
    values: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for each in found:
        for name, value in each.items():
            values[name][value] = None
    return {name: " | ".join(different) for name, different in values.items()}


def _machines(parts: Sequence[Part]) -> Iterator[MachineRecord]:
    """Give the machines; a name that two shards have gets the shard's number."""
    counted = Counter(machine.name for part in parts for machine in part.run.machines)
    for part in parts:
        for machine in part.run.machines:
            is_double = counted[machine.name] > 1
            name = f"{machine.name}-{part.folder}" if is_double else machine.name
            yield replace(machine, name=name, folder=f"{part.folder}/{machine.folder}")


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
