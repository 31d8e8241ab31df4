"""The table follows the OpenShift version, and the reason says what is not known."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from harness.model.errors import InputError
from harness.verdict.choice import choose

VERSION = "org.opencontainers.image.version"
BUILD_VERSIONS = "io.openshift.build.versions"
DISPLAY_NAMES = "io.openshift.build.version-display-names"
TAG = "coreos.build.manifest-list-tag"
STAND_IN = {
    "io.node-image.stand-in": "true",
    "io.openshift.metalayer": "true",
    VERSION: "9.6.20250203-0",
    BUILD_VERSIONS: "machine-os=9.6.20250203-0",
}


def cpe(ocp: str) -> str:
    return f"cpe:/a:redhat:openshift:{ocp}::el9"


@pytest.mark.parametrize(
    ("labels", "name", "ocp"),
    [
        ({VERSION: "9.6.20260327-0", "cpe": cpe("4.21")}, "ocp-4.21", ("4.21",)),
        ({VERSION: "9.6.20250925-0", "cpe": cpe("4.19")}, "ocp-4.19", ("4.19",)),
        ({VERSION: "9.8.20260403-0", TAG: "4.22-9.8-202604041851-x"}, "ocp-4.22", ("4.22",)),
        ({TAG: "4.20-9.6-202602041851-node-image"}, "ocp-4.20", ("4.20",)),
        ({VERSION: "10.2.20260901-0", "cpe": cpe("5.1")}, "ocp-5.1", ("5.1",)),
        ({VERSION: "418.94.202409090849-0"}, "ocp-4.18", ("4.18",)),
        ({VERSION: "9.4.202409090849-0", "ostree.bootable": "true"}, "openshift-node", ()),
        ({BUILD_VERSIONS: "kubernetes=1.33,machine-os=9.6.20260616-0"}, "openshift-node", ()),
        ({VERSION: "10.0.20260614-0", "com.coreos.osname": "scos"}, "okd-scos", ()),
        ({VERSION: "9.0.20260926-dev0", "cpe": cpe("4.21")}, "okd-scos", ("4.21",)),
        ({BUILD_VERSIONS: "machine-os=416.9.202411211032-0"}, "okd-scos", ("4.16",)),
        (
            {
                BUILD_VERSIONS: "machine-os=10.0.20260614-0",
                DISPLAY_NAMES: "machine-os=CentOS Stream CoreOS 10",
            },
            "okd-scos",
            (),
        ),
        (STAND_IN, "stand-in", ("4.19",)),
    ],
)  # fmt: skip
def test_labels_choose_the_table(
    labels: Mapping[str, str], name: str, ocp: tuple[str, ...]
) -> None:
    found = choose(labels)

    assert (found.name, found.ocp) == (name, ocp)


def test_version_of_the_release_chooses_where_no_label_does() -> None:
    found = choose({VERSION: "9.6.20260616-0"}, release="4.20.0-0.nightly-2026-06-20-143812")

    assert found.name == "ocp-4.20"
    assert found.reason == "OpenShift 4.20 by the release's version"


@pytest.mark.parametrize(
    ("labels", "name", "reason"),
    [
        (
            {VERSION: "10.2.20270301-0", "cpe": cpe("5.3")}, "ocp-5.1",
            "OpenShift 5.3 by label cpe; NO TABLE IS FOR 5.3: judged by that for 5.1, ",
        ),
        (
            {VERSION: "9.2.20240301-0", "cpe": cpe("4.16")}, "ocp-4.18",
            "OpenShift 4.16 by label cpe; NO TABLE IS FOR 4.16: judged by that for 4.18, ",
        ),
        (
            {VERSION: "9.10.20270301-0", "cpe": cpe("5.1")}, "ocp-5.1",
            "OpenShift 5.1 by label cpe; NOT KNOWN ON RHEL 9.10: rows were written for 9.8, 10.2",
        ),
        (
            {VERSION: "9.6.20270301-0", "cpe": cpe("4.20"), TAG: "4.21-9.6-202602041851-x"},
            "ocp-4.20", f"OpenShift 4.20 by label cpe; contradicted by label {TAG}, 4.21",
        ),
        (
            {VERSION: "9.6.20260616-0"}, "openshift-node",
            "no label names an OpenShift version, so the node's os-release decides",
        ),
        ({VERSION: "9.6.20260616-0", "cpe": cpe("4.20")}, "ocp-4.20", "OpenShift 4.20 by "),
        (
            {VERSION: "10.0.20260616-0", "cpe": cpe("5.4")}, "okd-scos",
            "OpenShift 5.4 by label cpe; NO TABLE IS FOR 5.4: judged by that for 5.1, ",
        ),
    ],
)  # fmt: skip
def test_reason_says_what_is_known_and_what_is_not(
    labels: Mapping[str, str], name: str, reason: str
) -> None:
    found = choose(labels)

    assert found.name == name
    assert found.reason.startswith(reason)


def test_pair_that_was_released_needs_no_more_words() -> None:
    rhcos = choose({VERSION: "9.6.20260616-0", "cpe": cpe("4.20")})
    scos = choose({VERSION: "10.0.20260616-0", "cpe": cpe("4.21")})

    assert rhcos.reason == "OpenShift 4.20 by label cpe"
    assert scos.reason == "OpenShift 4.21 by label cpe"


def test_newer_version_is_judged_by_its_own_claims() -> None:
    assert choose({VERSION: "10.2.20270301-0", "cpe": cpe("5.3")}).ocp == ("5.3",)


@pytest.mark.parametrize(
    "labels",
    [{}, {VERSION: "44.20260720.1.1"}, {VERSION: "9.6.20250203-0.extra"}],
    ids=["none", "Fedora CoreOS", "longer"],
)
def test_labels_that_fit_nothing_are_shown_with_the_known_tables(labels: Mapping[str, str]) -> None:
    with pytest.raises(InputError, match="fit no table") as caught:
        choose({**labels, "vendor": "somebody"})

    assert all(value in caught.value.problem for value in labels.values())
    assert "somebody" not in caught.value.problem
    assert "--expectations" in caught.value.remedy
    assert "okd-scos" in caught.value.remedy
