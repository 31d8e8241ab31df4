"""Both forms of CoreOS versions are read."""

from __future__ import annotations

import pytest

from harness.model.errors import InputError
from harness.model.version import parse


@pytest.mark.parametrize(
    ("text", "rhel"),
    [
        ("9.6.20250203-0", "9.6"),
        ("10.2.20260301-12", "10.2"),
        ("9.0.20260926-dev0", "9.0"),
        ("419.94.202412101440-0", "9.4"),
        ("49.84.202109102026-0", "8.4"),
        ("413.9.202302130811-0", "9"),
    ],
)
def test_either_form_tells_its_rhel(text: str, rhel: str) -> None:
    version = parse(text)

    assert version.rhel == rhel
    assert str(version) == text


@pytest.mark.parametrize(("text", "major"), [("10.2.20260301-0", 10), ("413.9.202302130811-0", 9)])
def test_rhel_major(text: str, major: int) -> None:
    assert parse(text).rhel_major == major


@pytest.mark.parametrize(
    "text",
    ["", "9.6", "9.6.20250203", "9.6.20250203-0 (Plow)", "9.6.2025020-0", "419.94.2024-0"],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not a CoreOS version"):
        parse(text)
