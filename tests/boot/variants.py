"""Node images with one fault each: one more layer on top of the stand-in's."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

from harness import process
from harness.images.oci.writing import MANIFEST, write_blob, write_index
from harness.model.clock import Deadline
from harness.standin import oci, rpm
from harness.standin.build import StandIn

_DATABASE = Path(rpm.DATABASE) / "rpmdb.sqlite"


def without_package(stand_in: StandIn, name: str, files: tuple[str, ...], folder: Path) -> str:
    """Return a node image whose rpmdb has no `name` and whose `files` are whited out."""
    node = stand_in.folder / "node"
    tree = folder / "tree"
    (tree / _DATABASE).parent.mkdir(parents=True)
    (tree / _DATABASE).write_bytes(_read(node, os.fspath(_DATABASE)))
    process.run(
        ["rpm", "--root", tree, f"--define=_dbpath /{rpm.DATABASE}", "--define=_db_backend sqlite",
         "-e", "--justdb", "--nodeps", name], Deadline.after(60.0),
    )  # fmt: skip
    rpm.seal(tree)
    for file in files:
        mark = tree / file.lstrip("/")
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.with_name(f".wh.{mark.name}").touch()
    return _on_top(node, tree, folder)


def with_file(stand_in: StandIn, path: str, content: str, mode: int, folder: Path) -> str:
    """Return a node image with `content` at `path`."""
    target = folder / "tree" / path.lstrip("/")
    target.parent.mkdir(parents=True)
    target.write_text(content)
    target.chmod(mode)
    return _on_top(stand_in.folder / "node", folder / "tree", folder)


def read_text(stand_in: StandIn, path: str) -> str:
    """Return the text of a file of the stand-in's node layer."""
    return _read(stand_in.folder / "node", path.lstrip("/")).decode()


def _on_top(node: Path, tree: Path, folder: Path) -> str:
    files = (path for path in tree.rglob("*") if path.is_file() and path.name != ".rpm.lock")
    layer = oci.pack(tree, files, folder / "layer")
    image = folder / "image"
    process.run(["cp", "-al", node, image], Deadline.after(60.0))
    manifest = _manifest(node)
    config = json.loads(_blob(node, manifest["config"]["digest"]))
    config["rootfs"]["diff_ids"].append(layer.diff_id)
    config["history"].append({"created": config["created"], "created_by": "a test"})
    manifest["config"] = write_blob(image, manifest["config"]["mediaType"], _json(config))
    manifest["layers"].append(layer.descriptor)
    (image / "blobs/sha256" / layer.descriptor["digest"].removeprefix("sha256:")).hardlink_to(
        layer.file
    )
    (image / "index.json").unlink()  # A hard link to the original's.
    (image / "oci-layout").unlink()
    write_index(image, oci.TAG, write_blob(image, MANIFEST, _json(manifest)))
    return f"oci:{image}:{oci.TAG}"


def _read(layout: Path, name: str) -> bytes:
    """Return a file of the top layer."""
    layer = _blob(layout, _manifest(layout)["layers"][-1]["digest"])
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        member = tar.extractfile(name)
        if member is None:
            raise FileNotFoundError(name)
        return member.read()


def _manifest(layout: Path) -> dict[str, Any]:
    index = json.loads((layout / "index.json").read_bytes())
    manifest: dict[str, Any] = json.loads(_blob(layout, index["manifests"][0]["digest"]))
    return manifest


def _blob(layout: Path, digest: str) -> bytes:
    return (layout / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
