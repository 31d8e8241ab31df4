"""The JSON of images: manifests, lists of them, and configurations. Pure.

Source: OCI image specification 1.0, manifest.md, image-index.md and config.md; Docker image
manifest version 2, schema 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.images.container.blob_stream import Descriptor
from harness.model.errors import InputError
from harness.model.foreign import json_value

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CONFIGS = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
_LAYER = re.compile(
    r"application/vnd\.oci\.image\.layer\.(nondistributable\.)?v1\.tar(\+gzip|\+zstd)?"
    r"|application/vnd\.docker\.image\.rootfs\.(foreign\.)?diff\.tar(\.gzip|\.zstd)?"
)
_REF_NAME = "org.opencontainers.image.ref.name"
_MAX_LAYERS = 1000
_OTHER = "Name an image for containers."
_PUSH_AGAIN = "Push the image with a current tool."


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The blobs of one image; `value` is the JSON as it was read."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What a configuration says; `created_by` has the command of each layer, empty if unknown."""

    architecture: str
    labels: Mapping[str, str]
    diff_ids: tuple[str, ...]
    created_by: tuple[str, ...]
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One image of a list: its tag, and the architecture and system that it is for.

    Each is empty if the list does not name it.
    """

    descriptor: Descriptor
    tag: str
    architecture: str
    os: str


def parse_manifest(text: bytes, subject: str) -> Manifest:
    """Return the manifest in `text`.

    Raises:
        InputError: it is of another form, such as schema 1, or not of an image.
    """
    value = _document(text, subject)
    if value.get("schemaVersion") != 2 or "config" not in value:
        problem = "the manifest is neither OCI nor Docker schema 2"
        raise InputError(subject, problem, _PUSH_AGAIN)
    try:
        config = _descriptor(value["config"])
        layers = tuple(map(_descriptor, value["layers"]))
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise _malformed(subject, f"manifest: {exc}") from exc
    _check_types(config, layers, subject)
    return Manifest(config=config, layers=layers, value=value)


def parse_config(text: bytes, subject: str, layers: int) -> Config:
    """Return the configuration in `text` of an image with so many `layers`.

    Raises:
        InputError: it is of another form, or is for another number of layers.
    """
    value = _document(text, subject)
    try:
        diff_ids = tuple(map(_digest, value["rootfs"]["diff_ids"]))
        labels = dict((value.get("config") or {}).get("Labels") or {})
        history = [step for step in value.get("history") or () if not step.get("empty_layer")]
        commands = [str(step.get("created_by") or "") for step in history]
        config = Config(
            architecture=str(value["architecture"]),
            labels={str(name): str(text) for name, text in labels.items()},
            diff_ids=diff_ids, value=value,
            created_by=tuple(commands) if len(commands) == layers else ("",) * layers,
        )  # fmt: skip
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise _malformed(subject, f"configuration: {exc}") from exc
    if len(diff_ids) != layers:
        problem = f"its configuration names {len(diff_ids)} layers, its manifest {layers}"
        raise InputError(subject, problem, _PUSH_AGAIN)
    return config


def parse_list(text: bytes, subject: str) -> tuple[Listed, ...] | None:
    """Return the images of a list, None if `text` is the manifest of one image.

    Raises:
        InputError: it is malformed.
    """
    value = _document(text, subject)
    if "manifests" not in value:
        return None
    try:
        return tuple(_entries(value["manifests"]))
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise _malformed(subject, f"list of images: {exc}") from exc


def _entries(items: list[dict[str, Any]]) -> Iterator[Listed]:
    for item in items:
        platform = item.get("platform") or {}
        yield Listed(
            descriptor=_descriptor(item),
            tag=str((item.get("annotations") or {}).get(_REF_NAME, "")),
            architecture=str(platform.get("architecture", "")), os=str(platform.get("os", "")),
        )  # fmt: skip


def _document(text: bytes, subject: str) -> dict[str, Any]:
    try:
        value = json_value(text)
    except ValueError as exc:
        raise _malformed(subject, f"JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise _malformed(subject, "JSON: not an object")
    return value


def _descriptor(item: Mapping[str, Any]) -> Descriptor:
    size_bytes = item["size"]
    if not isinstance(size_bytes, int) or size_bytes < 0:
        raise ValueError(f"{size_bytes!r} is not a size")
    media_type = str(item.get("mediaType") or "")
    return Descriptor(media_type=media_type, digest=_digest(item["digest"]), size_bytes=size_bytes)


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise ValueError(f"{text!r} is not a sha256 digest")
    return text


def _check_types(config: Descriptor, layers: tuple[Descriptor, ...], subject: str) -> None:
    if config.media_type not in _CONFIGS:
        problem = f"an artifact of the type {config.media_type!r}, not an image"
        raise InputError(subject, problem, _OTHER)
    other = next((one for one in layers if not _LAYER.fullmatch(one.media_type)), None)
    if other is not None:
        problem = f"the layer {other.digest} has the unknown media type {other.media_type!r}"
        raise InputError(subject, problem, _OTHER)
    if len(layers) > _MAX_LAYERS:
        raise InputError(subject, f"it has more than {_MAX_LAYERS} layers", _OTHER)


def _malformed(subject: str, detail: str) -> InputError:
    return InputError(subject, f"malformed {detail}", _PUSH_AGAIN)
