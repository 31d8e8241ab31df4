"""The names of the files in a run's folder; docs/report.md describes them."""

from __future__ import annotations

# Files of the run.
RECORD = "report.json"
JUNIT = "junit.xml"
PAGE = "node-image-summary.html"
"""Prow's Spyglass shows files named `*summary.html` inline."""
PROGRESS = "progress.log"

# Files of each machine, which has its own folder.
MACHINE_RECORD = "machine.json"
CONSOLE = "console.txt"
JOURNAL = "journal.export"
IGNITION_JOURNAL = "ignition-journal.json"
EVENTS = "events.txt"
