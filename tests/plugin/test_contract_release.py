"""The contract of a release in a registry: the project's own, by the usual `docker://` path."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from contract_judging import verdicts
from guides import consoles_of
from standin_images import images
from standin_images.recipe import HERE, Recipe, nevra

from harness import process
from harness.cli import main
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
    return pushed_streams(served, tmp_path_factory.mktemp("streams"), STREAMS)


@pytest.fixture(scope="module")
def newer(served: Registry, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The same with another version of skopeo."""
    streams = {end: with_newer_skopeo(recipe) for end, recipe in STREAMS.items()}
    return pushed_streams(served, tmp_path_factory.mktemp("newer"), streams)


def with_newer_skopeo(recipe: Recipe) -> Recipe:
    base, node = (
        frozenset(nevra("skopeo", "1.1") if one.name == "skopeo" else one for one in packages)
        for packages in (recipe.base_packages, recipe.node_packages)
    )
    return replace(recipe, base_packages=base, node_packages=node)


def pushed_streams(served: Registry, place: Path, streams: dict[str, Recipe]) -> dict[str, str]:
    found = {}
    for end, recipe in streams.items():
        written = images.write_all(place / f"stream{end}", recipe)
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


def asked(*words: str, status: int) -> str:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == status, done.output
    return done.stdout


def test_a_release_controller_gets_a_page_of_two_releases_and_the_next_time_from_the_cache(
    served: Registry, specs: dict[str, str], newer: dict[str, str], tmp_path: Path
) -> None:
    old, new = (release(served, one, tmp_path / name)
                for name, one in (("old", specs), ("new", newer)))  # fmt: skip
    words = ("diff", old, new, "--quick", "--output", "markdown")
    layers = re.compile(r"GET /v2/[a-z0-9-]*rhel-coreos[a-z0-9-]*/blobs/")
    log = served.folder.parent / "registry.log"

    page = asked(*words, status=1)
    asked_for = len(layers.findall(log.read_text()))
    again = asked(*words, status=1)

    assert again == page
    assert asked_for > 0
    assert len(layers.findall(log.read_text())) == asked_for
    for stream in ("rhel-9", "rhel-10"):
        assert stream in page
    assert "| skopeo" in page
    assert asked("diff", old, old, "--quick", "--output", "markdown", status=0)


def test_art_reads_the_job_of_each_stream(
    served: Registry, specs: dict[str, str], newer: dict[str, str], tmp_path: Path
) -> None:
    bases = [f"--base=docker://{one}" for one in (newer["base"], specs["base-10"])]
    words = ("stale", *bases, "--release", release(served, specs, tmp_path), "--output", "json")

    found = json.loads(asked(*words, "--arch", HERE, status=1))

    jobs = {one["stream"]: one["jobs"] for one in found["parts"]}
    assert jobs == {"rhel-9": ["node job"], "rhel-10": []}


def test_a_konflux_step_finds_a_package_that_went_back(
    specs: dict[str, str], newer: dict[str, str]
) -> None:
    published, built = (f"docker://{one['rhel-coreos']}" for one in (newer, specs))

    found = json.loads(asked("diff", published, built, "--output", "json", status=1))

    (image,) = found["images"]
    assert [(one["name"], one["change"]) for one in image["packages"]] == [("skopeo", "downgraded")]


def test_the_step_of_the_docs_judges_what_it_gets_from_its_job(
    served: Registry, specs: dict[str, str], tmp_path: Path
) -> None:
    (step,) = [text for text in consoles_of("contract.md") if "$EXTENSIONS" in text]
    script = "\n".join(line.removeprefix("$ ") for line in step.splitlines())
    tests = tmp_path / "tests" / "contract"
    tests.mkdir(parents=True)
    shutil.copy(Path(__file__).parents[1] / "contract" / "test_contract.py", tests)
    secret = tmp_path / "pull-secret.json"
    secret.write_text('{"auths": {}}')

    done = process.run(
        ["bash", "-c", script], soon(), check=False, cwd=tmp_path,
        env={
            "NODE": specs["rhel-coreos"], "BASE": specs["base"], "PULL_SECRET": str(secret),
            "EXTENSIONS": specs["rhel-coreos-extensions"], "ARTIFACT_DIR": str(tmp_path / "kept"),
        },
    )  # fmt: skip

    assert done.status == 0, done.stdout + done.stderr
    junit = ET.parse(tmp_path / "kept/node-image/last/junit.xml")  # noqa: S314 - ours
    assert len(list(junit.iter("testcase"))) == 47
