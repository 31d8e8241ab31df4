"""CoreOS versions of every scheme are read, with the parts that they have."""

from __future__ import annotations

from datetime import date, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.model.claims import claims_of
from harness.model.errors import InputError
from harness.model.versions.version import Scheme, numbers, openshift_version, parse, parsed

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


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("9.6.20250203-0", Scheme.RHEL), ("10.0.20251103-dev0", Scheme.RHEL),
        ("418.94.202410090804-0", Scheme.JOINED), ("43.82.202102081639.0", Scheme.JOINED),
        ("4.21-9.6-202602041851-node-image", Scheme.TAG),
        ("4.21.9.6.202602041851-0", Scheme.BUILD_ID),
        ("9.20240920.0", Scheme.EARLY_STREAM), ("44.20260720.1.1", Scheme.FEDORA),
    ],
)  # fmt: skip
def test_scheme_is_recognised(text: str, scheme: Scheme) -> None:
    assert parse(text).scheme is scheme


def test_joined_rhel_10_has_two_digits() -> None:
    assert parse("419.101.202503121539-0").rhel == "10.1"
    assert parse("419.10.202503121539-0").rhel == "10"


def test_openshift_version_is_an_error_where_it_cannot_be_derived() -> None:
    assert parse("418.94.202410090804-0").openshift == "4.18"
    with pytest.raises(InputError, match="without an OpenShift part"):
        _ = parse("9.8.20260403-0").openshift


@pytest.mark.parametrize(
    "text", ["9.6.202502032560-0", "9.6.\u0662\u0660250203-0", "9.6.20250203-0\n"]
)
def test_times_and_digits_are_real(text: str) -> None:
    assert parsed(text) is None


@pytest.mark.parametrize(
    "form",
    ["9.6.20250203-{}", "418.94.202410090804-{}", "4.21.9.6.202602041851-{}", "9.20240920.{}",
     "44.20260720.1.{}"],
)  # fmt: skip
def test_numbers_that_python_does_not_read_are_in_no_version(form: str) -> None:
    huge = "9" * 5000

    assert parsed(form.format(huge)) is None
    assert openshift_version(f"4.{huge}") is None
    assert claims_of({"cpe": f"cpe:/a:redhat:openshift:4.{huge}"}).ocp == {}


DAYS = st.dates(date(2019, 1, 1), date(2099, 12, 31))
OCP = st.tuples(st.integers(3, 9), st.integers(0, 99))
RHEL_MINOR = st.tuples(st.sampled_from([8, 9, 10, 11]), st.integers(0, 19))
CLOCKS = st.times().map(lambda at: at.replace(second=0, microsecond=0))
BUILDS = st.integers(0, 99)


def dotted(pair: tuple[int, int]) -> str:
    return f"{pair[0]}.{pair[1]}"


@settings(deadline=None)
@given(RHEL_MINOR, DAYS, st.none() | CLOCKS, st.sampled_from(["", "dev", "wip"]), BUILDS)
def test_rhel_versions_round_trip(
    rhel: tuple[int, int], day: date, at: time | None, kind: str, build: int
) -> None:
    clock = f"{at:%H%M}" if at else ""

    version = parse(f"{dotted(rhel)}.{day:%Y%m%d}{clock}-{kind}{build}")

    assert (version.rhel, version.built, version.at) == (dotted(rhel), day, at)
    assert (version.build, version.ocp) == (f"{kind}{build}", None)


@settings(deadline=None)
@given(OCP, RHEL_MINOR, DAYS, CLOCKS, BUILDS, st.sampled_from("-."))
def test_versions_with_openshift_round_trip(
    ocp: tuple[int, int], rhel: tuple[int, int], day: date, at: time, build: int, dot: str
) -> None:
    stamp = f"{day:%Y%m%d}{at:%H%M}"
    joined = f"{ocp[0]}{ocp[1]}.{rhel[0]}{rhel[1]}"
    if rhel[0] < 10 or rhel[1] < 10:  # three digits at most
        version = parse(f"{joined}.{stamp}{dot}{build}")
        assert (version.scheme, version.build) == (Scheme.JOINED, str(build))
        assert (version.ocp, version.rhel) == (dotted(ocp), dotted(rhel))
    tag = parse(f"{dotted(ocp)}-{dotted(rhel)}-{stamp}-node-image")
    built = parse(f"{dotted(ocp)}.{dotted(rhel)}.{stamp}-{build}")
    for found in (tag, built):
        assert (found.ocp, found.rhel) == (dotted(ocp), dotted(rhel))
        assert (found.built, found.at) == (day, at)


@settings(deadline=None)
@given(st.text(max_size=40) | st.text("0123456789.-devnoima", max_size=40))
def test_any_text_is_a_version_or_an_error(text: str) -> None:
    found = parsed(text)

    assert found is None or (str(found) == text and text.isascii())
