"""Forks against the cold boot of the same run: seconds and memory, for one and for four.

They are printed, never judged: `tox -e bench`. Most of a fork's seconds are the SSH handshake.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from harness.machine.ownership.processes import PROC, processes_naming
from harness.model.clock import Deadline
from harness.player.applied import AppliedNode, OwnNode
from harness.player.inputs import Rig

_ASK_S = 60.0
_MANY = 4


def test_forks_are_measured(
    applied_node: AppliedNode,
    forked_node: Callable[..., OwnNode],
    guest_deadline: Callable[[float], Deadline],
    node_image_rig: Rig,
) -> None:
    cold_s = next(
        phase.end_s - phase.begin_s
        for phase in applied_node.watch.record.phases
        if phase.name == "login" and phase.end_s is not None
    )
    clock, seconds, private_mib = node_image_rig.clock, [], []
    for number in range(_MANY):
        began_s = clock.monotonic()
        node = forked_node()
        node.session.run("true", guest_deadline(_ASK_S), check=True)
        seconds.append(round(clock.monotonic() - began_s, 1))
        private_mib.append(private_of(node.machine.domain.disks[0].path.parent))
        node_image_rig.report(
            f"fork {number + 1}: {seconds[-1]} s to its first command, a cold boot to login is "
            f"{cold_s / seconds[-1]:.0f} times that; {private_mib[-1]} MiB of its own"
        )
    figures = {
        "cold_login_s": cold_s,
        "forks_s": seconds,
        "cold_over_fork": round(cold_s / min(seconds), 1),
        "private_mib": private_mib,
    }
    (node_image_rig.evidence / "bench-forks.json").write_text(json.dumps(figures, indent=2))

    assert all(spent > 0 for spent in seconds)
    assert all(mib > 0 for mib in private_mib)


def private_of(folder: Path) -> int:
    """Return the MiB that a machine's processes alone use, found by the folder of its disk."""
    found = 0
    for pid in processes_naming(folder):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            # Clean pages are of the checkpoint, and private only until another fork reads them.
            if name == "Private_Dirty":
                found += int(value.split()[0])
    return found // 1024
