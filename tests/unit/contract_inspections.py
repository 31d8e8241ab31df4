"""Inspected images of two releases with two streams, and what names them."""

from __future__ import annotations

from contract_packages import RHCOS, changed, packages

from harness.contract.inspection import Depth, ImageLayer, Inspection
from harness.contract.reading.named_images import NamedImages
from harness.model.packages.nevra import Nevra

REAL = packages(RHCOS)


def layer(number: int) -> ImageLayer:
    return ImageLayer(digest=f"blob{number}", diff_id=f"diff{number}", size_bytes=1 << 20)


def image(
    version: str = "9.6.20260327-0", listed: frozenset[Nevra] = REAL, stream: str = "rhel-9"
) -> Inspection:
    return Inspection(
        subject=f"docker://a/{version}", digest=f"sha256:{version}", architecture="amd64",
        depth=Depth.DEEP, layers=(layer(0), layer(1)), packages=listed, kernel="5.14.0-1.x86_64",
        labels={"org.opencontainers.image.version": version, "io.openshift.os.streamclass": stream},
        os_release={"VERSION_ID": "9.6", "OSTREE_VERSION": version},
    )  # fmt: skip


OLD_9, OLD_10 = image(), image("10.2.20260328-0", REAL, "rhel-10")
NEW_9 = image("9.8.20260403-0", changed(REAL, "systemd", release="1"))
NEW_10 = image("10.2.20260405-0", changed(REAL, "cri-o", version="1.99.0"), "rhel-10")
IMAGES = {found.subject: found for found in (OLD_9, OLD_10, NEW_9, NEW_10)}


def release(*streams: Inspection, version: str = "4.22.0") -> NamedImages:
    images = {str(found.claims.stream_class): found.subject for found in streams}
    return NamedImages(subject=f"release {version}", images=images, release=version)


def alone(found: Inspection) -> NamedImages:
    return NamedImages(
        subject=found.subject, images={str(found.claims.stream_class): found.subject}
    )
