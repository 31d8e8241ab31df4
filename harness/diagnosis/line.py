"""One line of a machine's output, whatever stream it came by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.model.record import QuotedLine


class Stream(StrEnum):
    """Where a line was seen. `HARNESS` is for what the host knows by itself, as QEMU's end."""

    CONSOLE = "console"
    JOURNAL = "journal"
    IGNITION = "ignition"
    EVENTS = "events"
    HARNESS = "harness"


class Job(StrEnum):
    """What systemd says of a unit.

    `FAILED` is the unit itself, `JOB_FAILED` the job that was to start or stop it, of which systemd
    often reports as well; `DEPENDENCY`: not started, since another unit failed.

    Source: systemd, src/systemd/sd-messages.h (MESSAGE_ID).
    """

    NONE = ""
    STARTING = "starting"
    STARTED = "started"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    JOB_FAILED = "job-failed"
    DEPENDENCY = "dependency"
    RESTARTING = "restarting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line, clean of escape sequences.

    `at_s` is seconds since power-on by the host's clock; for the journal, which arrives late, it is
    estimated from the guest's. `boot` counts the machine's boots from 1. The other fields are the
    journal's: `unit` is the unit that wrote the line or that systemd writes about, `identifier` the
    program, `priority` as in syslog (0 worst, 7 debug), `uptime_s` the guest's own clock.
    """

    stream: Stream
    at_s: float
    text: str
    boot: int = 1
    unit: str = ""
    identifier: str = ""
    priority: int = 6
    job: Job = Job.NONE
    uptime_s: float | None = None

    def quoted(self) -> QuotedLine:
        """Return the line as reports quote it; the journal's lines lead with who spoke."""
        who = f"{self.identifier}: " if self.identifier else ""
        return QuotedLine(stream=self.stream.value, at_s=round(self.at_s, 1), text=who + self.text)
