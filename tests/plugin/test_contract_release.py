"""The contract of a release in a registry: the project's own, by the usual `docker://` path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from contract_judging import verdicts
from standin_images import images
from standin_images.recipe import HERE, Recipe

from harness.images.container import registry
from harness.images.container.registry import Registry
from harness.images.container.skopeo import Source
from harness.images.reference import parse
from harness.model.clock import Deadline

NINE = Recipe.usual()
TEN = replace(NINE, base_version="10.2.20260328-0", stream="rhel-10", codename="Coughlan")
STREAMS = {"": NINE, "-10": TEN}
NOWHERE = f"sha256:{0:064x}"
BOOTIMAGE = {"bootimage-is-of-the-rhel", "bootimage-is-not-newer"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    place = tmp_path_factory.mktemp("registry")
    with registry.serve(place, soon()) as found, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(found.folder / "trust" / "ca.crt"))
        patch.setenv("XDG_CACHE_HOME", str(place / "cache"))
        yield found


@pytest.fixture(scope="module")
def specs(served: Registry, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The pull specs of the images of both streams, by the tags of a release, and of the bases."""
    found = {}
    for end, recipe in STREAMS.items():
        written = images.write_all(tmp_path_factory.mktemp("stream"), recipe)
        for tag, reference in {
            f"rhel-coreos{end}": written.node, f"rhel-coreos{end}-extensions": written.extensions,
            f"driver-toolkit{end}": written.driver_toolkit, f"base{end}": written.base,
        }.items():  # fmt: skip
            found[tag] = pushed(served, reference, tag)
    return found


def soon() -> Deadline:
    return Deadline.after(120)


def pushed(served: Registry, reference: str, name: str) -> str:
    """Push an image, and return its pull spec by digest for this host."""
    spec = served.push(Source(reference=parse(reference), arch=HERE), name, soon())
    return spec.replace(served.address_in_guest, f"127.0.0.1:{served.port}")


def release(served: Registry, specs: dict[str, str], place: Path, **others: str) -> str:
    """Push a release with other pull specs for some tags, and return its reference."""
    named = specs | {tag.replace("_", "-"): spec for tag, spec in others.items()}
    return f"docker://{pushed(served, images.write_release(place, '4.21.3', STREAMS, named), 'r')}"


@pytest.mark.parametrize("end", STREAMS)
def test_each_stream_of_a_release_is_judged_with_the_images_beside_it(
    end: str, served: Registry, specs: dict[str, str], tmp_path: Path
) -> None:
    found = verdicts(
        release_image=release(served, specs, tmp_path), os_stream=STREAMS[end].stream,
        base_image=f"docker://{specs[f'base{end}']}",
    )  # fmt: skip

    assert found.keys() == BOOTIMAGE


def test_images_of_a_release_that_are_gone_are_errors_of_their_rows_alone(
    served: Registry, specs: dict[str, str], tmp_path: Path
) -> None:
    gone = f"127.0.0.1:{served.port}/gone@{NOWHERE}"
    named = release(served, specs, tmp_path, driver_toolkit=gone, rhel_coreos_10=gone)

    found = verdicts(
        release_image=named, os_stream="rhel-9", base_image=f"docker://{specs['base']}"
    )

    agree = found.pop("architectures-agree")
    assert agree.startswith("not judged: the driver toolkit cannot be read. Look at the errors")
    assert found.keys() - BOOTIMAGE == {
        "driver-toolkit-has-the-kernel", "streams-of-the-release-are-paired",
    }  # fmt: skip
    for row, tag in (("driver-toolkit-has-the-kernel", "driver-toolkit"),
                     ("streams-of-the-release-are-paired", "rhel-coreos-10")):  # fmt: skip
        assert found[row].startswith(f"error: {tag} of the release, docker://{gone}: ")
        assert "Check the name, the tag or digest" in found[row]
        assert "\n" not in found[row]


def test_what_the_user_names_replaces_what_the_release_names(
    served: Registry, specs: dict[str, str], tmp_path: Path
) -> None:
    gone = f"127.0.0.1:{served.port}/gone@{NOWHERE}"

    found = verdicts(
        release_image=release(served, specs, tmp_path, driver_toolkit=gone), os_stream="rhel-9",
        base_image=f"docker://{specs['base']}", driver_toolkit=f"docker://{specs['driver-toolkit']}",
    )  # fmt: skip

    assert found.keys() == BOOTIMAGE
