"""The errors of the harness, by what is at fault: the rig, the product or the suite.

Every room raises from this tree and no other. Nothing here formats tracebacks or exits: `plugin.py`
turns a `RigError` into a pytest error and the others into a failure; `cli.py` prints any of them.

    HarnessError
    ├── RigError               the host, a download, the harness itself: pytest *error*
    │   ├── InputError         what the user named is wrong: input, problem, remedy
    │   └── DeadlineError      a rig wait ran out; carries the last reason it was still waiting
    ├── ProductError           the image under test misbehaved: pytest *failure*
    └── SuiteError             what the suite brought, as its Ignition, is wrong: pytest *failure*
"""

from __future__ import annotations

from harness.model.record import Blame, Sighting


class HarnessError(Exception):
    """Any error that the harness reports in one message without a traceback.

    `sighting` is the diagnosis if a rule matched.
    """

    blame = Blame.RIG

    def __init__(self, text: str, sighting: Sighting | None = None) -> None:
        super().__init__(text)
        self.sighting = sighting


class RigError(HarnessError):
    """The host, the network or the harness failed; the image under test is not to blame."""


class InputError(RigError):
    """What the user named cannot be used.

    `subject` is the input as given, `problem` what is wrong with it, `remedy` the way out.
    """

    def __init__(self, subject: str, problem: str, remedy: str) -> None:
        super().__init__(f"{subject}: {problem}\n  way out: {remedy}")
        self.subject = subject
        self.problem = problem
        self.remedy = remedy


class DeadlineError(RigError):
    """A wait ran out of time. `waited_for` is the goal, `reason` why it was not reached yet."""

    def __init__(self, waited_for: str, limit_s: float, reason: str) -> None:
        super().__init__(f"gave up on {waited_for} after {limit_s:.0f} s: {reason}")
        self.waited_for = waited_for
        self.limit_s = limit_s
        self.reason = reason


class ProductError(HarnessError):
    """The image under test did not do what its design promises."""

    blame = Blame.PRODUCT


class SuiteError(HarnessError):
    """What the suite itself brought is at fault: its Ignition config, its units, its limits."""

    blame = Blame.TEST


def blamed(sighting: Sighting, text: str) -> HarnessError:
    """Return the error for a fatal sighting, of the kind that its rule blames."""
    kinds = {Blame.PRODUCT: ProductError, Blame.RIG: RigError, Blame.TEST: SuiteError}
    return kinds[sighting.blame](text, sighting)
