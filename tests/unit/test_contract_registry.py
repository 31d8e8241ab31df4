"""Images from a registry, by skopeo's proxy, with all that registries do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from time import time

import pytest
from fake_registry import Registry, served
from images_fakes import write_layout
from standin_images import images
from standin_images.recipe import Recipe

from harness.contract.inspection import Depth, Inspection
from harness.contract.reading.access import Access
from harness.contract.reading.image_reader import open_image
from harness.contract.reading.inspect import inspect, verify
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, HarnessError, InputError

RECIPE = Recipe.usual()
LIST = "application/vnd.oci.image.index.v1+json"
LIMIT_S = 120.0

pytestmark = pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with served(Registry(), tmp_path) as found:
        yield found


def access(registry: Registry) -> Access:
    return Access(arch="x86_64", cert_dir=registry.cert_dir)


def inspected(registry: Registry, tag: str = "t", depth: Depth = Depth.QUICK) -> Inspection:
    return inspect(registry.reference(tag), depth, access(registry), Deadline.after(LIMIT_S))


def node_layout(place: Path) -> Path:
    images.write_node(place, RECIPE)
    return place


def layer_of(registry: Registry, number: int = -1) -> str:
    """Return the digest of a layer of the tag `t`."""
    return str(json.loads(registry.manifests["t"][1])["layers"][number]["digest"])


@pytest.mark.skipif(not shutil.which("rpm"), reason="needs rpm")
def test_image_in_a_registry_says_what_it_says_in_a_folder(
    tmp_path: Path, registry: Registry
) -> None:
    digest = registry.add_layout(node_layout(tmp_path / "node"))

    quick, deep = inspected(registry), inspected(registry, depth=Depth.DEEP)

    assert quick.digest == digest
    assert quick.packages == RECIPE.node_packages
    assert verify(quick, deep) == ()


def test_quick_fetches_one_layer(tmp_path: Path, registry: Registry) -> None:
    registry.add_layout(node_layout(tmp_path / "node"))

    inspected(registry)

    layers = {one["digest"] for one in json.loads(registry.manifests["t"][1])["layers"]}
    fetched = [path for path in registry.asked if path.rpartition("/")[2] in layers]
    assert fetched == [f"/v2/image/blobs/{layer_of(registry)}"]


def test_list_gives_the_image_of_the_architecture(tmp_path: Path, registry: Registry) -> None:
    images_of = {}
    for arch in ("amd64", "arm64"):
        written = write_layout(tmp_path / arch, [b"\0" * 1024], {"arch": arch}, arch)
        registry.add_layout(tmp_path / arch, arch)
        images_of[arch] = {**written, "platform": {"architecture": arch, "os": "linux"}}
    text = json.dumps({"schemaVersion": 2, "manifests": list(images_of.values())}).encode()
    listed = registry.add_manifest(LIST, text)

    for tag in ("t", listed):
        found = inspected(registry, tag)

        assert found.labels == {"arch": "amd64"}
        assert found.digest == images_of["amd64"]["digest"]
        assert found.list_digest == ("" if tag == "t" else listed)


def test_list_without_the_architecture_is_refused(tmp_path: Path, registry: Registry) -> None:
    written = write_layout(tmp_path / "x", [b"\0" * 1024], {}, "s390x")
    registry.add_layout(tmp_path / "x", "x")
    entry = {**written, "platform": {"architecture": "s390x", "os": "linux"}}
    registry.add_manifest(LIST, json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())

    with pytest.raises(InputError, match="amd64"):
        inspected(registry)


@pytest.mark.parametrize("kind", ["manifest", "list"])
def test_docker_schema_2_is_read(tmp_path: Path, registry: Registry, kind: str) -> None:
    folder = Path(images.write_node(tmp_path / "v2s2", RECIPE, is_v2s2=True).removeprefix("dir:"))
    for path in folder.iterdir():
        registry.blobs[f"sha256:{path.name}"] = path.read_bytes()
    text = (folder / "manifest.json").read_bytes()
    media_type = "application/vnd.docker.distribution.manifest.v2+json"
    digest = registry.add_manifest(media_type, text)
    if kind == "list":
        platform = {"architecture": "amd64", "os": "linux"}
        entry = {"mediaType": media_type, "digest": digest, "size": len(text), "platform": platform}
        listed = {
            "schemaVersion": 2, "manifests": [entry],
            "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
        }  # fmt: skip
        registry.add_manifest(str(listed["mediaType"]), json.dumps(listed).encode())

    found = inspected(registry)

    assert found.digest == digest
    assert found.packages == RECIPE.node_packages


REFUSALS = {
    401: "Log in to that registry",
    403: "Log in to that registry",
    404: "Check the name",
    429: "Wait, or log in",
    500: "Wait: the registry failed",
    503: "Wait: the registry failed",
}


@pytest.mark.parametrize("place", ["manifests", "blobs"])
@pytest.mark.parametrize("status", REFUSALS)
def test_refusal_is_one_error_with_a_remedy(
    tmp_path: Path, registry: Registry, status: int, place: str
) -> None:
    registry.add_layout(node_layout(tmp_path / "node"))
    registry.refusals[f"/v2/image/{place}/"] = status

    with pytest.raises(InputError) as caught:
        inspected(registry)

    assert caught.value.subject == registry.reference()
    assert REFUSALS[status] in caught.value.remedy


@pytest.mark.parametrize("place", ["seconds", "date"])
def test_registry_that_is_busy_is_asked_again_when_it_says(
    tmp_path: Path, registry: Registry, place: str
) -> None:
    registry.add_layout(node_layout(tmp_path / "node"))
    registry.busy = 2
    soon = formatdate(time() + 1, usegmt=True)
    registry.retry_after = {"seconds": "1", "date": soon}[place]

    assert inspected(registry).packages == RECIPE.node_packages
    assert registry.busy == 0


def test_registry_that_stays_busy_ends_at_the_deadline(tmp_path: Path, registry: Registry) -> None:
    registry.add_layout(node_layout(tmp_path / "node"))
    registry.busy, registry.retry_after = 99, formatdate(time() + 3600, usegmt=True)

    with pytest.raises(DeadlineError) as caught:
        inspect(registry.reference(), Depth.QUICK, access(registry), Deadline.after(4))
    assert caught.value.remedy


def test_blobs_may_be_on_another_host(tmp_path: Path, registry: Registry) -> None:
    registry.add_layout(node_layout(tmp_path / "node"))
    (tmp_path / "store").mkdir()
    with served(Registry(blobs=registry.blobs), tmp_path / "store") as store:
        registry.redirects["/v2/image/blobs/"] = f"https://{store.address}"

        assert inspected(registry).packages == RECIPE.node_packages
        assert store.asked


def test_redirects_in_a_circle_are_one_error(tmp_path: Path, registry: Registry) -> None:
    registry.add_layout(node_layout(tmp_path / "node"))
    registry.redirects["/v2/image/blobs/"] = f"https://{registry.address}"

    with pytest.raises(InputError, match="redirects"):
        inspected(registry)


@pytest.mark.parametrize("size_bytes", [-1, +1])
def test_blob_of_another_size_than_its_manifest_says_is_refused(
    tmp_path: Path, registry: Registry, size_bytes: int
) -> None:
    registry.add_layout(node_layout(tmp_path / "node"))
    media_type, text = registry.manifests["t"]
    manifest = json.loads(text)
    manifest["layers"][-1]["size"] += size_bytes
    registry.add_manifest(media_type, json.dumps(manifest).encode())

    with pytest.raises(InputError) as caught:
        inspected(registry)
    assert "again" in caught.value.remedy


def test_lists_in_a_list_are_one_image_or_one_error(tmp_path: Path, registry: Registry) -> None:
    digest = registry.add_layout(node_layout(tmp_path / "node"))
    text, media_type = registry.manifests["t"][1], registry.manifests["t"][0]
    for _ in range(2):
        platform = {"architecture": "amd64", "os": "linux"}
        entry = {"mediaType": media_type, "digest": digest, "size": len(text), "platform": platform}
        text, media_type = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode(), LIST
        digest = registry.add_manifest(LIST, text)

    with pytest.raises(InputError) as caught:
        inspected(registry)
    assert str(caught.value).count("\n") == 0


def test_schema_1_is_refused(registry: Registry) -> None:
    manifest = {
        "schemaVersion": 1,
        "name": "x",
        "tag": "t",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": f"sha256:{'0' * 64}"}],
        "history": [{"v1Compatibility": json.dumps({"id": "0" * 64})}],
    }
    text = json.dumps(manifest).encode()
    registry.add_manifest("application/vnd.docker.distribution.manifest.v1+json", text)

    with pytest.raises(InputError, match=r"legacy|schema 2|unsupported|MIME"):
        inspected(registry)


def test_artifact_is_refused(tmp_path: Path, registry: Registry) -> None:
    registry.add_layout(node_layout(tmp_path / "node"))
    media_type, text = registry.manifests["t"]
    other = text.replace(b"application/vnd.oci.image.config.v1+json", b"application/vnd.cncf.helm")
    registry.add_manifest(media_type, other)

    with pytest.raises(InputError, match="helm"):
        inspected(registry)


def test_blob_that_breaks_off_is_fetched_again(tmp_path: Path, registry: Registry) -> None:
    registry.add_layout(node_layout(tmp_path / "node"))
    registry.cuts[layer_of(registry)] = [10, 100]

    assert inspected(registry).packages == RECIPE.node_packages


def test_blob_that_always_breaks_off_is_an_error(tmp_path: Path, registry: Registry) -> None:
    registry.add_layout(node_layout(tmp_path / "node"))
    registry.cuts[layer_of(registry)] = [10] * 99

    with pytest.raises(InputError) as caught:
        inspected(registry)
    assert "again" in caught.value.remedy


def test_other_bytes_than_the_digest_are_refused(tmp_path: Path, registry: Registry) -> None:
    registry.add_layout(node_layout(tmp_path / "node"))
    layer = layer_of(registry)
    blob = registry.blobs[layer]
    registry.blobs[layer] = blob[:-4] + bytes(4)

    with pytest.raises(InputError):
        inspected(registry)


def test_silent_registry_ends_at_the_deadline(tmp_path: Path, registry: Registry) -> None:
    registry.add_layout(node_layout(tmp_path / "node"))
    layer = layer_of(registry)
    registry.hangs.add(layer)
    registry.cuts[layer] = [10]

    with pytest.raises(DeadlineError):
        inspect(registry.reference(), Depth.QUICK, access(registry), Deadline.after(4))


def test_blob_can_be_closed_early_and_others_read(tmp_path: Path, registry: Registry) -> None:
    registry.add_layout(node_layout(tmp_path / "node"))

    with open_image(registry.reference(), access(registry), Deadline.after(LIMIT_S)) as reader:
        for layer in reader.layers[-3:]:
            with reader.blob(layer.digest) as blob:
                assert len(blob.read(10)) == 10
        last = reader.layers[-1]
        with reader.blob(last.digest) as blob:
            assert len(blob.read()) == last.size_bytes


def test_unknown_ca_has_a_remedy(tmp_path: Path, registry: Registry) -> None:
    registry.add_layout(node_layout(tmp_path / "node"))
    other = replace(access(registry), cert_dir=None)

    with pytest.raises(HarnessError) as caught:
        inspect(registry.reference(), Depth.QUICK, other, Deadline.after(LIMIT_S))
    assert "certs.d" in caught.value.remedy
