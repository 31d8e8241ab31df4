"""Which version is the base's, and which end of a machine is whose fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.images.node_image import NodeImage
from harness.images.reference import Reference, Transport
from harness.model.errors import ProductError, RigError
from harness.wiring.reports import why_dead
from harness.wiring.workplace import base_version


@pytest.mark.parametrize(
    ("labels", "version"),
    [
        ({"org.opencontainers.image.version": "419.1"}, "419.1"),
        (
            {
                "org.opencontainers.image.version": "419.1",
                "io.openshift.build.versions": "machine-os=9.6.20250203-0",
            },
            "9.6.20250203-0",
        ),
        ({}, None),
    ],
    ids=["own", "base", "none"],
)
def test_version_of_the_base_goes_before_the_node_images_own(
    labels: dict[str, str], version: str | None
) -> None:
    reference = Reference(transport=Transport.OCI, rest="/x:latest")
    image = NodeImage(reference=reference, digest="sha256:1", labels=labels, layers=())

    assert base_version(image) == version


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("the guest powered off", ProductError),
        ("the guest crashed\n  qemu: panic", ProductError),
        ("QEMU ended by itself\n  qemu: out of memory", RigError),
    ],
)
def test_end_of_a_machine_is_the_guests_or_the_hosts(reason: str, kind: type[Exception]) -> None:
    error = why_dead(reason, "ipi", Path("/evidence"))

    assert type(error) is kind
    assert "/evidence" in str(error)
