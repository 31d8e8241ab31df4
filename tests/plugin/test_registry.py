"""The registry for guests, with the real programs: docker-registry and skopeo."""

from __future__ import annotations

import io
import json
import shutil
import socket
import ssl
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from harness.images.acquire import cache
from harness.images.container import node_image, registry, release, skopeo
from harness.images.container.pause import write_pause_image
from harness.images.container.registry import Registry
from harness.images.container.skopeo import Source, Target
from harness.images.container.streams import StreamWish
from harness.images.oci.writing import Descriptor, write_blob, write_image, write_index
from harness.images.reference import parse
from harness.model.clock import Deadline
from harness.model.errors import InputError, RigError

pytestmark = pytest.mark.skipif(
    not (shutil.which("docker-registry") or shutil.which("registry")) or not shutil.which("skopeo"),
    reason="needs a registry and skopeo",
)


def soon() -> Deadline:
    return Deadline.after(30)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with registry.serve(tmp_path_factory.mktemp("run"), soon()) as running:
        yield running


def here(served: Registry, spec: str) -> Source:
    """Return the host's view of what a guest would pull."""
    name = spec.removeprefix(served.address_in_guest)
    reference = parse(f"docker://127.0.0.1:{served.port}{name}")
    return Source(reference=reference, arch="x86_64", cert_dir=served.folder / "trust")


def pause(folder: Path, arch: str = "x86_64") -> Source:
    return Source(reference=write_pause_image(folder / arch, arch), arch=arch)


def test_a_pushed_image_is_pulled_by_the_same_digest(served: Registry, tmp_path: Path) -> None:
    source = pause(tmp_path)
    local = node_image.resolve(source, soon())

    spec = served.push(source, "library/pause", soon())

    assert spec == f"10.0.2.2:{served.port}/library/pause@{local.digest}"
    remote = node_image.resolve(here(served, spec), soon())
    assert (remote.digest, remote.layers) == (local.digest, local.layers)


@pytest.mark.parametrize("transport", ["oci-archive", "dir", "docker-archive"])
def test_every_local_transport_can_be_pushed(
    transport: str, served: Registry, tmp_path: Path
) -> None:
    suffix = ":pause:1" if transport == "docker-archive" else ""
    reference = parse(f"{transport}:{tmp_path}/copy{suffix}")
    skopeo.copy(pause(tmp_path), Target(reference=reference), soon())

    spec = served.push(Source(reference=reference, arch="x86_64"), transport, soon())

    assert len(node_image.resolve(here(served, spec), soon()).layers) == 1


