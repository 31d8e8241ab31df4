"""The marker of tests that need a machine, and the fixtures by which they are found."""

from __future__ import annotations

from harness.plugin import contract
from harness.plugin.collection import NODE, NODES

MARKER = "node_image"
PROBLEM_KEY = "node_image_problem"
"""What a worker's check found, for xdist's controller."""
ROW_KINDS = ("package", "os_release", "unit", "file", "invariant", "contract")
TALKING_FIXTURES = frozenset({"node_session", "reach"})
MACHINE_FIXTURES = frozenset({NODE, NODES, "node_image_rig", "node_image_inputs", "end_state"})
JUDGED_FIXTURES = MACHINE_FIXTURES | contract.FIXTURES | {"bootimage", "node_image"}
