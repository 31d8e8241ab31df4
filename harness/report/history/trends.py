"""Trends over many runs: since when a test is red, how often it wavers, what became slower.

Pure: a history in, one value out; `plain.py` makes the text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from harness.model.record import Blame, Outcome
from harness.report.differences import PackageChanges, package_changes
from harness.report.history.past import History, PastPhase, PastRun, PastTest, RunName
from harness.report.history.statistics import Decision, decide

_LATEST = 30
"""The number of earlier runs that a phase is compared with; a few weeks of nightly runs."""

_GREEN = (Outcome.PASSED, Outcome.FLAKY)
_SAYS_NOTHING = (Outcome.SKIPPED, Outcome.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class RedTest:
    """A test that is red in the newest run.

    `since` is the first of the runs in a row with this outcome, `red_runs` their number. Runs that
    skipped the test or did not have it do not end the row; neither does, for a failure, an error of
    the rig, which says nothing about the images. `last_green` is the last run before that passed
    it, None if there is none. The package changes are those from `last_green` to `since`; None if
    they are not known: an image without a digest, or without a snapshot.
    """

    id: str
    scenario: str | None
    outcome: Outcome
    blame: Blame | None
    message: str
    since: RunName
    red_runs: int
    last_green: RunName | None
    node_packages: PackageChanges | None
    bootimage_packages: PackageChanges | None

    @property
    def is_same_images(self) -> bool:
        """Whether the same images passed it before."""
        if self.last_green is None or self.since.images is None:
            return False
        return self.last_green.images == self.since.images


@dataclass(frozen=True, slots=True, kw_only=True)
class Steadiness:
    """How often a test wavers; only a test that ran is listed.

    `runs` counts those that judged the images: passed, flaky, failed or allowed. Of these,
    `wavered` were flaky, or differed in colour from the run before them on the same images;
    `rate` is wavered to runs. `rig_errors` are counted apart.
    """

    id: str
    scenario: str | None
    runs: int
    wavered: int
    rate: float
    rig_errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTrend:
    """A phase of the newest run, compared with earlier ones of the same acceleration."""

    scenario: str
    machine: str
    boot: int
    name: str
    title: str
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Trends:
    """The trends up to the newest run; `runs` counts the runs, the newest included."""

    schema: int = 1
    newest: RunName
    acceleration: str
    runs: int
    red: tuple[RedTest, ...]
    steadiness: tuple[Steadiness, ...]
    phases: tuple[PhaseTrend, ...]


def look_back(history: History, scenario: str | None = None) -> Trends | None:
    """Return the trends of one scenario or of all; None without runs."""
    runs = [run for run in (_only(run, scenario) for run in history.runs) if run is not None]
    if not runs:
        return None
    newest = runs[-1]
    red = [test for test in newest.tests.values() if test.outcome.is_red]
    return Trends(
        newest=newest.name,
        acceleration=newest.acceleration,
        runs=len(runs),
        red=tuple(_red_test(test, runs, history.packages) for test in red),
        steadiness=tuple(_steadiness(runs)),
        phases=tuple(_phase_trends(runs)),
    )


def _only(run: PastRun, scenario: str | None) -> PastRun | None:
    """Return the run with what belongs to `scenario` alone, None if it has nothing of it."""
    if scenario is None:
        return run
    tests = {name: test for name, test in run.tests.items() if test.scenario == scenario}
    phases = tuple(phase for phase in run.phases if phase.scenario == scenario)
    if not tests and not phases:
        return None
    return PastRun(name=run.name, acceleration=run.acceleration, tests=tests, phases=phases)


def _red_test(
    test: PastTest, runs: Sequence[PastRun], packages: Mapping[str, tuple[str, ...]]
) -> RedTest:
    past = [*_judgements(test, reversed(runs))]
    streak = [run for run, _ in takewhile(lambda item: item[1] is test.outcome, past)]
    green = next((run for run, outcome in past if outcome in _GREEN), None)
    since = streak[-1]
    return RedTest(
        id=test.id, scenario=test.scenario, outcome=test.outcome, blame=test.blame,
        message=test.message, since=since, red_runs=len(streak), last_green=green,
        node_packages=_changes(packages, green.node_image if green else "", since.node_image),
        bootimage_packages=_changes(packages, green.bootimage if green else "", since.bootimage),
    )  # fmt: skip


def _judgements(test: PastTest, runs: Iterable[PastRun]) -> Iterator[tuple[RunName, Outcome]]:
    """Yield the outcomes of the test, without the runs that say nothing about it."""
    silent = {Outcome.SKIPPED}
    if test.outcome is not Outcome.ERROR:
        silent.add(Outcome.ERROR)
    for run in runs:
        if (past := run.tests.get(test.id)) and past.outcome not in silent:
            yield run.name, past.outcome


def _changes(packages: Mapping[str, tuple[str, ...]], old: str, new: str) -> PackageChanges | None:
    before, after = packages.get(old), packages.get(new)
    return package_changes(before, after) if before and after else None


def _steadiness(runs: Iterable[PastRun]) -> Iterator[Steadiness]:
    outcomes: defaultdict[str, list[tuple[PastRun, PastTest]]] = defaultdict(list)
    for run in runs:
        for test in run.tests.values():
            outcomes[test.id].append((run, test))
    for past in outcomes.values():
        judged = [(run, test) for run, test in past if test.outcome not in _SAYS_NOTHING]
        wavered = _wavered(judged)
        last = past[-1][1]
        yield Steadiness(
            id=last.id, scenario=last.scenario, runs=len(judged), wavered=wavered,
            rate=wavered / len(judged) if judged else 0.0,
            rig_errors=sum(test.outcome is Outcome.ERROR for _, test in past),
        )  # fmt: skip


def _wavered(judged: Iterable[tuple[PastRun, PastTest]]) -> int:
    was_red: dict[tuple[str, str], bool] = {}
    wavered = 0
    for run, test in judged:
        is_red, images = test.outcome.is_red, run.name.images
        wavers = test.outcome is Outcome.FLAKY
        if images is not None:
            wavers |= was_red.get(images, is_red) is not is_red
            was_red[images] = is_red
        wavered += wavers
    return wavered


def _phase_trends(runs: Sequence[PastRun]) -> Iterator[PhaseTrend]:
    newest = runs[-1]
    earlier: defaultdict[tuple[str, str, int, str], list[float]] = defaultdict(list)
    for run in runs[:-1]:
        if run.acceleration == newest.acceleration:
            for phase in run.phases:
                earlier[_key(phase)].append(phase.took_s)
    for phase in newest.phases:
        yield PhaseTrend(
            scenario=phase.scenario, machine=phase.machine, boot=phase.boot,
            name=phase.name, title=phase.title,
            decision=decide(phase.took_s, earlier[_key(phase)][-_LATEST:]),
        )  # fmt: skip


def _key(phase: PastPhase) -> tuple[str, str, int, str]:
    return phase.scenario, phase.machine, phase.boot, phase.name
