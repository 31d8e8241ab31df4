"""What processes of one run leave for each other in their folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.workplace.shared import Share

IDS = ("t.py::test[a b]", "t.py::test[ä\n]", "\udcff.py::test")


def test_an_empty_folder_has_neither_services_nor_tests(tmp_path: Path) -> None:
    share = Share(tmp_path)

    assert share.services() is None
    assert share.forked() == frozenset()
    assert share.usable() == frozenset()


def test_tests_are_known_by_their_ids_whatever_these_have(tmp_path: Path) -> None:
    for _ in range(2):  # each worker notes the same
        Share(tmp_path).note_forked(IDS)

    assert Share(tmp_path).forked() == frozenset(IDS)


@pytest.mark.parametrize("name", ["ipi_node", "with/slash", "..", "ä %2F"])
def test_scenarios_are_usable_by_any_name(tmp_path: Path, name: str) -> None:
    Share(tmp_path).note_usable(name)
    Share(tmp_path).note_usable(name)

    assert Share(tmp_path).usable() == frozenset({name})
