"""A machine of a scenario while it runs, for checks and for the player's waits."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.machine.machine import Machine
from harness.model.errors import InputError
from harness.node.ssh import Session
from harness.watching.evidence import Evidence
from harness.watching.watch import Watch


@dataclass(slots=True, kw_only=True)
class Running:
    """A machine that was switched on; `boot` is the number of the boot that a step expects."""

    name: str
    machine: Machine
    watch: Watch
    evidence: Evidence
    boot: int = 1
    logged_in: Session | None = field(default=None)

    @property
    def session(self) -> Session:
        """The SSH session, open from the step `LogIn` on.

        Raises:
            InputError: no step has logged in yet.
        """
        if self.logged_in is None:
            raise InputError(
                f"machine {self.name}", "used by SSH before a step logged in",
                "Put LogIn before this step.",
            )  # fmt: skip
        return self.logged_in
