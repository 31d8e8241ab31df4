"""Both forms of CoreOS versions are read, and told apart."""

from __future__ import annotations

import pytest

from harness.model.errors import InputError
from harness.model.version import VersionForm, parse


@pytest.mark.parametrize(
    ("text", "rhel", "stamp", "build"),
    [
        ("9.6.20250203-0", "9.6", "20250203", 0),
        ("10.2.20260301-12", "10.2", "20260301", 12),
        ("9.0.20260926-dev0", "9.0", "20260926", 0),
    ],
)
def test_coreos_form(text: str, rhel: str, stamp: str, build: int) -> None:
    version = parse(text)

    assert version.form is VersionForm.COREOS
    assert not version.is_legacy
    assert (version.rhel, version.stamp, version.build) == (rhel, stamp, build)
    assert version.openshift is None
    assert str(version) == text


@pytest.mark.parametrize(
    ("text", "openshift", "rhel"),
    [
        ("419.94.202412101440-0", "4.19", "9.4"),
        ("418.94.202409090849-0", "4.18", "9.4"),
        ("49.84.202109102026-0", "4.9", "8.4"),
        ("413.9.202302130811-0", "4.13", "9"),
    ],
)
def test_legacy_form(text: str, openshift: str, rhel: str) -> None:
    version = parse(text)

    assert version.is_legacy
    assert (version.openshift, version.rhel) == (openshift, rhel)


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
