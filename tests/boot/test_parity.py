"""The bootstrap on a bare and on a fat bootimage makes the same node, with known differences."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.model.node_state import NodeState
from harness.player.inputs import Rig
from harness.verdict.parity import compare, load, table

pytestmark = pytest.mark.nightly


def test_bare_and_fat_bootimage_end_in_the_same_node(
    end_state: Callable[[str], NodeState], node_image_rig: Rig
) -> None:
    differences = compare(end_state("ipi_bootstrap"), end_state("fat"), load())

    text = table(differences)
    (node_image_rig.evidence / "parity.txt").write_text(text)
    assert not [found for found in differences if found.source is None], f"\n{text}"
    assert differences, "a live-applied node has the node image over /usr"
