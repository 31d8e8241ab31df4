"""Contract verdicts on small stand-in images, read as a user's are: no pytest, no machine."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from contract_judging import TODAY, opened, red, verdicts
from guides import blocks_of, text_of
from standin_images import images
from standin_images.images import StandIns
from standin_images.layers import file
from standin_images.layouts import write_list
from standin_images.recipe import HERE, Recipe, nevra

from harness.contract.reading.release_images import coreos_specs, driver_toolkit_tag, extensions_tag
from harness.images.acquire.cache import Cache
from harness.images.container import release
from harness.images.container.skopeo import Source
from harness.images.container.streams import StreamWish
from harness.images.reference import parse
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.model.packages.nevra import Nevra

USUAL = Recipe.usual()
OTHER_KERNEL = replace(USUAL, kernel=("5.14.0", "570.42.1.el9_6"))
TEN = replace(
    USUAL, base_version="10.2.20260328-0", stream="rhel-10", codename="Coughlan",
)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def good(place: Path) -> StandIns:
    return images.write_all(place / "good")


def given(found: StandIns, **others: str) -> dict[str, str]:
    return {
        "node_image": found.node, "base_image": found.base, "extensions": found.extensions,
        "driver_toolkit": found.driver_toolkit, **others,
    }  # fmt: skip


def test_images_that_keep_the_contract_are_green(good: StandIns) -> None:
    assert verdicts(**given(good)) == {
        "bootimage-is-of-the-rhel": "not judged: no bootimage was given. Add --bootimage.",
        "bootimage-is-not-newer": "not judged: no bootimage was given. Add --bootimage.",
        "streams-of-the-release-are-paired":
            "not judged: no release was given. Add --release-image.",
    }  # fmt: skip


def test_a_push_as_docker_schema_2_is_as_green(good: StandIns, place: Path) -> None:
    node = images.write_node(place / "v2s2", USUAL, is_v2s2=True)

    assert red(**given(good, node_image=node)) == {}


def test_a_base_without_sysroot_is_as_green(place: Path) -> None:
    base = images.write_base(place / "chunkah-base", USUAL, keeps_objects=False)
    layers = images.node_layers(USUAL, keeps_objects=False)
    node = images.write_node(place / "chunkah-node", USUAL, layers)

    assert red(node_image=node, base_image=base) == {}


OTHERS = sorted({"aarch64", "ppc64le", "s390x", "x86_64"} - {HERE})


@pytest.mark.parametrize("arch", OTHERS)
def test_images_for_another_architecture_than_the_hosts_are_judged_as_its_own(
    arch: str, place: Path
) -> None:
    found = images.write_all(place / f"of-{arch}", Recipe.usual(arch))
    listed = write_list({HERE: images.write_node(place / f"{arch}-ours", USUAL), arch: found.node},
                        place / f"listed-{arch}")  # fmt: skip

    for node in (found.node, listed):
        assert red(**given(found, node_image=node), arch=arch) == {}


def test_an_image_for_another_architecture_among_them_is_one_error(
    good: StandIns, place: Path
) -> None:
    (arch, *_) = OTHERS
    found = images.write_all(place / "other-arch", Recipe.usual(arch))
    listed = write_list({arch: found.node}, place / "listed-without-ours")

    for node in (found.node, listed):
        with pytest.raises(InputError, match=f"not for {HERE}|no image for {HERE}") as caught:
            red(**given(good, node_image=node))
        assert "--arch" in caught.value.remedy
    with pytest.raises(InputError, match=f"not for {arch}"):
        red(**given(found, base_image=good.base), arch=arch)


Node = Callable[[Path], str]
NODES: dict[str, tuple[Node, dict[str, str]]] = {
    "meta.json is not in the last layer": (
        lambda at: images.write_node(at, USUAL, images.misplaced_layers(USUAL)),
        {"metadata-is-last-and-true": "meta.json"},
    ),
    "meta.json is stale": (
        lambda at: images.write_node(at, USUAL, images.stale_layers(USUAL)),
        {"metadata-is-last-and-true": "cri-o"},
    ),
    "a layer comes after the metadata": (
        lambda at: images.write_node(at, USUAL, images.rewritten_layers(USUAL)),
        {"metadata-is-last-and-true": "meta.json"},
    ),
    "there is no metadata": (
        lambda at: images.write_node(at, USUAL, images.node_layers(USUAL)[:-2]),
        {"metadata-is-last-and-true": "meta.json"},
    ),
    "the base was built again": (
        lambda at: images.write_node(
            at, USUAL, [[file("usr/share/newer")], *images.node_layers(USUAL)]
        ),
        {"layers-begin-with-base": "layer 1 of"},
    ),
    "a package of the base was downgraded": (
        lambda at: images.write_node(at, _with_node_packages(nevra("skopeo", "0.9"))),
        {"base-packages-are-kept": "skopeo.x86_64 downgraded"},
    ),
}


def _with_node_packages(*packages: Nevra) -> Recipe:
    names = {package.name for package in packages}
    kept = frozenset(one for one in USUAL.node_packages if one.name not in names)
    return replace(USUAL, node_packages=kept | frozenset(packages))


@pytest.mark.parametrize("what", NODES)
def test_a_node_image_with_one_fault_is_red_for_it(what: str, good: StandIns, place: Path) -> None:
    write, expected = NODES[what]

    found = red(**given(good, node_image=write(place / what.replace(" ", "-"))))

    assert found.keys() == expected.keys()
    for name, text in expected.items():
        assert text.replace("x86_64", nevra("x").arch) in found[name]


def test_the_known_delta_of_the_docs_accepts_an_early_kernel_until_it_expires(
    good: StandIns, place: Path
) -> None:
    (table,) = [text for kind, text in blocks_of(text_of("contract.md"))
                if kind == "toml" and "[[known_delta]]" in text]  # fmt: skip
    early = ("5.14.0", "611.1.1.el9_7")
    kernels = (nevra(name, *early) for name in ("kernel", "kernel-core"))
    found = images.write_all(place / "early", replace(_with_node_packages(*kernels), kernel=early))
    accepted, expired = place / "accepted.toml", place / "expired.toml"
    accepted.write_text(table)
    expired.write_text(table.replace("2026-12-31", str(TODAY - datetime.timedelta(days=1))))

    without = red(**given(found))
    after = red(**given(found), expectations=str(expired))

    assert without.keys() == after.keys() == {"base-packages-are-kept"}
    assert "(known delta kernel* expired on 2026-11-26)" in after["base-packages-are-kept"]
    assert red(**given(found), expectations=str(accepted)) == {}


def test_a_driver_toolkit_and_extensions_of_another_kernel_are_red(
    good: StandIns, place: Path
) -> None:
    toolkit = images.write_driver_toolkit(place / "old-toolkit", OTHER_KERNEL)
    extensions = images.write_extensions(place / "old-extensions", OTHER_KERNEL)

    found = red(**given(good, driver_toolkit=toolkit, extensions=extensions))

    assert found.keys() == {"extensions-have-the-kernel", "driver-toolkit-has-the-kernel"}
    assert "570.42.1" in found["driver-toolkit-has-the-kernel"]


def test_extensions_of_the_other_stream_are_red(good: StandIns, place: Path) -> None:
    extensions = images.write_extensions(place / "extensions-10", TEN)

    assert red(**given(good, extensions=extensions)).keys() == {"extensions-are-paired"}


def test_a_base_that_has_a_kubelet_is_red_for_that_alone(place: Path) -> None:
    impure = replace(USUAL, base_packages=USUAL.base_packages | {nevra("openshift-kubelet")})
    found = images.write_all(place / "impure", impure)

    assert red(**given(found)).keys() == {"node-openshift-kubelet"}


def test_the_second_question_reads_no_layer(place: Path) -> None:
    good = images.write_all(place / "asked-twice")
    with opened(**given(good)) as contract:
        _ = contract.images
    for blob in Path(good.node.split(":")[1]).glob("blobs/sha256/*"):
        if blob.stat().st_size > 8 << 10:
            blob.write_bytes(b"")  # a large layer cannot be read again

    assert red(**given(good)) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "contract tests: no node image was given. Add --node-image or --release-image"),
        ({"base_image": "oci:x"}, "contract tests: no node image was given."),
        ({"node_image": "oci:/nowhere:x"}, "oci:/nowhere:x: "),
        ({"node_image": "NODE", "base_image": "registry/x"}, "registry/x: unknown transport"),
        ({"node_image": "NODE", "base_image": "oci:/nowhere:x"}, "oci:/nowhere:x: "),
    ],
)
def test_unusable_input_is_one_error(options: dict[str, str], message: str, place: Path) -> None:
    node = images.write_node(place / "for-errors", USUAL)
    given = {name: node if text == "NODE" else text for name, text in options.items()}

    with pytest.raises(InputError) as caught, opened(**given):
        pass

    assert str(caught.value).startswith(message)


def test_a_dual_stream_release_names_the_images_beside_each_node_image(
    place: Path, tmp_path: Path
) -> None:
    named = images.write_release(place / "release", "4.21.0", {"": USUAL, "-10": TEN})
    source = Source(reference=parse(named), arch=nevra("x").arch)
    with Cache(tmp_path) as cache:
        found = release.node_image_of(source, StreamWish(name="rhel-10"), cache, Deadline.after(60))

    assert found.tag == "rhel-coreos-10"
    assert [tag for tag, _ in coreos_specs(found.specs)] == [
        "rhel-coreos", "rhel-coreos-10", "rhel-coreos-10-extensions", "rhel-coreos-extensions",
    ]  # fmt: skip
    assert extensions_tag(found.tag) in found.specs
    assert driver_toolkit_tag(found.tag) == "driver-toolkit-10"
    assert driver_toolkit_tag("rhel-coreos") in found.specs
    assert len(set(found.specs.values())) == len(found.specs)
