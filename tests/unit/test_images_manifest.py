"""What is wrong in the JSON of an image is reported by the place of the field."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from harness.images.oci.manifest import parse_config, parse_list, parse_manifest
from harness.model.errors import InputError

SUM = f"sha256:{'0' * 64}"
BLOB = {"digest": SUM, "size": 1, "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"}
CONFIG = BLOB | {"mediaType": "application/vnd.oci.image.config.v1+json"}


def problem_of(parse: Callable[[bytes], object], value: object) -> str:
    with pytest.raises(InputError) as caught:
        parse(json.dumps(value).encode())
    return caught.value.problem


def manifest(text: bytes) -> object:
    return parse_manifest(text, "oci:x")


def config(text: bytes) -> object:
    return parse_config(text, "oci:x", 1)


def listed(text: bytes) -> object:
    return parse_list(text, "oci:x")


@pytest.mark.parametrize(
    ("layers", "place"),
    [
        (None, "$.layers"),
        ({}, "$.layers"),
        ([7], "$.layers[0]"),
        ([BLOB, BLOB | {"size": True}], "$.layers[1].size"),
        ([BLOB | {"size": -1}], "$.layers[0].size"),
        ([BLOB | {"size": "1"}], "$.layers[0].size"),
        ([BLOB | {"digest": 1}], "$.layers[0].digest"),
        ([BLOB | {"digest": f"{SUM}\n"}], "$.layers[0].digest"),
        ([BLOB | {"digest": "sha256:0"}], "$.layers[0].digest"),
        ([BLOB | {"mediaType": ["x"]}], "$.layers[0].mediaType"),
    ],
)
def test_wrong_field_of_a_manifest_is_named(layers: object, place: str) -> None:
    value = {"schemaVersion": 2, "config": CONFIG, "layers": layers}

    problem = problem_of(manifest, value)

    assert problem.startswith("malformed manifest: Expected ")
    assert problem.endswith(f"`{place}`")


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ({"rootfs": None}, "$.rootfs"),
        ({"rootfs": {"diff_ids": "x"}}, "$.rootfs.diff_ids"),
        ({"rootfs": {"diff_ids": [None]}}, "$.rootfs.diff_ids[0]"),
        ({"config": 1}, "$.config"),
        ({"config": {"Labels": ["a"]}}, "$.config.Labels"),
        ({"config": {"Labels": {"a": {}}}}, "$.config.Labels[...]"),
        ({"history": [1]}, "$.history[0]"),
        ({"architecture": None}, "$.architecture"),
    ],
)
def test_wrong_field_of_a_configuration_is_named(part: dict[str, object], place: str) -> None:
    good: dict[str, object] = {"architecture": "amd64", "rootfs": {"diff_ids": [SUM]}}

    problem = problem_of(config, good | part)

    assert problem.startswith("malformed configuration: Expected ")
    assert problem.endswith(f"`{place}`")


@pytest.mark.parametrize(
    ("manifests", "place"),
    [
        ({}, "$.manifests"),
        ([BLOB, None], "$.manifests[1]"),
        ([BLOB | {"platform": "amd64"}], "$.manifests[0].platform"),
        ([BLOB | {"annotations": []}], "$.manifests[0].annotations"),
    ],
)
def test_wrong_field_of_a_list_is_named(manifests: object, place: str) -> None:
    problem = problem_of(listed, {"schemaVersion": 2, "manifests": manifests})

    assert problem.startswith("malformed list of images: Expected ")
    assert problem.endswith(f"`{place}`")


def test_fields_that_tools_leave_out_or_empty_are_accepted() -> None:
    value = {"architecture": "amd64", "rootfs": {"diff_ids": [SUM]}, "config": None}

    found = parse_config(json.dumps(value | {"history": None}).encode(), "oci:x", 1)

    assert (found.labels, found.created_by) == ({}, ("",))
