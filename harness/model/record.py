"""The record of a run: plain values, in the format of `report.json`.

Scenarios write a `MachineRecord` for each machine, and the plugin a `RunRecord` for each run. All
reports read them. A new field needs a default. A changed or removed field needs a new `SCHEMA`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

SCHEMA = 2
"""The version of the format; readers refuse a newer one."""


class Blame(StrEnum):
    """What is at fault: the images, the host and harness, or the suite's own input."""

    PRODUCT = "product"
    RIG = "rig"
    TEST = "test"


class Weight(StrEnum):
    """The effect of a sighting: failure, warning, or a fault that an allow-list permits."""

    FATAL = "fatal"
    WARNING = "warning"
    ALLOWED = "allowed"


class Outcome(StrEnum):
    """A test's outcome. `flaky`: passed in a rerun; `allowed`: failed as an allow-list permits."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    FLAKY = "flaky"
    ALLOWED = "allowed"

    @property
    def is_red(self) -> bool:
        """Whether this outcome makes the run red."""
        return self in (Outcome.FAILED, Outcome.ERROR)


class State(StrEnum):
    """The state of a run or a machine. A killed one keeps its last state."""

    RUNNING = "running"
    UP = "up"
    FAILED = "failed"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRecord:
    """One phase of a machine; seconds since power-on, by the host's clock.

    `end_s` is None until the phase ends. `boot` counts the machine's boots from 1. `depth` is 0 for
    phases that follow one another, 1 for phases within them.
    """

    name: str
    title: str
    begin_s: float
    end_s: float | None = None
    boot: int = 1
    depth: int = 0
    is_failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedLine:
    """A quoted line of a stream, with the seconds since power-on."""

    stream: str
    at_s: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A rule that matched: what it means, and the lines that show it.

    `count` is how often it matched; `lines` are the first few. `allowed_by` is the tracker's link
    of the allow-list entry that permits it.
    """

    rule: str
    weight: Weight
    blame: Blame
    phase: str
    at_s: float
    cause: str
    advice: str
    source: str
    lines: tuple[QuotedLine, ...] = ()
    count: int = 1
    allowed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingCommand:
    """A command that was called before live-apply and was missing.

    `package` is its package in the node layer; None if there is none or it is unknown.
    """

    caller: str
    command: str
    package: str | None
    line: QuotedLine

    @property
    def what(self) -> str:
        """What was missing."""
        return self.command

    def __str__(self) -> str:
        return f"{self.caller} called {self.command}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingUnit:
    """A unit that was to be started or enabled before live-apply and was missing.

    `package` is its package in the node layer; None if there is none or it is unknown.
    """

    caller: str
    unit: str
    package: str | None
    line: QuotedLine

    @property
    def what(self) -> str:
        """What was missing."""
        return self.unit

    def __str__(self) -> str:
        return f"{self.caller} asked for {self.unit}"


Missing = MissingCommand | MissingUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRecord:
    """The packages of a snapshot, as sorted NEVRAs, and the fields of its os-release."""

    packages: tuple[str, ...] = ()
    os_release: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRecord:
    """One machine that was started. `folder` is its evidence, relative to the run's folder.

    `installer` describes the installer's config that it booted; empty for other configs.
    `node_image` is the image that it pulled; empty if unknown.
    `checkpoint` is what a fork started from; empty for a machine that was booted.
    `memory_peaks_mib` is the peak memory use of a live system's folders, by path.
    """

    name: str
    scenario: str
    folder: str
    state: State = State.RUNNING
    started: str = ""
    elapsed_s: float = 0.0
    boots: int = 0
    phases: tuple[PhaseRecord, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    missing_commands: tuple[MissingCommand, ...] = ()
    missing_units: tuple[MissingUnit, ...] = ()
    before: LayerRecord | None = None
    after: LayerRecord | None = None
    installer: str = ""
    node_image: str = ""
    checkpoint: str = ""
    memory_peaks_mib: dict[str, int] = field(default_factory=dict)
    qemu_peak_bytes: int = 0
    evidence_bytes: int = 0
    evidence_cpu_s: float = 0.0
    artifacts: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What was called before live-apply and was missing: commands, then units."""
        return (*self.missing_commands, *self.missing_units)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRecord:
    """One test. `blame` is None unless the test is red or allowed; `attempts` counts its runs.

    `node` says whether its node was booted `cold` or `forked`; empty if it used none.
    """

    __test__ = False  # for pytest: not a test class

    id: str
    outcome: Outcome
    blame: Blame | None = None
    duration_s: float = 0.0
    message: str = ""
    scenario: str | None = None
    attempts: int = 1
    allowed_by: str | None = None
    node: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRecord:
    """Which shard of a suite a run was: the one with a `number`, from 1, of a `count` of them.

    `tests` is the number of tests in all shards together, `selection` a digest of those tests and
    of their distribution. 0 and empty if the run was killed before it knew them.
    """

    number: int
    count: int
    tests: int = 0
    selection: str = ""

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A whole run. `subject` is what was tested (digests, versions), `host` where it ran.

    `started` and `ended` are UTC in ISO 8601; `ended` is empty if the run is active or was killed.
    `shard` is None if the run had all tests.
    """

    schema: int = SCHEMA
    id: str
    state: State = State.RUNNING
    started: str
    ended: str = ""
    exit_code: int | None = None
    subject: dict[str, str]
    host: dict[str, str]
    machines: tuple[MachineRecord, ...] = ()
    tests: tuple[TestRecord, ...] = ()
    notes: tuple[str, ...] = ()
    shard: ShardRecord | None = None
