"""Reads what a run of a throwaway project left."""

from __future__ import annotations

from pathlib import Path

from throwaway import Project, junit_cases

from harness.model.record import Blame, Outcome, RunRecord
from harness.report import document

KEPT = "--artifacts-dir=kept"
TRACKER = "https://issues.example/NODE-1"


def kept(project: Project) -> Path:
    """Return the only run's folder."""
    (folder,) = (project.folder / "kept").glob("run-*")
    assert (project.folder / "kept/last").resolve() == folder
    return folder


def report_of(project: Project) -> RunRecord:
    return document.read(kept(project) / "report.json")


def outcomes(run: RunRecord) -> dict[str, tuple[Outcome, Blame | None]]:
    return {test.id.partition("::")[2]: (test.outcome, test.blame) for test in run.tests}


def classes(junit: Path) -> dict[str | None, str | None]:
    """Return what is at fault in each failed test of a JUnit file."""
    return {
        case.get("name"): entry.get("value")
        for case in junit_cases(junit)
        for entry in case.iter("property")
        if entry.get("name") == "class"
    }


def allow(project: Project, pattern: str, expires: str = "9999-12-31") -> str:
    (project.folder / "allow.toml").write_text(
        f"[[allow]]\ntest = '*'\npattern = '{pattern}'\n"
        f"tracker = '{TRACKER}'\nexpires = {expires}\n"
    )
    return "--allow=allow.toml"
