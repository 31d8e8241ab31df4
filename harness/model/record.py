"""What a run leaves for those who read it later: plain values, the form of `report.json`.

Written by the scenarios (one `MachineRecord` a machine) and by the plugin (one `RunRecord` a run),
read by everything that reports. A field added here is optional and has a default; a field changed
or removed needs another `SCHEMA`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

SCHEMA = 2
"""The version of the form; readers refuse a newer one."""


class Blame(StrEnum):
    """Whose trouble it is: of the images, of host and harness, or of what the suite brought."""

    PRODUCT = "product"
    RIG = "rig"
    TEST = "test"


class Weight(StrEnum):
    """What a sighting means for the run: its end, a note, or a note that somebody signed for."""

    FATAL = "fatal"
    WARNING = "warning"
    ALLOWED = "allowed"


class Outcome(StrEnum):
    """What became of a test. `flaky` passed at a rerun; `allowed` failed as an allow-list says."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"
    FLAKY = "flaky"
    ALLOWED = "allowed"

    @property
    def is_red(self) -> bool:
        """Whether it makes the run red."""
        return self in (Outcome.FAILED, Outcome.ERROR)


class State(StrEnum):
    """How far a run or a machine has come; one that was killed stays in the state it had."""

    RUNNING = "running"
    UP = "up"
    FAILED = "failed"
    FINISHED = "finished"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRecord:
    """One phase of a machine's way up; seconds since power-on, by the host's clock.

    `end_s` is None while it lasts. `boot` counts the machine's boots from 1. `depth` is 0 for the
    chain of phases that follow each other, 1 for those that lie within them.
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
    """A line of a stream as it is quoted: where it was seen, and when after power-on."""

    stream: str
    at_s: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A rule that matched: what it means, and the lines that show it.

    `count` is how often it matched; `lines` holds the first few. `allowed_by` is the tracker's link
    when an allow-list entry signed for it.
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
    """A command that was called before live-apply and was not there.

    `package` is the node layer's package that brings it, None when none does or it is not known.
    """

    caller: str
    command: str
    package: str | None
    line: QuotedLine


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRecord:
    """What a snapshot of the node shows of its layer: packages as NEVRA, sorted, and os-release."""

    packages: tuple[str, ...] = ()
    os_release: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRecord:
    """One machine that was switched on. `folder` holds its evidence, relative to the run's.

    `installer` tells of the installer's own config that it was given, empty if it was none.
    `memory_peaks_mib` is what a live system kept in memory at most, by where it lay.
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
    before: LayerRecord | None = None
    after: LayerRecord | None = None
    installer: str = ""
    memory_peaks_mib: dict[str, int] = field(default_factory=dict)
    qemu_peak_bytes: int = 0
    evidence_bytes: int = 0
    evidence_cpu_s: float = 0.0
    artifacts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRecord:
    """One test. `blame` is None unless it is red or allowed; `attempts` counts its runs."""

    __test__ = False  # pytest: this is no test class

    id: str
    outcome: Outcome
    blame: Blame | None = None
    duration_s: float = 0.0
    message: str = ""
    scenario: str | None = None
    attempts: int = 1
    allowed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A whole run. `subject` is what was tested (digests, versions), `host` where it ran.

    `started` and `ended` are UTC in ISO 8601; `ended` is empty while the run lasts or if it was
    killed.
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
