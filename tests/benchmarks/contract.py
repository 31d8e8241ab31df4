"""The figures of the contract's commands, as rows of the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.figures import Part


def add_commands(part: Part, figures: Mapping[str, Any]) -> None:
    """Add seconds, ratios to a pass of gunzip, and the peak memory of each command."""
    part.note = f"{figures['shape']} image: {figures['layers']} layers, {figures['packed_mib']} MiB"
    for name, seconds in figures["seconds"].items():
        part.add(name, seconds, "s")
        gunzip = figures["seconds"]["gunzip"]
        passes = [spent / one for spent, one in zip(seconds, gunzip, strict=True)]
        if name != "gunzip":
            part.add(f"{name}, over a pass of gunzip", passes, "times")
        peaks = [figures[kind][name] for kind in ("peak_mib", "child_peak_mib")]
        if any(peaks):
            part.add(f"{name}, peak memory", [max(peaks)], "MiB")
    for name, share in figures["sent_share"].items():
        part.add(f"{name}, sent by a registry", [share * 100], "%")
