"""systemd's own words on a console: what its messages say of which unit.

The journal has fields for that (`journal`); here only text is left, often shortened in the middle.

Source: systemd v252, the status_message_formats in src/core/*.c, src/core/job.c (job results),
src/core/manager.c, manager_print_jobs_in_progress (jobs that run).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.diagnosis.line import Job

_REPEAT_S = 30.0

_WORDS = {
    Job.STARTING: ("Starting", "Mounting", "Activating swap", "Expecting device"),
    Job.STARTED: (
        "Started", "Finished", "Reached target", "Mounted", "Listening on", "Found device",
        "Created slice", "Activated swap", "Set up automount",
    ),
    Job.STOPPING: ("Stopping", "Unmounting", "Deactivating swap"),
    Job.STOPPED: (
        "Stopped target", "Stopped", "Closed", "Unmounted", "Removed slice", "Deactivated swap",
        "Unset automount",
    ),
    Job.JOB_FAILED: (
        "Failed to start", "Failed to mount", "Failed to listen on", "Failed to activate swap",
        "Assertion failed for", "Timed out starting", "Timed out mounting",
        "Timed out waiting for device", "Timed out activating swap",
    ),
    Job.DEPENDENCY: ("Dependency failed for",),
}  # fmt: skip
_JOBS = {word: job for job, words in _WORDS.items() for word in words}
_TYPES = "service|socket|target|device|mount|automount|swap|path|timer|slice|scope"
# A name that is shortened ends in an ellipsis before its type, and is none.
_UNIT = rf"(?P<unit>[\w@:.\\-]+\.(?:{_TYPES}))(?= - |…|\.|$)"
_ABOUT_JOB = re.compile(
    rf"(?P<mark>\[[ A-Z*]{{4,8}}\] | {{9}})? *(?P<word>{'|'.join(_JOBS)}) (?:{_UNIT})?"
)
_ABOUT_UNIT = re.compile(rf"(?P<unit>[\w@:.\\-]+\.(?:{_TYPES})): (?P<rest>.*)")
_AFTERWARDS = (
    ("Failed with result ", Job.FAILED),
    ("Scheduled restart job", Job.RESTARTING),
)
# Follows "Failed to start" on a console, with the whole name of the unit.
# systemd quotes a name with a backslash, and doubles that within the quotes.
_SEE = re.compile(
    r"See 'systemctl status (?P<quote>\$?[\"']?)(?P<unit>[^ '\"]+)[\"']?' for details"
)
_EXECUTORS = ("sd-executor", "systemd-executor")
_PROGRESS = re.compile(
    r"\[[ *]{3,8}\] (?:\(\d+ of \d+\) )?"
    r"(?P<what>(?:A \w+ job is running for |Job ).*?) \((?P<lasts>[^()/]*) / (?P<limit>[^()/]*)\)"
)
_RUNNING_UNIT = re.compile(
    rf"(?:Job |running for )(?P<unit>[\w@:.\\-]+\.(?:{_TYPES}))(?:/| - |$| running)"
)
_SPAN_S = {"d": 86400.0, "h": 3600.0, "min": 60.0, "s": 1.0, "ms": 0.001}
_SPAN = re.compile(r"(\d+)(d|h|min|ms|s)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a message says; `unit` is empty where only its description or a part of it is shown."""

    unit: str
    job: Job


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningJob:
    """A line of the kind that systemd redraws while it waits, without its animation.

    `limit_s` is None for a job that may last as long as it likes.
    """

    text: str
    what: str
    unit: str
    lasts_s: float
    limit_s: float | None


@dataclass(slots=True)
class ProgressLines:
    """Picks out of the redrawn lines of one boot those that say something new."""

    _next_s: dict[str, float] = field(init=False, default_factory=dict)

    def is_news(self, job: RunningJob) -> bool:
        """Return whether a job's line is its first, or is due again."""
        if job.lasts_s < self._next_s.get(job.what, 0.0):
            return False
        next_s = job.lasts_s + _REPEAT_S
        if job.limit_s is not None and job.lasts_s < job.limit_s:
            next_s = min(next_s, job.limit_s)
        self._next_s[job.what] = next_s
        return True


def is_systemd(identifier: str) -> bool:
    """Return whether systemd itself wrote it: PID 1, or its child before it runs a command."""
    return identifier == "systemd" or identifier in _EXECUTORS or identifier.startswith("(")


def said(text: str, identifier: str) -> Said | None:
    """Return what a line says of a unit, None if nothing.

    Lines of others than systemd are believed if they look like its status lines, or name a unit.
    """
    if (found := _ABOUT_JOB.match(text)) is not None:
        unit = found["unit"] or ""
        if unit or found["mark"] or is_systemd(identifier):
            return Said(unit=unit, job=_JOBS[found["word"]])
    if (found := _SEE.match(text)) is not None:
        unit = found["unit"].replace("\\\\", "\\") if found["quote"] else found["unit"]
        return Said(unit=unit, job=Job.FAILED)
    return said_of_unit(text) if is_systemd(identifier) else None


def said_of_unit(text: str) -> Said | None:
    """Return what systemd says in a line that begins with a unit's name, None if none does."""
    found = _ABOUT_UNIT.match(text)
    return Said(unit=found["unit"], job=_afterwards(found["rest"])) if found else None


def progress(text: str) -> RunningJob | None:
    """Return the job that a line shows as running, None for any other line."""
    found = _PROGRESS.match(text)
    if found is None:
        return None
    what, limit = found["what"], found["limit"]
    unit = _RUNNING_UNIT.search(what)
    return RunningJob(
        text=text[found.start("what") :].rstrip(), what=what, unit=unit["unit"] if unit else "",
        lasts_s=_span_s(found["lasts"]), limit_s=None if limit == "no limit" else _span_s(limit),
    )  # fmt: skip


def _afterwards(rest: str) -> Job:
    return next((job for words, job in _AFTERWARDS if rest.startswith(words)), Job.NONE)


def _span_s(text: str) -> float:
    """Return seconds of systemd's spelling of a span, as `1min 30s`."""
    return sum(float(number) * _SPAN_S[unit] for number, unit in _SPAN.findall(text))
