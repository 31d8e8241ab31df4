"""`node-image diff` compares stand-in images of the contract, and its status says the result."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from standin_images.images import write_base, write_node, write_release
from standin_images.recipe import Recipe, nevra

from harness.cli import main
from harness.contract.reading.access import Access
from harness.contract.reading.named_images import named_by
from harness.images.acquire.cache import Cache
from harness.model.clock import Deadline
from harness.model.errors import InputError

RECIPE = Recipe.usual()
NEWER = replace(
    RECIPE, base_version="9.6.20260410-0", node_packages=RECIPE.node_packages | {nevra("extra")}
)
RHEL_10 = replace(RECIPE, base_version="10.2.20260328-0", stream="rhel-10")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["diff", *arguments])


def test_a_newer_image_differs(tmp_path: Path) -> None:
    old, new = write_node(tmp_path / "old", RECIPE), write_node(tmp_path / "new", NEWER)

    found = json.loads(run(old, new, "--output", "json", "--files").output)

    (image,) = found["images"]
    assert [(each["change"], each["name"]) for each in image["packages"]] == [("added", "extra")]
    assert [each["name"] for each in image["os_release"]] == [
        "OSTREE_VERSION", "PRETTY_NAME", "VERSION",
    ]  # fmt: skip
    assert "/usr/lib/os-release" in [each["path"] for each in image["files"]]
    assert run(old, new).exit_code == 1
    assert run(old, old, "--files").exit_code == 0


def test_quick_reads_no_os_release(tmp_path: Path) -> None:
    old, new = write_node(tmp_path / "old", RECIPE), write_node(tmp_path / "new", NEWER)

    done = run(old, new, "--quick")

    assert done.exit_code == 1
    assert "os-release was not read" in done.output
    assert "added   extra" in done.output


@pytest.mark.parametrize("output", ["table", "markdown", "json"])
def test_base_and_node_image_can_be_compared(output: str, tmp_path: Path) -> None:
    base, node = write_base(tmp_path / "base", RECIPE), write_node(tmp_path / "node", RECIPE)

    done = run(base, node, "--output", output)

    assert done.exit_code == 1
    assert "openshift-kubelet" in done.output


def test_unusable_input_has_its_status(tmp_path: Path) -> None:
    node = write_node(tmp_path / "node", RECIPE)
    base = write_base(tmp_path / "base", RECIPE)

    assert run(node, f"oci:{tmp_path}/none").exit_code == 2
    without_release = run(node, node, "--os-stream", "rhel-9")
    assert without_release.exit_code == 2
    assert "given without a release" in without_release.output
    no_list = run(base, node, "--quick")
    assert (no_list.exit_code, "no list of packages" in no_list.output) == (2, True)


def named(subject: str, folder: Path, stream: str = "") -> dict[str, str]:
    with Cache(folder / "answers") as cache:
        access = Access(arch=platform.machine(), cache=cache)
        return dict(named_by(subject, access, Deadline.after(60), stream).images)


def test_a_release_names_an_image_for_each_stream(tmp_path: Path) -> None:
    release = write_release(tmp_path / "r", "4.22.0", {"": RECIPE, "-10": RHEL_10})

    images = named(release, tmp_path)

    assert list(images) == ["rhel-9", "rhel-10"]
    assert all(each.startswith("docker://registry.stand-in") for each in images.values())
    assert named(release, tmp_path, "rhel-10") == {"rhel-10": images["rhel-10"]}
    assert named(release, tmp_path, "rhel-coreos-10") == {"rhel-coreos-10": images["rhel-10"]}


def test_a_misspelt_stream_is_an_error(tmp_path: Path) -> None:
    """`oc` says that the releases have the same image, and exits with 0."""
    release = write_release(tmp_path / "r", "4.22.0", {"": RECIPE, "-10": RHEL_10})

    done = run(release, release, "--os-stream", "rhel-01")

    assert done.exit_code == 2
    assert "no node image of the stream rhel-01, only of rhel-9, rhel-10" in done.output


def test_two_images_of_one_stream_are_not_mixed(tmp_path: Path) -> None:
    release = write_release(tmp_path / "r", "4.22.0", {"": RECIPE, "-10": RECIPE})

    with pytest.raises(InputError, match="several node images of the stream rhel-9"):
        named(release, tmp_path)
    assert len(named(release, tmp_path, "rhel-coreos-10")) == 1


def test_an_image_has_the_name_of_its_stream(tmp_path: Path) -> None:
    node, base = write_node(tmp_path / "n", RECIPE), write_base(tmp_path / "b", RECIPE)

    assert (named(node, tmp_path), named(base, tmp_path)) == ({"rhel-9": node}, {"": base})
    assert named("rhcos.qcow2", tmp_path) == {"": "rhcos.qcow2"}


def test_an_empty_architecture_is_wrong_usage(tmp_path: Path) -> None:
    image = write_node(tmp_path / "node", RECIPE)
    done = run(image, image, "--arch", "")

    assert (done.exit_code, "--arch: is empty. " in done.output) == (2, True)
