"""The verdict of a run, the reason for it, and its findings.

Pure: a record in, values out.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath

from harness.model.record import (
    Blame,
    MachineRecord,
    Outcome,
    RunRecord,
    Sighting,
    State,
    TestRecord,
    Weight,
)

STAND_IN_KEYS = ("stand_in", "io.node-image.stand-in")
_YES = ("yes", "true", "1")
# Source: harness/diagnosis/narrate.py, `narrate`.
_DIAGNOSIS = re.compile(
    r"\A(?:PRODUCT|RIG|TEST) failed in .*?"
    r"^  rule: (?P<rule>\S+) .*?^  evidence: (?P<folder>[^\n]+)",
    re.DOTALL | re.MULTILINE,
)
# Source: pytest.ExitCode. 5 is that no test was collected.
_ENDINGS = {2: "interrupted", 3: "pytest failed", 4: "wrong usage", 5: "no tests ran"}


class Tone(StrEnum):
    """The colour of a verdict."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The run in a few words, and how many tests had which outcome, the worst first."""

    tone: Tone
    headline: str
    counts: tuple[tuple[Outcome, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A sighting, with the machine that it was seen on."""

    machine: MachineRecord
    sighting: Sighting

    @property
    def phase(self) -> str:
        """The title of its phase, or its name if the machine was never in it."""
        named = (p.title for p in self.machine.phases if p.name == self.sighting.phase)
        return next(named, self.sighting.phase)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Tests that came to the same end with the same words, as after a boot that failed."""

    tests: tuple[TestRecord, ...]

    @property
    def first(self) -> TestRecord:
        """The test that stands for all."""
        return self.tests[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a run is red: the worst tests, the sighting behind them, and how many others are red.

    At least one of `tests` and `seen` is set: `tests` if tests are red, `seen` if a rule matched.
    """

    tests: Alike | None = None
    seen: Seen | None = None
    others: int = 0


_ORDER = (
    Outcome.FAILED, Outcome.ERROR, Outcome.FLAKY, Outcome.ALLOWED, Outcome.SKIPPED, Outcome.PASSED,
)  # fmt: skip


def verdict(record: RunRecord) -> Verdict:
    """Return the verdict; a fault of the images comes before a problem of the rig."""
    found = Counter(test.outcome for test in record.tests)
    counts = tuple((outcome, found[outcome]) for outcome in _ORDER if found[outcome])
    tone, headline = _headline(record)
    return Verdict(tone=tone, headline=headline, counts=counts)


def seen(record: RunRecord, weight: Weight) -> tuple[Seen, ...]:
    """Return the sightings of a weight on all machines, each machine's in the order of time."""
    return tuple(
        Seen(machine=machine, sighting=sighting)
        for machine in record.machines
        for sighting in sorted(machine.sightings, key=lambda sighting: sighting.at_s)
        if sighting.weight is weight
    )


def alike(record: RunRecord) -> tuple[Alike, ...]:
    """Return the tests that did not plainly pass, the worst first, grouped by what they say."""
    groups: dict[tuple[object, ...], list[TestRecord]] = {}
    for test in sorted(record.tests, key=lambda test: _ORDER.index(test.outcome)):
        if test.outcome is not Outcome.PASSED:
            key = (test.outcome, test.blame, test.message, test.allowed_by)
            groups.setdefault(key, []).append(test)
    return tuple(Alike(tests=tuple(tests)) for tests in groups.values())


def reason(record: RunRecord) -> Reason | None:
    """Return why a run is red, None if it is not.

    What a machine met counts by itself only in a run without tests: a suite may break machines on
    purpose.
    """
    red = [group for group in alike(record) if group.first.outcome.is_red]
    if red:
        others = sum(len(group.tests) for group in red[1:])
        return Reason(tests=red[0], seen=_diagnosis(record, red[0].first.message), others=others)
    fatal = () if record.tests else seen(record, Weight.FATAL)
    return Reason(seen=fatal[0]) if fatal else None


def is_stand_in(record: RunRecord) -> bool:
    """Return whether images that were built here from Debian packages were tested."""
    if any(record.subject.get(key, "").lower() in _YES for key in STAND_IN_KEYS):
        return True
    layers = (layer for m in record.machines for layer in (m.before, m.after) if layer)
    return any("STAND_IN" in layer.os_release for layer in layers)


def blames(record: RunRecord) -> tuple[Blame, ...]:
    """Return the blames of the red tests, or of the fatal sightings in a run without tests."""
    red = {blame_of(test) for test in record.tests if test.outcome.is_red}
    if not record.tests:
        red = {found.sighting.blame for found in seen(record, Weight.FATAL)}
    return tuple(blame for blame in (Blame.PRODUCT, Blame.TEST, Blame.RIG) if blame in red)


def blame_of(test: TestRecord) -> Blame:
    """Return the blame of a red test; one without a note is attributed by its outcome."""
    if test.blame is not None:
        return test.blame
    return Blame.RIG if test.outcome is Outcome.ERROR else Blame.TEST


def _diagnosis(record: RunRecord, message: str) -> Seen | None:
    """Return the sighting that a test's message quotes; the folder names its machine."""
    quoted = _DIAGNOSIS.search(message)
    if quoted is None:
        return None
    folder = PurePosixPath(quoted["folder"].strip()).name
    candidates = [
        found
        for found in seen(record, Weight.FATAL)
        if found.sighting.rule == quoted["rule"]
        and PurePosixPath(found.machine.folder).name == folder
    ]
    exact = (found for found in candidates if found.sighting.cause in message)
    return next(exact, candidates[0] if candidates else None)


def _headline(record: RunRecord) -> tuple[Tone, str]:
    red = blames(record)
    why = " and ".join(blame.value for blame in red)
    if record.state is State.INTERRUPTED:
        return Tone.UNFINISHED, f"Interrupted; red so far: {why}" if red else "Interrupted"
    if red == (Blame.RIG,):
        return Tone.ERROR, "Error: rig"
    if red:
        return Tone.FAILED, f"Failed: {why}"
    if not record.ended:
        return Tone.UNFINISHED, "Unfinished"
    if record.exit_code:
        ending = _ENDINGS.get(record.exit_code, f"pytest's exit code is {record.exit_code}")
        return Tone.ERROR, f"Error: {ending}"
    if not record.tests and record.shard is not None:
        return Tone.PASSED, "Passed: no tests in this shard"
    if not record.tests:
        return Tone.ERROR, "Error: no tests ran"
    return Tone.PASSED, "Passed"
