"""What a layout says is believed only as far as digests go."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from images_fakes import deadline, tar_of, write_layout, write_list

from harness.images.container import archive
from harness.images.oci.layout_image import image_in, require_listed
from harness.images.reference import parse
from harness.model.errors import InputError

LAYER = tar_of({"usr/bin/oc": b"elf"})


def layout(folder: Path) -> dict[str, Path]:
    """Write a layout; return its blobs by what they are."""
    manifest = write_layout(folder, [LAYER])
    paths = {"manifest": folder / "blobs/sha256" / manifest["digest"].removeprefix("sha256:")}
    described = json.loads(paths["manifest"].read_text())
    paths["config"] = paths["manifest"].with_name(described["config"]["digest"][7:])
    paths["layer"] = paths["manifest"].with_name(described["layers"][0]["digest"][7:])
    return paths


def names(folder: Path, digest: str | None = None) -> list[str]:
    image = image_in(folder, digest, "oci:x", deadline())
    return [
        member.name for number in range(len(image.layers)) for member, _ in image.members(number)
    ]


def test_image_is_read_by_the_digest_of_its_manifest(tmp_path: Path) -> None:
    manifest = layout(tmp_path)["manifest"]
    write_layout(tmp_path, [tar_of({"other": b""})])

    assert names(tmp_path, f"sha256:{manifest.name}") == ["usr/bin/oc"]
    assert names(tmp_path) == ["other"]


def test_two_images_need_a_digest(tmp_path: Path) -> None:
    first = write_layout(tmp_path, [LAYER])
    second = write_layout(tmp_path, [tar_of({"other": b""})])
    index = json.loads((tmp_path / "index.json").read_text())
    index["manifests"] = [first, second]
    (tmp_path / "index.json").write_text(json.dumps(index))

    with pytest.raises(InputError, match="2 images in its layout, not one"):
        names(tmp_path)


@pytest.mark.parametrize("blob", ["manifest", "config", "layer"])
@pytest.mark.parametrize(
    "change",
    [
        lambda content: content[:-1],
        lambda content: content + b" ",
        lambda content: content[:-1] + b" ",
        lambda content: content[:9] + bytes([content[9] ^ 1]) + content[10:],
        lambda content: b"",
    ],
    ids=["cut", "longer", "last", "bit", "empty"],
)
def test_blob_with_another_digest_is_refused(
    blob: str, change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = layout(tmp_path)[blob]
    path.write_bytes(change(path.read_bytes()))

    with pytest.raises(InputError, match="oci:x"):
        names(tmp_path)


def replaced_by_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replaced_by_link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


def replaced_by_device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def replaced_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("blob", ["manifest", "config", "layer", "index"])
@pytest.mark.parametrize(
    "replace", [replaced_by_fifo, replaced_by_link, replaced_by_device, replaced_by_folder]
)
def test_blob_that_is_not_a_regular_file_is_refused(
    blob: str, replace: Callable[[Path], None], tmp_path: Path
) -> None:
    replace({**layout(tmp_path), "index": tmp_path / "index.json"}[blob])

    with pytest.raises(InputError, match=r"cannot be read|is not a regular file"):
        names(tmp_path)


@pytest.mark.parametrize("blob", ["manifest", "config", "layer", "index", "blobs"])
@pytest.mark.parametrize("replace", [replaced_by_fifo, replaced_by_link, replaced_by_device])
def test_skopeo_never_gets_a_layout_with_links_or_fifos(
    blob: str, replace: Callable[[Path], None], tmp_path: Path
) -> None:
    places = {**layout(tmp_path), "index": tmp_path / "index.json", "blobs": tmp_path / "blobs"}
    archive.require_safe(parse(f"oci:{tmp_path}:t"), deadline())
    if blob == "blobs":
        places["blobs"].rename(tmp_path / "elsewhere")
        places["blobs"].touch()
    replace(places[blob])

    with pytest.raises(InputError, match="is neither a regular file nor a folder"):
        archive.require_safe(parse(f"oci:{tmp_path}:t"), deadline())


def test_skopeo_never_gets_a_folder_with_a_fifo(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "unrelated").symlink_to("/")
    archive.require_safe(parse(f"dir:{tmp_path}"), deadline())
    os.mkfifo(tmp_path / ("a" * 64))

    with pytest.raises(InputError, match="is neither a regular file nor a folder"):
        archive.require_safe(parse(f"dir:{tmp_path}"), deadline())


@pytest.mark.parametrize("digest", ["sha256:../../../etc/passwd", "sha512:00", "x", "sha256:", ""])
def test_blob_named_by_a_path_is_refused(digest: str, tmp_path: Path) -> None:
    written = layout(tmp_path)
    manifest = json.loads(written["manifest"].read_text())
    manifest["layers"][0]["digest"] = digest
    written["manifest"].write_text(json.dumps(manifest))

    with pytest.raises(InputError):
        names(tmp_path)
    with pytest.raises(InputError):
        names(tmp_path, digest)


@pytest.mark.parametrize("index", ["[]", "{}", "[" * 5000, '{"manifests": 1}', "\xff", ""])
def test_malformed_index_is_refused(index: str, tmp_path: Path) -> None:
    layout(tmp_path)
    (tmp_path / "index.json").write_text(index)

    with pytest.raises(InputError, match="oci:x"):
        names(tmp_path)


def test_huge_manifest_is_not_read(tmp_path: Path) -> None:
    manifest = layout(tmp_path)["manifest"]
    os.truncate(manifest, 1 << 40)

    with pytest.raises(InputError, match="an implausible manifest or configuration of"):
        names(tmp_path, f"sha256:{manifest.name}")


def test_manifest_has_the_digest_that_the_index_names(tmp_path: Path) -> None:
    manifest = layout(tmp_path)["manifest"]
    reference = parse(f"oci:{tmp_path}:t")

    require_listed(reference, f"sha256:{manifest.name}")
    require_listed(parse("docker://q/x"), "sha256:any")
    with pytest.raises(InputError, match=r"index\.json does not name the manifest sha256:0"):
        require_listed(reference, "sha256:0")


def test_list_of_images_is_not_an_image(tmp_path: Path) -> None:
    write_list(tmp_path, {"amd64": write_layout(tmp_path, [LAYER])})

    with pytest.raises(InputError, match="neither OCI nor Docker schema 2"):
        names(tmp_path)