def test_an_archive_cannot_write_outside_of_itself(served: Registry, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    with tarfile.open(tmp_path / "image.tar", "w") as tar:
        link = tarfile.TarInfo("blobs")
        link.type, link.linkname = tarfile.SYMTYPE, f"{outside}"
        tar.addfile(link)
        tar.addfile(tarfile.TarInfo("blobs/written"))
    source = Source(reference=parse(f"oci-archive:{tmp_path}/image.tar"), arch="x86_64")

    with pytest.raises(InputError, match="'blobs' is a symbolic link"):
        served.push(source, "hostile", soon())
    with pytest.raises(InputError, match="'blobs' is a symbolic link"):
        node_image.resolve(source, soon())

    assert list(outside.iterdir()) == []


def test_an_image_in_containers_storage_can_be_pushed(served: Registry, tmp_path: Path) -> None:
    stored = parse(f"containers-storage:[vfs@{tmp_path}/graph+{tmp_path}/run]pause:1")
    try:
        skopeo.copy(pause(tmp_path), Target(reference=stored), soon())
    except InputError as exc:
        pytest.skip(f"no containers-storage for this user: {exc.problem}")

    spec = served.push(Source(reference=stored, arch="x86_64"), "stored", soon())

    assert len(node_image.resolve(here(served, spec), soon()).layers) == 1


def test_of_a_list_the_image_for_the_architecture_is_taken_and_pinned(
    served: Registry, tmp_path: Path
) -> None:
    images = {arch: write_image(tmp_path / arch, "t", arch, [], {}) for arch in ("amd64", "arm64")}
    for arch in images:
        served.push(Source(reference=parse(f"oci:{tmp_path}/{arch}:t"), arch=arch), "many", soon())
    put_list(served, "many", images)
    listed = here(served, f"{served.address_in_guest}/many:all")

    for arch, go_arch in (("x86_64", "amd64"), ("aarch64", "arm64")):
        image = node_image.resolve(replace(listed, arch=arch), soon())
        assert image.digest == images[go_arch]["digest"]
        assert image.list_digest.startswith("sha256:")
        assert image.list_digest != image.digest
        assert str(image.reference).endswith(f"/many@{image.digest}")
    with pytest.raises(InputError, match="no image for s390x"):
        node_image.resolve(replace(listed, arch="s390x"), soon())


def test_of_a_local_list_the_image_for_the_architecture_is_pushed(
    served: Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "l"
    images = {arch: write_image(folder, "t", arch, [], {}) for arch in ("amd64", "arm64")}
    media = "application/vnd.oci.image.index.v1+json"
    entries = [{**one, "platform": {"architecture": arch, "os": "linux"}}
               for arch, one in images.items()]  # fmt: skip
    text = json.dumps({"schemaVersion": 2, "mediaType": media, "manifests": entries})
    write_index(folder, "t", write_blob(folder, media, text.encode()))

    for arch, go_arch in (("x86_64", "amd64"), ("aarch64", "arm64")):
        spec = served.push(Source(reference=parse(f"oci:{folder}:t"), arch=arch), arch, soon())

        assert spec.endswith(f"/{arch}@{images[go_arch]['digest']}")


def test_the_registrys_refusals_become_one_error(served: Registry, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Check the name, the tag or digest"):
        node_image.resolve(here(served, f"{served.address_in_guest}/none:x"), soon())
    untrusted = parse(f"docker://127.0.0.1:{served.port}/none:x")
    with pytest.raises(InputError, match="Add the registry's CA"):
        node_image.resolve(Source(reference=untrusted, arch="x86_64"), soon())


def test_a_taken_port_makes_it_try_another(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        ports = iter((taken.getsockname()[1], registry.free_port()))
        with registry.serve(tmp_path, soon(), lambda: next(ports)) as running:
            assert running.port != taken.getsockname()[1]


def test_it_is_gone_when_the_block_is_left(tmp_path: Path) -> None:
    with pytest.raises(KeyError), registry.serve(tmp_path, soon()) as running:
        raise KeyError

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", running.port), timeout=1)
    assert "listening on 127.0.0.1" in (tmp_path / "registry.log").read_text()


def test_registry_that_ends_by_itself_is_reported_with_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(RigError, match="invalid port"),
        registry.serve(tmp_path, soon(), lambda: 99999),
    ):
        pytest.fail("it cannot have started")


def test_a_release_names_its_node_image_and_is_fetched_once(
    served: Registry, tmp_path: Path
) -> None:
    write_release(tmp_path / "release", "quay.example/os@sha256:" + "1" * 64)
    source = Source(reference=parse(f"oci:{tmp_path}/release:t"), arch="x86_64")
    spec = served.push(source, "release", soon())

    with cache.Cache(tmp_path / "cache") as store:
        found = release.node_image_of(here(served, spec), StreamWish(), store, soon())
        again = release.node_image_of(here(served, spec), StreamWish(), store, soon())

    assert str(found.reference) == "docker://quay.example/os@sha256:" + "1" * 64
    assert again == found
    assert {path.name for path in (tmp_path / "cache").glob("*/*")} == {"lock", "content"}


def put_list(served: Registry, name: str, images: Mapping[str, Descriptor]) -> None:
    """Make tag `all` of a repository a list of images that lie in it."""
    media = "application/vnd.oci.image.index.v1+json"
    entries = [
        {**image, "platform": {"architecture": arch, "os": "linux"}}
        for arch, image in images.items()
    ]
    index = {"schemaVersion": 2, "mediaType": media, "manifests": entries}
    url = f"https://127.0.0.1:{served.port}/v2/{name}/manifests/all"
    trust = ssl.create_default_context(cadata=served.ca_pem)
    with httpx.Client(verify=trust, trust_env=False) as client:
        answer = client.put(url, content=json.dumps(index), headers={"Content-Type": media})
    answer.raise_for_status()


def write_release(folder: Path, node_image_name: str) -> None:
    tag = {"name": "rhel-coreos", "from": {"kind": "DockerImage", "name": node_image_name}}
    references = json.dumps({"spec": {"tags": [tag]}}).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("release-manifests/image-references")
        entry.size = len(references)
        tar.addfile(entry, io.BytesIO(references))
    write_image(folder, "t", "amd64", [packed.getvalue()], {})
