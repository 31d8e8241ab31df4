"""CoreOS versions of every scheme are read, with the parts that they have."""

from __future__ import annotations

from datetime import date

import pytest

from harness.model.errors import InputError
from harness.model.version import numbers, openshift_version, parse, parsed

SCHEMES = [
    ("9.6.20250203-0", None, "9.6", date(2025, 2, 3)),
    ("10.2.20260301-12", None, "10.2", date(2026, 3, 1)),
    ("9.4.202409090849-0", None, "9.4", date(2024, 9, 9)),
    ("9.0.20260926-dev0", None, "9.0", date(2026, 9, 26)),
    ("10.0.20251103-0", None, "10.0", date(2025, 11, 3)),
    ("9.6.20250203-wip1", None, "9.6", date(2025, 2, 3)),
    ("9.20240920.0", None, "9", date(2024, 9, 20)),
    ("419.94.202412101440-0", "4.19", "9.4", date(2024, 12, 10)),
    ("43.82.202102081639.0", "4.3", "8.2", date(2021, 2, 8)),
    ("49.84.202109102026-0", "4.9", "8.4", date(2021, 9, 10)),
    ("413.9.202302130811-0", "4.13", "9", date(2023, 2, 13)),
    ("4.21-9.6-202602041851-node-image", "4.21", "9.6", date(2026, 2, 4)),
    ("5.1-10.2-202609041851-node-image", "5.1", "10.2", date(2026, 9, 4)),
    ("4.21.9.6.202602041851-0", "4.21", "9.6", date(2026, 2, 4)),
    ("44.20260720.1.1", None, None, date(2026, 7, 20)),
]


@pytest.mark.parametrize(("text", "ocp", "rhel", "built"), SCHEMES, ids=[s[0] for s in SCHEMES])
def test_parts_are_read_of_every_scheme(
    text: str, ocp: str | None, rhel: str | None, built: date
) -> None:
    version = parse(text)

    assert (version.ocp, version.rhel, version.built) == (ocp, rhel, built)
    assert str(version) == text


@pytest.mark.parametrize(("text", "major"), [("10.2.20260301-0", 10), ("413.9.202302130811-0", 9)])
def test_rhel_major(text: str, major: int) -> None:
    assert parse(text).rhel_major == major


def test_rhel_major_of_fedora_coreos_is_an_error() -> None:
    with pytest.raises(InputError, match="without a RHEL part"):
        _ = parse("44.20260720.1.1").rhel_major


@pytest.mark.parametrize(
    "text",
    [
        "", "9.6", "9.6.20250203", "9.6.20250203-0 (Plow)", "9.6.2025020-0", "419.94.2024-0",
        "9.6.20251399-0", "4.21-9.6", "4.20.0-0.nightly-2026-03-30-143812",
    ],
)  # fmt: skip
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="not a CoreOS version"):
        parse(text)
    assert parsed(text) is None


@pytest.mark.parametrize(
    ("text", "ocp"),
    [
        ("4.20.3", "4.20"), ("4.20.0-0.nightly-2026-03-30-143812", "4.20"), ("5.1", "5.1"),
        ("v4.19", "4.19"), ("latest", None), ("", None),
    ],
)  # fmt: skip
def test_openshift_version_of_a_release(text: str, ocp: str | None) -> None:
    assert openshift_version(text) == ocp


def test_numbers_order_versions() -> None:
    assert numbers("4.9") < numbers("4.18") < numbers("5.0")
