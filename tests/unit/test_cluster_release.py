"""A run's release: what its image answers from, and what can be made of it."""

from __future__ import annotations

import json
from pathlib import Path

from harness.cluster.payload import Payload
from harness.cluster.release_payload import image_references, push_release
from harness.images.container.registry import Registry
from harness.images.container.release import parse_references, read_references
from harness.images.container.skopeo import Source
from harness.images.container.streams import StreamWish
from harness.model.clock import Deadline

IMAGES = {"rhel-coreos": "10.0.2.2:5/node@sha256:1", "etcd": "10.0.2.2:5/etcd@sha256:2"}


def stream(text: str) -> dict[str, str]:
    """Return the pull specs in an image stream by their tags."""
    return {tag["name"]: tag["from"]["name"] for tag in json.loads(text)["spec"]["tags"]}


def test_references_are_read_as_those_of_a_published_release() -> None:
    text = image_references("stand-in", IMAGES)

    assert stream(text) == IMAGES
    assert parse_references(text, "r", StreamWish()).reference.rest == IMAGES["rhel-coreos"]


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
    named = stream(read_references(layout, None, "r", Deadline.after(60)))
    assert release.release_pull_spec == "10.0.2.2:5/release@sha256:0"
    assert named == release.images
    assert named["rhel-coreos"] == IMAGES["rhel-coreos"]
    assert named["hyperkube"] == "10.0.2.2:5/hyperkube@sha256:0"
