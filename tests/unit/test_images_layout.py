"""A layout's files are regular ones; links are followed only for whoever allows it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from images_fakes import deadline, tar_of, write_layout

from harness.images.layers.blob_stream import Descriptor
from harness.images.oci.layout import Layout
from harness.model.errors import InputError


def layout(folder: Path, *, follows_links: bool = False) -> Layout:
    return Layout(folder=folder, subject="oci:x", follows_links=follows_links)


def written(folder: Path) -> Descriptor:
    write_layout(folder, [tar_of({"usr/bin/oc": b"elf"})])
    return layout(folder).listed()[0].descriptor


def path_of(folder: Path, blob: Descriptor) -> Path:
    return folder / "blobs" / "sha256" / blob.digest.removeprefix("sha256:")


def test_linked_blobs_are_read_if_links_may_be_followed(tmp_path: Path) -> None:
    manifest = written(tmp_path)
    path = path_of(tmp_path, manifest)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")

    text = layout(tmp_path, follows_links=True).json(manifest, deadline())

    assert len(text) == manifest.size_bytes
    with pytest.raises(InputError, match=r"oci:x: .* cannot be read"):
        layout(tmp_path).json(manifest, deadline())


@pytest.mark.parametrize("follows_links", [False, True])
def test_fifo_is_refused_at_once(tmp_path: Path, *, follows_links: bool) -> None:
    manifest = written(tmp_path)
    path_of(tmp_path, manifest).unlink()
    os.mkfifo(path_of(tmp_path, manifest))

    with pytest.raises(InputError, match=r"cannot be read: not a regular file"):
        layout(tmp_path, follows_links=follows_links).json(manifest, deadline())


def test_error_about_a_blob_names_it(tmp_path: Path) -> None:
    manifest = written(tmp_path)
    path_of(tmp_path, manifest).unlink()

    with pytest.raises(InputError, match=r"oci:x, layer 1: .* cannot be read: No such file"):
        layout(tmp_path).blob(manifest, deadline(), "oci:x, layer 1")
