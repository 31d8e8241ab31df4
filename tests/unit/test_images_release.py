from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
import zstandard
from images_fakes import deadline, tar_of, write_layout

from harness.images.container.release import parse_references, read_references
from harness.images.container.streams import StreamWish
from harness.model.errors import InputError

NAME = "release-manifests/image-references"


def found(folder: Path, *layers: bytes) -> str:
    write_layout(folder, layers)
    return read_references(folder, None, "docker://q/release", deadline())


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[]", '{"spec": {"tags": [{"name": "x"}]}}', '{"spec": {"tags": ["x"]}}',
        '{"spec": {"tags": [{"name": [[]], "from": {"kind": "DockerImage", "name": "x"}}]}}',
        '{"spec": {"tags": [{"name": "x", "from": {"kind": "DockerImage", "name": 1}}]}}',
        '{"spec": {"tags": [{"name": "x", "from": {"kind": "DockerImage", "name": "x"},'
        ' "annotations": {"a": []}}]}}',
    ],
)  # fmt: skip
def test_text_other_than_an_image_stream_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not an image stream"):
        parse_references(text, "r", StreamWish())


def test_the_topmost_layer_that_has_the_list_wins(tmp_path: Path) -> None:
    text = found(
        tmp_path, tar_of({NAME: b"old"}), tar_of({f"./{NAME}": b"new"}), tar_of({"other": b"x"})
    )

    assert text == "new"


def test_compressed_layers_are_searched(tmp_path: Path) -> None:
    layer = tar_of({"first": b"x" * 99_999, NAME: b"list"})

    assert found(tmp_path / "gzip", gzip.compress(layer)) == "list"
    assert found(tmp_path / "zstd", zstandard.compress(layer)) == "list"


def test_a_link_or_another_folder_is_not_the_list(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        link = tarfile.TarInfo(NAME)
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    elsewhere = tar_of({f"../{NAME}": b"x", f"etc/{NAME}": b"x"})

    with pytest.raises(InputError, match="not a release image"):
        found(tmp_path, packed.getvalue(), elsewhere)


def test_damaged_layer_is_an_error(tmp_path: Path) -> None:
    layer = gzip.compress(tar_of({"first": b"x" * 99_999, NAME: b"list"}))

    with pytest.raises(InputError, match="unreadable layer"):
        found(tmp_path, layer[:60])


def test_an_implausibly_large_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="implausible"):
        found(tmp_path, tar_of({NAME: bytes((16 << 20) + 1)}))


def test_list_from_a_damaged_layer_is_not_used(tmp_path: Path) -> None:
    write_layout(tmp_path, [tar_of({NAME: b"good"})])
    for blob in (tmp_path / "blobs/sha256").iterdir():
        blob.write_bytes(blob.read_bytes().replace(b"good", b"evil"))

    with pytest.raises(InputError, match=r"the blob sha256:.* has the digest"):
        read_references(tmp_path, None, "docker://q/release", deadline())
