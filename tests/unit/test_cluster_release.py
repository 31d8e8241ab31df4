"""A run's release: what its image answers from, and what can be made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cluster.payload import Payload
from harness.cluster.release_payload import (
    ReleasePayload,
    image_references,
    push_release,
)
from harness.images.registry import Registry
from harness.images.release import parse_images, parse_references, read_references
from harness.images.skopeo import Source
from harness.model.clock import Deadline
from harness.model.errors import InputError

IMAGES = {"rhel-coreos": "10.0.2.2:5/node@sha256:1", "etcd": "10.0.2.2:5/etcd@sha256:2"}


def test_references_are_read_as_those_of_a_published_release() -> None:
    text = image_references("stand-in", IMAGES)

    assert parse_images(text, "r") == IMAGES
    assert parse_references(text, "r").rest == IMAGES["rhel-coreos"]


def test_a_published_release_is_known_by_its_references() -> None:
    release = ReleasePayload.of("q/release@sha256:0", image_references("4.19", IMAGES))

    assert (release.release_pull_spec, release.images) == ("q/release@sha256:0", IMAGES)
    with pytest.raises(InputError, match="q/release"):
        ReleasePayload.of("q/release", "{}")


@pytest.mark.parametrize(
    ("tags", "has"), [({"etcd", "hyperkube"}, True), ({"etcd"}, False), (set(), False)]
)
def test_a_control_plane_takes_etcd_and_hyperkube(tags: set[str], has: bool) -> None:
    release = ReleasePayload(release_pull_spec="r", images=dict.fromkeys(tags, "i"))

    assert release.has_control_plane is has


class FakeRegistry(Registry):
    """Takes images without a server, and remembers their layouts."""

    def push(self, source: Source, name: str, deadline: Deadline) -> str:
        pushed[name] = source
        return f"{self.address_in_guest}/{name}@sha256:0"


pushed: dict[str, Source] = {}


def test_a_release_names_what_was_pushed_before_it(tmp_path: Path) -> None:
    (tmp_path / "release-image").write_bytes(b"\x7fELF")
    registry = FakeRegistry(port=5, ca_pem="", folder=tmp_path / "registry")

    release = push_release(registry, Payload(folder=tmp_path), IMAGES, Deadline.after(1))

    layout = Path(pushed["release"].reference.rest.removesuffix(":latest"))
    named = parse_images(read_references(layout, "r"), "r")
    assert release.release_pull_spec == "10.0.2.2:5/release@sha256:0"
    assert named == release.images
    assert named["rhel-coreos"] == IMAGES["rhel-coreos"]
    assert named["hyperkube"] == "10.0.2.2:5/hyperkube@sha256:0"
    assert release.has_control_plane
