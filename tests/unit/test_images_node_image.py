from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from images_fakes import deadline, tar_of, write_layout, write_list

from harness.images.container.node_image import NodeImage, resolve
from harness.images.container.skopeo import Source, decisive_line
from harness.images.layers.blob_stream import Descriptor
from harness.images.oci.writing import write_blob, write_index
from harness.images.reference import parse
from harness.model.errors import InputError
from harness.process import run

needs_skopeo = pytest.mark.skipif(not shutil.which("skopeo"), reason="no skopeo here")


def image(**labels: str) -> NodeImage:
    return NodeImage(
        reference=parse("docker://q/x"), digest="sha256:1", layers=(),
        labels={name.replace("_", "."): value for name, value in labels.items()},
    )  # fmt: skip


def source(text: str, arch: str = "x86_64", authfile: Path | None = None) -> Source:
    return Source(reference=parse(text), arch=arch, authfile=authfile)


def test_the_version_is_the_images_own_else_that_of_its_coreos() -> None:
    versions = "machine-os=9.6.20250101-0, kubernetes=1.34.0"

    both = image(org_opencontainers_image_version="9.6-7", io_openshift_build_versions=versions)
    assert both.version == "9.6-7"
    assert image(io_openshift_build_versions=versions).version == "9.6.20250101-0"
    assert image(io_openshift_build_versions="garbage").version is None


def test_the_size_is_that_of_all_layers() -> None:
    layers = tuple(Descriptor(media_type="", digest=f"sha256:{n}", size_bytes=n) for n in (1, 2))
    whole = NodeImage(reference=parse("docker://q/x"), digest="sha256:1", layers=layers, labels={})

    assert whole.size_bytes == 3


def test_other_images_are_not_node_images() -> None:
    assert image(io_openshift_metalayer="true").why_not_node_image() is None
    assert image(ostree_linux="5.14").why_not_node_image() is None
    assert image(io_openshift_build_versions="machine-os=9.6").why_not_node_image() is None
    assert "release image" in (image(io_openshift_release="4.19.1").why_not_node_image() or "")
    assert "has no label" in (image(io_openshift_tags="base").why_not_node_image() or "")


@needs_skopeo
def test_a_local_image_is_resolved_with_labels_and_layers(tmp_path: Path) -> None:
    layers = [tar_of({"a": b"1"}), tar_of({"b": b"2" * 999})]
    entry = write_layout(tmp_path / "l", layers, {"io.openshift.metalayer": "true"})

    resolved = resolve(source(f"oci:{tmp_path}/l:t"), deadline())

    assert resolved.digest == entry["digest"]
    assert str(resolved.reference) == f"oci:{tmp_path}/l:t"
    assert dict(resolved.labels) == {"io.openshift.metalayer": "true"}
    assert [layer.size_bytes for layer in resolved.layers] == [len(layer) for layer in layers]


@needs_skopeo
def test_an_image_for_another_architecture_is_refused(tmp_path: Path) -> None:
    write_layout(tmp_path / "l", [tar_of({})], arch="arm64")

    with pytest.raises(InputError, match="an image for arm64, not for x86_64"):
        resolve(source(f"oci:{tmp_path}/l:t"), deadline())


@needs_skopeo
def test_a_local_list_gives_the_image_for_the_architecture(tmp_path: Path) -> None:
    folder = tmp_path / "l"
    arches = ("amd64", "arm64")
    written = {a: write_layout(folder, [tar_of({a: b""})], {"a": a}, a) for a in arches}
    write_list(folder, written)

    found = resolve(source(f"oci:{tmp_path}/l:t", arch="aarch64"), deadline())

    assert found.digest == written["arm64"]["digest"]
    assert found.list_digest not in ("", found.digest)
    assert found.labels == {"a": "arm64"}
    with pytest.raises(InputError, match="no image for s390x, only for amd64, arm64"):
        resolve(source(f"oci:{tmp_path}/l:t", arch="s390x"), deadline())


@needs_skopeo
def test_a_list_where_no_image_can_be_named_comes_with_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "l"
    write_list(folder, {a: write_layout(folder, [tar_of({})], arch=a) for a in ("amd64", "arm64")})
    copy = tmp_path / "copy"
    run(["skopeo", "copy", "-q", "--all", f"oci:{folder}:t", f"dir:{copy}"], deadline())

    with pytest.raises(InputError, match="--override-arch=arm64 copy dir:"):
        resolve(source(f"dir:{copy}", arch="aarch64"), deadline())


@needs_skopeo
def test_a_manifest_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"schemaVersion": 1}))
    (tmp_path / "version").write_text("Directory Transport Version: 1.1\n")

    with pytest.raises(InputError, match="neither OCI nor Docker"):
        resolve(source(f"dir:{tmp_path}"), deadline())


@needs_skopeo
@pytest.mark.parametrize(
    ("text", "problem", "remedy"),
    [
        ("oci:/nowhere:t", "open /nowhere/index.json: no such file", "Check the path"),
        ("dir:/nowhere", "no such file or directory", "Check the path"),
        ("docker://UPPER/x", "invalid reference format", "Check the spelling"),
        ("docker://127.0.0.1:1/x", "connection refused", "Check the registry's name"),
    ],
)
def test_skopeos_reason_comes_with_a_remedy(text: str, problem: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve(source(text), deadline())

    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


def test_missing_authfile_is_reported_before_any_request(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        resolve(source("docker://q/x", authfile=tmp_path / "none.json"), deadline())


@pytest.mark.parametrize(
    ("stderr", "line"),
    [
        ('time="x" level=warning msg="w"\ntime="x" level=fatal msg="Error parsing image name '
         '\\"docker://q/x\\": reading manifest t in q/x: unauthorized: access denied"',
         "reading manifest t in q/x: unauthorized: access denied"),
        ('time="x" level=fatal msg="Error reading manifest t: manifest unknown"',
         "reading manifest t: manifest unknown"),
        ("plain words\nlast one\n", "last one"),
        ("", "skopeo failed without a message"),
    ],
)  # fmt: skip
def test_decisive_line_is_the_bare_reason(stderr: str, line: str) -> None:
    assert decisive_line(stderr) == line


@needs_skopeo
@pytest.mark.parametrize(
    "entries", ["x", 1, ["x"], [{"platform": None}], [{"platform": "x", "digest": "sha256:1"}]]
)
def test_a_malformed_list_is_refused(entries: object, tmp_path: Path) -> None:
    folder = tmp_path / "l"
    media = "application/vnd.oci.image.index.v1+json"
    write_layout(folder, [tar_of({})])
    text = json.dumps({"schemaVersion": 2, "mediaType": media, "manifests": entries})
    write_index(folder, "t", write_blob(folder, media, text.encode()))

    with pytest.raises(InputError, match="malformed list of images"):
        resolve(source(f"oci:{folder}:t"), deadline())
