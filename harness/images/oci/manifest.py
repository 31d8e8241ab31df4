"""The JSON of images: manifests, lists of them, and configurations. Pure.

Source: OCI image specification 1.0, manifest.md, image-index.md and config.md; Docker image
manifest version 2, schema 2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import msgspec

from harness.images.layers.blob_stream import Descriptor
from harness.model.errors import InputError
from harness.model.foreign import json_value

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


_Form = TypeVar("_Form", bound=msgspec.Struct)
_Digest = Annotated[str, msgspec.Meta(pattern=r"\Asha256:[0-9a-f]{64}\Z")]
_Texts = dict[str, str] | None


class _Platform(msgspec.Struct):
    architecture: str = ""
    os: str = ""


class _DescriptorJson(msgspec.Struct, rename="camel"):
    digest: _Digest
    size: Annotated[int, msgspec.Meta(ge=0)]
    media_type: str | None = None
    annotations: _Texts = None
    platform: _Platform | None = None

    @property
    def descriptor(self) -> Descriptor:
        media_type = self.media_type or ""
        return Descriptor(media_type=media_type, digest=self.digest, size_bytes=self.size)

    @property
    def listed(self) -> Listed:
        platform = self.platform or _Platform()
        return Listed(
            descriptor=self.descriptor,
            tag=(self.annotations or {}).get(_REF_NAME, ""),
            architecture=platform.architecture,
            os=platform.os,
        )


class _ManifestJson(msgspec.Struct):
    config: _DescriptorJson
    layers: list[_DescriptorJson]


class _ListJson(msgspec.Struct):
    manifests: list[_DescriptorJson]


class _Rootfs(msgspec.Struct):
    diff_ids: list[_Digest]


class _Settings(msgspec.Struct):
    labels: _Texts = msgspec.field(name="Labels", default=None)


class _Step(msgspec.Struct):
    created_by: str | None = None
    empty_layer: bool = False


class _ConfigJson(msgspec.Struct):
    architecture: str
    rootfs: _Rootfs
    config: _Settings | None = None
    history: list[_Step] | None = None


def parse_manifest(text: bytes, subject: str) -> Manifest:
    """Return the manifest in `text`.

    Raises:
        InputError: it is of another form, such as schema 1, or not of an image.
    """
    value = _document(text, subject)
    if value.get("schemaVersion") != 2 or "config" not in value:
        problem = "the manifest is neither OCI nor Docker schema 2"
        raise InputError(subject, problem, _PUSH_AGAIN)
    found = _converted(value, _ManifestJson, "manifest", subject)
    config, layers = found.config.descriptor, tuple(each.descriptor for each in found.layers)
    _check_types(config, layers, subject)
    return Manifest(config=config, layers=layers, value=value)


def parse_config(text: bytes, subject: str, layers: int) -> Config:
    """Return the configuration in `text` of an image with so many `layers`.

    Raises:
        InputError: it is of another form, or is for another number of layers.
    """
    value = _document(text, subject)
    found = _converted(value, _ConfigJson, "configuration", subject)
    diff_ids = tuple(found.rootfs.diff_ids)
    history = [step for step in found.history or () if not step.empty_layer]
    commands = tuple(step.created_by or "" for step in history)
    if len(diff_ids) != layers:
        problem = f"its configuration names {len(diff_ids)} layers, its manifest {layers}"
        raise InputError(subject, problem, _PUSH_AGAIN)
    return Config(
        architecture=found.architecture,
        labels=(found.config.labels if found.config else None) or {},
        diff_ids=diff_ids,
        created_by=commands if len(commands) == layers else ("",) * layers,
        value=value,
    )


def parse_list(text: bytes, subject: str) -> tuple[Listed, ...] | None:
    """Return the images of a list, None if `text` is the manifest of one image.

    Raises:
        InputError: it is malformed.
    """
    value = _document(text, subject)
    if "manifests" not in value:
        return None
    found = _converted(value, _ListJson, "list of images", subject)
    return tuple(each.listed for each in found.manifests)


def _document(text: bytes, subject: str) -> dict[str, Any]:
    try:
        value = json_value(text)
    except ValueError as exc:
        raise _malformed(subject, f"JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise _malformed(subject, "JSON: not an object")
    return value


def _converted(value: Mapping[str, Any], form: type[_Form], name: str, subject: str) -> _Form:
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as exc:
        raise _malformed(subject, f"{name}: {exc}") from exc


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
