"""The table of scenarios in the docs, derived from their data."""

from __future__ import annotations

from pathlib import Path

from goldens import Golden

from harness.player.table import lines, markdown
from harness.scenarios.catalogue import Catalogue

DOCS = Path(__file__).parents[2] / "docs/scenarios.md"
SCENARIOS = [Catalogue().named(name) for name in Catalogue().names]


def test_table_in_the_docs_is_what_the_scenarios_say(golden: Golden) -> None:
    golden.part(DOCS, markdown(SCENARIOS))


def test_row_has_media_memory_and_reboots_of_each_machine() -> None:
    table = {row.split(" | ")[0]: row.split(" | ") for row in markdown(SCENARIOS).splitlines()}

    assert table["| `ipi_cluster`"][1:6] == [
        "disk + disk", "by firmware + by pointer (pointer)", "pivot", "3072 + 2048", "1",
    ]  # fmt: skip
    assert table["| `sno_pxe`"][1:6] == ["network", "in the medium", "pivot", "4608", "2"]
    assert table["| `fat`"][1] == "disk (image `fat`)"


def test_terminal_shows_what_a_scenario_needs_and_its_steps() -> None:
    reported = list(lines(Catalogue().named("sno")))

    assert reported[0].startswith("sno: Single node from a live ISO")
    assert "4096 MiB; needs the image live-iso; needs a control plane" in reported[1]
    assert "install, memory-2, reboot, pivot, reboot-2, multi-user-2" in reported[2]
