"""What reports say of the images and options under test."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.machine.domain.hardware import PLAIN, parse
from harness.workplace.subject import provenance

OPTIONS: dict[str, Any] = {
    "hardware": PLAIN, "images": {}, "bootstrap_ignition": None, "live_ignition": None,
}  # fmt: skip
DISK = SimpleNamespace(origin="a.qcow2", sha256="1" * 64)
FAT = SimpleNamespace(origin="fat.qcow2", sha256="2" * 64)


def ready(
    acquired: object = None,
    *,
    is_checked: bool = True,
    reason: str = "",
    released: object = None,
    stream: str | None = None,
    config_release: str = "",
    **options: object,
) -> Any:  # noqa: ANN401 - a fake
    return SimpleNamespace(
        is_checked=is_checked, settings=SimpleNamespace(**OPTIONS | options), bootimage=DISK,
        images=SimpleNamespace(acquired=acquired or {}),
        expectations=SimpleNamespace(name="stand-in", reason=reason),
        acceleration=SimpleNamespace(kind="tcg"), released=released,
        config_release=config_release,
        node_image=SimpleNamespace(
            reference="oci:x", digest="sha256:3", version=None, is_stand_in=True,
            claims=SimpleNamespace(stream_class=stream),
        ),
    )  # fmt: skip


def test_plain_run_names_images_expectations_and_acceleration() -> None:
    assert dict(provenance(ready())) == {
        "bootimage": "a.qcow2", "bootimage_sha256": "1" * 64, "node_image": "oci:x",
        "node_image_digest": "sha256:3", "node_image_version": "unknown",
        "expectations": "stand-in", "acceleration": "tcg", "stand_in": "yes",
    }  # fmt: skip


def test_nothing_is_reported_before_it_is_known() -> None:
    assert provenance(ready(is_checked=False)) == ()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"hardware": parse("uefi,tpm")}, {"hardware": "uefi,tpm"}),
        ({"images": {"live-iso": "/a.iso"}}, {"live_iso": "/a.iso"}),
        ({"bootstrap_ignition": Path("/b.ign")}, {"bootstrap_ignition": "/b.ign"}),
        ({"live_ignition": Path("/l.ign")}, {"live_ignition": "/l.ign"}),
        (
            {"acquired": {"bootimage": DISK, "fat": FAT}},
            {"fat_bootimage": "fat.qcow2", "fat_bootimage_sha256": "2" * 64},
        ),
        ({"stream": "rhel-9"}, {"os_stream": "rhel-9"}),
        (
            {
                "stream": "rhel-9",
                "released": SimpleNamespace(stream="rhel-10 (tag t)", reason="by --os-stream"),
            },
            {"os_stream": "rhel-10 (tag t): by --os-stream"},
        ),
        ({"config_release": "h/r@sha256:1, as x"}, {"config_release": "h/r@sha256:1, as x"}),
        ({"reason": "OpenShift 4.20"}, {"expectations_reason": "OpenShift 4.20"}),
        ({"acquired": {"uki": FAT}}, {"image_uki": "fat.qcow2", "image_uki_sha256": "2" * 64}),
    ],
)
def test_what_was_given_beside_is_reported(given: dict[str, Any], shown: dict[str, str]) -> None:
    assert dict(provenance(ready(**given))).items() - dict(provenance(ready())).items() == (
        shown.items()
    )
