"""Runs as a nightly would leave them, composed: what differs is given, the rest is alike."""

from __future__ import annotations

from harness.model.record import (
    Blame,
    LayerRecord,
    MachineRecord,
    Outcome,
    PhaseRecord,
    RunRecord,
    TestRecord,
)
from harness.report.history.past import PastPhase, PastRun, PastTest, RunName

SCENARIO = "ipi_bootstrap"
TEST = "tests/boot/test_node_image.py::test_kubelet[scenario=ipi_bootstrap]"


def digest(letter: str) -> str:
    """The digest of the image named by a letter a-f."""
    return f"sha256:{letter * 64}"


def record(number: int, /, **changes: object) -> RunRecord:
    """Return a nightly run: by default green, on image `a`."""
    given = {
        "id": f"run-{number:02}",
        "started": f"2026-11-{number:02}T03:00:00Z",
        "subject": subject(),
        "host": {},
    }
    return RunRecord(**(given | changes))  # type: ignore[arg-type]


def subject(node: str = "a", bootimage: str = "b", acceleration: str = "kvm") -> dict[str, str]:
    return {
        "node_image_digest": digest(node),
        "bootimage_sha256": bootimage * 64,
        "acceleration": acceleration,
    }


def case(
    outcome: Outcome, name: str = TEST, blame: Blame | None = None, message: str = ""
) -> TestRecord:
    return TestRecord(id=name, outcome=outcome, blame=blame, message=message, scenario=SCENARIO)


def phase(name: str, took_s: float | None, begin_s: float = 0.0, boot: int = 1) -> PhaseRecord:
    end_s = None if took_s is None else begin_s + took_s
    return PhaseRecord(name=name, title=name.title(), begin_s=begin_s, end_s=end_s, boot=boot)


def layer(*packages: str, **os_release: str) -> LayerRecord:
    return LayerRecord(packages=packages, os_release=os_release)


def machine(name: str = SCENARIO, /, **changes: object) -> MachineRecord:
    given = {"name": name, "scenario": SCENARIO, "folder": name}
    return MachineRecord(**(given | changes))  # type: ignore[arg-type]


def past(number: int, /, **changes: object) -> PastRun:
    """A run as it is remembered; `node`, `outcome` and `pull_s` are short for what they change."""
    node, outcome = changes.pop("node", "a"), changes.pop("outcome", Outcome.PASSED)
    pull_s = changes.pop("pull_s", None)
    given: dict[str, object] = {
        "name": run_name(number, str(node)),
        "acceleration": "kvm",
        "tests": {TEST: past_test(outcome)} if isinstance(outcome, Outcome) else {},
        "phases": (past_pull(pull_s),) if isinstance(pull_s, float) else (),
    }
    return PastRun(**(given | changes))  # type: ignore[arg-type]


def run_name(number: int, node: str = "a") -> RunName:
    return RunName(
        id=f"run-{number:02}",
        started=f"2026-11-{number:02}T03:00:00Z",
        node_image=digest(node) if node else "",
        bootimage="b" * 64,
    )


def past_test(outcome: Outcome, scenario: str = SCENARIO) -> PastTest:
    blame = {Outcome.FAILED: Blame.PRODUCT, Outcome.ERROR: Blame.RIG}.get(outcome)
    return PastTest(id=TEST, scenario=scenario, outcome=outcome, blame=blame, message="")


def past_pull(took_s: float, scenario: str = SCENARIO) -> PastPhase:
    return PastPhase(
        scenario=scenario, machine=scenario, boot=1, name="pull", title="Pull", took_s=took_s
    )
