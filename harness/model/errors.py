"""The errors of the harness, by what is at fault: the rig, the product or the suite.

Every room raises from this tree and no other. Nothing here formats tracebacks or exits: `plugin`
turns a `RigError` into a pytest error and the others into a failure; `cli.py` prints any of them.

    HarnessError
    ├── RigError               the host, a download, the harness itself: pytest *error*
    │   ├── InputError         what the user named cannot be used
    │   └── DeadlineError      a wait of the rig timed out; has the reason of the last try
    ├── ProductError           the image under test misbehaved: pytest *failure*
    └── SuiteError             the suite's own input, such as Ignition, is wrong: pytest *failure*

A message reads `bootimage.qcow2: not a disk image. Use a qcow2 image.`: where, what is wrong, what
to do. The problem is a phrase without a full stop, the remedy a sentence that begins with a verb.
"""

from __future__ import annotations

import re

from harness.model.escapes import printable
from harness.model.record import Blame, Sighting
from harness.model.url_secrets import with_shown_urls

_MOST = 1000
_LONG_WORD = re.compile(rf"\S{{{_MOST + 1},}}")


class HarnessError(Exception):
    """Base of all errors that need no traceback.

    `subject` names where the problem is, `problem` what is wrong, `remedy` what to do. A `subject`
    without a problem is the whole message, as for a finding. `sighting` is the diagnosis if a rule
    made one. All may quote images, servers, guests and arguments: they lose what a terminal would
    obey, URLs lose their passwords and queries, and what is too long to read loses its middle.
    """

    blame = Blame.RIG

    def __init__(
        self,
        subject: str,
        problem: str = "",
        remedy: str = "",
        *,
        sighting: Sighting | None = None,
    ) -> None:
        subject, problem, remedy = map(_shown, (subject, problem, remedy))
        if problem:
            subject, problem = _cut(subject), _LONG_WORD.sub(lambda found: _cut(found[0]), problem)
        super().__init__(_message(subject, problem, remedy))
        self.subject = subject
        self.problem = problem
        self.remedy = remedy
        self.sighting = sighting


def reason_of(exc: Exception) -> str:
    """Return the text of another program's error, or its kind: some have no text."""
    return str(exc) or type(exc).__name__


def _shown(text: str) -> str:
    return with_shown_urls(printable(text))


def _cut(text: str) -> str:
    if len(text) <= _MOST:
        return text
    return f"{text[: _MOST // 2]} … ({len(text) - _MOST} characters) … {text[-_MOST // 2 :]}"


def _message(subject: str, problem: str, remedy: str) -> str:
    stated = f"{subject}: {problem}" if problem else subject
    if not remedy:
        return stated
    # Output of another program is a problem of many lines; the remedy does not end its last one.
    return f"{stated}\n{remedy}" if "\n" in problem else f"{stated.removesuffix('.')}. {remedy}"


class RigError(HarnessError):
    """The host, the network or the harness failed; the image under test is not to blame."""


class InputError(RigError):
    """An input that the user named cannot be used."""

    def __init__(self, subject: str, problem: str, remedy: str) -> None:
        super().__init__(subject, problem, remedy)


class DeadlineError(RigError):
    """A wait ran out of time. `waited_for` is the goal, `reason` why it was not reached yet."""

    def __init__(self, waited_for: str, limit_s: float, reason: str, remedy: str = "") -> None:
        super().__init__(waited_for, f"timed out after {limit_s:.0f} s: {reason}", remedy)
        self.waited_for = self.subject
        self.limit_s = limit_s
        self.reason = _shown(reason)


class ProductError(HarnessError):
    """The image under test did not do what its design promises."""

    blame = Blame.PRODUCT


class SuiteError(HarnessError):
    """The suite's own input is at fault: its Ignition config, its units, its limits."""

    blame = Blame.TEST


def blamed(sighting: Sighting, text: str) -> HarnessError:
    """Return the error for a fatal sighting, of the kind that its rule blames."""
    kinds = {Blame.PRODUCT: ProductError, Blame.RIG: RigError, Blame.TEST: SuiteError}
    return kinds[sighting.blame](text, sighting=sighting)
