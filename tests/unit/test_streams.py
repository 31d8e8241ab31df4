"""The node image of a release is that of the stream under test."""

from __future__ import annotations

import json

import pytest

from harness.images.container.release import parse_references
from harness.images.container.streams import StreamWish, version_in_name
from harness.model.errors import InputError
from harness.model.versions.version import Version, parse

CLASS, VERSIONS = "io.openshift.os.streamclass", "io.openshift.build.versions"
Annotations = dict[str, str]


def references(**tags: Annotations) -> str:
    entries = [
        {
            "name": name.replace("_", "-"),
            "annotations": annotations,
            "from": {"kind": "DockerImage", "name": f"q/{name}@sha256:1"},
        }
        for name, annotations in tags.items()
    ]
    return json.dumps({"kind": "ImageStream", "spec": {"tags": entries}})


# As in 4.22.0-0.ci-2025-12-04-004014; releases of 4.21 have no stream class.
LABELLED = references(
    cli={},
    rhel_coreos={CLASS: "rhel-9", VERSIONS: "machine-os=9.6.20251201-1"},
    rhel_coreos_extensions={},
    rhel_coreos_10={CLASS: "rhel-10", VERSIONS: "machine-os=10.1.20251202-0"},
    rhel_coreos_10_extensions={},
)
PLAIN = references(cli={}, rhel_coreos={}, rhel_coreos_10={}, rhel_coreos_10_extensions={})
ONLY_10 = references(cli={}, rhel_coreos_10={}, rhel_coreos_10_extensions={})
BARE_10 = references(rhel_coreos={VERSIONS: "machine-os=10.4.20270301-0"})
OKD = references(stream_coreos={}, stream_coreos_10={})


def booted(version: str) -> Version:
    return parse(version)


@pytest.mark.parametrize(
    ("text", "wish", "tag", "stream", "reason"),
    [
        (LABELLED, StreamWish(name="rhel-10"), "rhel_coreos_10", "rhel-10", "by --os-stream"),
        (LABELLED, StreamWish(name="rhel-9"), "rhel_coreos", "rhel-9", "by --os-stream"),
        (PLAIN, StreamWish(name="rhel-coreos-10"), "rhel_coreos_10", "rhel-10", "by --os-stream"),
        (LABELLED, StreamWish(name="rhel-10", by="the config's coreos_img"), "rhel_coreos_10",
         "rhel-10", "by the config's coreos_img"),
        (LABELLED, StreamWish(bootimage=booted("10.1.20251128-0")), "rhel_coreos_10", "rhel-10",
         "the bootimage is of RHEL 10.1"),
        (PLAIN, StreamWish(bootimage=booted("9.8.20260403-0")), "rhel_coreos", "rhel-9",
         "the bootimage is of RHEL 9.8"),
        (PLAIN, StreamWish(bootimage=booted("418.94.202410090804-0")), "rhel_coreos", "rhel-9",
         "the bootimage is of RHEL 9.4"),
        (ONLY_10, StreamWish(), "rhel_coreos_10", "rhel-10", "the only one of the release"),
        (BARE_10, StreamWish(), "rhel_coreos", "rhel-10", "the only one of the release"),
        (OKD, StreamWish(name="centos-10"), "stream_coreos_10", "centos-10", "by --os-stream"),
        (OKD, StreamWish(bootimage=booted("10.0.20251103-0")), "stream_coreos_10", "centos-10",
         "the bootimage is of RHEL 10.0"),
    ],
)  # fmt: skip
def test_stream_chooses_the_node_image(
    text: str, wish: StreamWish, tag: str, stream: str, reason: str
) -> None:
    found = parse_references(text, "r", wish)

    assert str(found.reference) == f"docker://q/{tag}@sha256:1"
    assert found.stream == f"{stream} (tag {tag.replace('_', '-')})"
    assert found.reason == reason


@pytest.mark.parametrize(
    ("text", "wish", "problem"),
    [
        (PLAIN, StreamWish(), "several node images, and no version"),
        (PLAIN, StreamWish(bootimage=booted("44.20260720.1.1")), "several node images"),
        (PLAIN, StreamWish(bootimage=booted("11.0.20270301-0")), "for a bootimage of RHEL 11.0"),
        (ONLY_10, StreamWish(name="rhel-9"), r"no node image of the stream rhel-9 \(--os-stream\)"),
    ],
)
def test_what_cannot_be_chosen_lists_the_streams(text: str, wish: StreamWish, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        parse_references(text, "r", wish)

    assert "rhel-10 (tag rhel-coreos-10)" in caught.value.problem
    assert "--os-stream" in caught.value.remedy


def test_release_without_a_node_image_lists_what_it_has() -> None:
    with pytest.raises(
        InputError, match=r"no node image .rhel-coreos or stream-coreos. among cli, machine-os"
    ):
        parse_references(references(machine_os={}, cli={}), "r", StreamWish())


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("rhcos-9.6.20250402-0-qemu.x86_64.qcow2.gz", "9.6.20250402-0"),
        ("/images/1.2/rhcos-418.94.202410090804-0-qemu.x86_64.qcow2", "418.94.202410090804-0"),
        ("https://m.example/streams/rhel-9.8/builds/10.2.20260405-0/x86_64/rhcos.qcow2",
         "10.2.20260405-0"),
        ("scos-10.0.20251103-0-qemu.x86_64.qcow2", "10.0.20251103-0"),
        ("rhcos-4.16.3-x86_64-live.iso", None),
        ("bootimage.qcow2", None),
    ],
)  # fmt: skip
def test_version_is_found_in_the_name_of_an_image(name: str, version: str | None) -> None:
    found = version_in_name(name)

    assert (found.text if found else None) == version
