"""Two kinds of red in pytest's reports, and what a reader of a report needs beside the test's name.

Trouble of the product is a *failure* even when a fixture met it, trouble of the rig is an *error*
even in the middle of a test; both are shown by their message, without a traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from harness.machine.driver import is_guests_doing
from harness.model.errors import HarnessError, ProductError, RigError


def sort_by_kind(
    report: pytest.TestReport, error: HarnessError, facts: Iterable[tuple[str, str]] = ()
) -> None:
    """Make a failed report say which kind of red it is, and nothing but the error's message.

    A failure also tells the `facts`: what was tested, and where the evidence lies. pytest, its
    terminal and its JUnit file tell the two kinds apart by the phase alone.
    """
    told = _aligned(tuple(facts)) if isinstance(error, ProductError) else ""
    report.longrepr = f"{error}\n\n{told}" if told else str(error)
    if isinstance(error, ProductError) and report.when == "setup":
        report.when = "call"
    elif isinstance(error, RigError) and report.when == "call":
        report.when = "setup"


def why_dead(reason: str, scenario: str, evidence: Path) -> HarnessError:
    """Return the error for a node whose machine stopped after it had come up.

    A guest that crashes or switches itself off misbehaves; a QEMU that ends is the host's trouble.
    """
    text = f"the node of {scenario} is gone: {reason}\n  evidence: {evidence}"
    if is_guests_doing(reason):
        return ProductError(text)
    return RigError(text)


def _aligned(facts: tuple[tuple[str, str], ...]) -> str:
    width = max((len(name) for name, _ in facts), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in facts)
