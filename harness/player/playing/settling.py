"""The last check of every play: systemd has no jobs left."""

from __future__ import annotations

from harness.model.clock import Deadline, NotYet
from harness.player.running import Running
from harness.player.steps import Check

_SHOWN = 5


def _no_jobs(running: Running, deadline: Deadline) -> None:
    listed = running.session.run("systemctl list-jobs --no-legend --plain", deadline, check=True)
    jobs = [line.split()[1:3] for line in listed.stdout.splitlines() if line.strip()]
    if jobs:
        raise NotYet("jobs of systemd: " + ", ".join(" ".join(job) for job in jobs[:_SHOWN]))


SETTLE = Check(machine="", name="settle", act=_no_jobs, or_go_on=True)
"""It continues without success: a unit that restarts again and again is judged later."""
