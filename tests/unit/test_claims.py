"""What an image claims of its OpenShift, its base and its stream is read from its labels."""

from __future__ import annotations

import pytest

from harness.model.claims import claims_of

CPE, TAG = "cpe", "coreos.build.manifest-list-tag"
VERSION, BUILD_VERSIONS = "org.opencontainers.image.version", "io.openshift.build.versions"


@pytest.mark.parametrize(
    ("labels", "ocp"),
    [
        ({CPE: "cpe:/a:redhat:openshift:4.21::el9"}, {"label cpe": "4.21"}),
        ({CPE: "cpe:2.3:a:redhat:openshift:5.0:*:el10"}, {"label cpe": "5.0"}),
        ({CPE: "cpe:/o:redhat:enterprise_linux:9"}, {}),
        ({TAG: "4.21-9.6-202602041851-node-image"}, {f"label {TAG}": "4.21"}),
        ({VERSION: "418.94.202410090804-0"}, {"the image's version": "4.18"}),
        ({BUILD_VERSIONS: "machine-os=4.21.9.6.202602041851-0"}, {"the image's version": "4.21"}),
        ({VERSION: "9.6.20250203-0"}, {"the release's version": "4.20"}),
        (
            {CPE: "cpe:/a:redhat:openshift:4.21::el9", TAG: "4.22-9.6-202602041851-node-image"},
            {"label cpe": "4.21", f"label {TAG}": "4.22"},
        ),
    ],
)
def test_openshift_version_is_claimed_in_places(
    labels: dict[str, str], ocp: dict[str, str]
) -> None:
    claims = claims_of(labels, release="4.20.0-0.nightly-2026-03-30-143812")

    assert dict(claims.ocp) == (ocp or {"the release's version": "4.20"})


@pytest.mark.parametrize(
    ("labels", "version"),
    [
        ({VERSION: "419.1"}, "419.1"),
        ({VERSION: "419.1", BUILD_VERSIONS: "machine-os=9.6.20250203-0"}, "9.6.20250203-0"),
        ({VERSION: "419.1", BUILD_VERSIONS: "kubernetes=1.33, machine-os=9.6.1"}, "9.6.1"),
        ({}, None),
    ],
    ids=["own", "base", "among others", "none"],
)
def test_version_of_the_base_goes_before_the_node_images_own(
    labels: dict[str, str], version: str | None
) -> None:
    assert claims_of(labels).version == version
    assert claims_of(labels).ocp == {}


def test_stream_class_and_parts_of_the_base() -> None:
    claims = claims_of({"io.openshift.os.streamclass": "rhel-10", VERSION: "10.2.20260405-0"})

    assert claims.stream_class == "rhel-10"
    assert claims.base is not None
    assert claims.base.rhel == "10.2"
    assert claims_of({VERSION: "mine"}).base is None
