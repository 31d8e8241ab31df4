"""The reference of the public face in the docs."""

from __future__ import annotations

from pathlib import Path

import pytest
from face_reference import TOPICS, markdown
from goldens import Golden

import harness

REFERENCE = Path(__file__).parents[2] / "docs/reference.md"


def test_reference_is_current(golden: Golden) -> None:
    golden.part(REFERENCE, markdown())


def test_each_name_has_its_place() -> None:
    placed = [name for names in TOPICS.values() for name in names.split()]

    assert sorted(placed) == sorted(harness.__all__)


@pytest.mark.parametrize("name", harness.__all__)
def test_class_or_function_says_what_it_gives(name: str) -> None:
    value = getattr(harness, name)

    if callable(value) and value.__class__.__module__ != "types":
        assert len(value.__doc__ or "") > len(name) + 10
