"""The watch of a fork: it keeps what the machine writes, and notices that it stopped.

No rule of diagnosis judges a fork. It has no boot to watch, and what its test breaks is on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from harness.machine.driver import is_guests_doing
from harness.machine.machine import Machine
from harness.model.clock import SYSTEM_CLOCK, Clock, Deadline, utc_now
from harness.model.errors import HarnessError, ProductError, RigError
from harness.model.record import MachineRecord, PhaseRecord, State
from harness.watching.evidence import Evidence
from harness.watching.streams import Streams

_LOOK_S = 0.5


class ForkWatch:
    """Watches a fork of a machine of `scenario`, which had started so many kernels before."""

    def __init__(
        self,
        *,
        machine: Machine,
        evidence: Evidence,
        scenario: str,
        checkpoint: str,
        boots: int,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        name = evidence.folder.name
        self.machine = machine
        self._evidence = evidence
        self._streams = Streams(machine, evidence)
        self._clock = clock
        self._began_s = clock.monotonic()
        self._boots = boots
        self._record = MachineRecord(
            name=name, scenario=scenario, folder=name, started=utc_now(), checkpoint=checkpoint
        )

    @property
    def boots(self) -> int:
        """How many kernels the machine has started, those before the checkpoint included."""
        return self._boots + max(0, len(self._streams.boot_ids) - 1)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the fork was started."""
        return self._clock.monotonic() - self._began_s

    @property
    def record(self) -> MachineRecord:
        """The report of the machine so far."""
        return replace(
            self._record, elapsed_s=round(self.elapsed_s, 1), boots=self.boots,
            evidence_bytes=self._evidence.size_bytes, artifacts=self._evidence.names,
        )  # fmt: skip

    def check_alive(self) -> None:
        """Keep the news, and return while the machine runs.

        Raises:
            ProductError: the guest switched itself off, or crashed.
            RigError: QEMU ended.
        """
        self._streams.read(self.elapsed_s, Deadline.after(_LOOK_S, self._clock))
        if (reason := self.machine.why_stopped()) is None:
            return
        subject, problem = f"fork {self._record.name}", f"its machine stopped: {reason}"
        if is_guests_doing(reason):
            raise ProductError(subject, f"{problem}\n  evidence: {self._evidence.folder}")
        raise RigError(subject, problem, f"Look at QEMU's messages in {self._evidence.folder}.")

    @contextmanager
    def phase(self, name: str, title: str) -> Iterator[None]:
        """Record the block as a phase of the machine."""
        begin_s, is_failed = self.elapsed_s, False
        try:
            yield
        except HarnessError:
            is_failed = True
            raise
        finally:
            record = PhaseRecord(
                name=name, title=title, boot=self.boots, depth=1, begin_s=round(begin_s, 2),
                end_s=round(self.elapsed_s, 2), is_failed=is_failed,
            )  # fmt: skip
            self.note(phases=(*self._record.phases, record))

    def note(self, **changes: object) -> None:
        """Change fields of the machine's record, and write it."""
        self._record = replace(self._record, **changes)  # type: ignore[arg-type]  # by field name
        self._evidence.keep_record(self.record)

    def finish(self) -> None:
        """Read and keep the last output."""
        self._streams.read(self.elapsed_s, Deadline.after(_LOOK_S, self._clock))
        self._evidence.finish()
        peak = self.machine.peak_memory_bytes()
        self.note(state=State.FINISHED, qemu_peak_bytes=peak)
