"""Lines for tests of missing commands, each with what matters of it."""

from __future__ import annotations

from harness.diagnosis.line import Job, Line, Stream


def journal(
    text: str,
    *,
    unit: str = "user.service",
    identifier: str = "user.sh",
    at_s: float = 30.0,
    uptime_s: float | None = None,
    boot: int = 1,
) -> Line:
    return Line(
        stream=Stream.JOURNAL, at_s=at_s, text=text, unit=unit, identifier=identifier,
        uptime_s=uptime_s, boot=boot,
    )  # fmt: skip


def console(text: str, *, identifier: str = "") -> Line:
    return Line(stream=Stream.CONSOLE, at_s=30.0, text=text, identifier=identifier)


def event(text: str, at_s: float, uptime_s: float | None = None) -> Line:
    return Line(stream=Stream.EVENTS, at_s=at_s, text=text, uptime_s=uptime_s)


def laid(at_s: float, *, unit: str, text: str = "Finished Overlay.") -> Line:
    return Line(stream=Stream.JOURNAL, at_s=at_s, text=text, unit=unit, job=Job.STARTED)
