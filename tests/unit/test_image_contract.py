"""Images of each released pair keep the contract, and any one thing off breaks it."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import pytest
from contract_states import NODE_FILES, NODE_PACKAGES, PAIRS, Pair
from image_sets import (
    KERNEL,
    STREAM,
    TODAY,
    image_set,
    package,
    with_labels,
    with_other,
    with_packages,
    without_packages,
)

from harness.contract.inspection import Inspection
from harness.model.errors import RigError
from harness.verdict.choice import choose
from harness.verdict.contract.image_set import ImageSet, NotJudged, ReleaseTag, Role
from harness.verdict.contract.judge import judge
from harness.verdict.contract_rows import Contract, ContractRow, KnownDelta
from harness.verdict.expectations import Expectations
from harness.verdict.findings import Finding
from harness.verdict.rows import FileRow, Layer, OsReleaseRow, PackageRow, Row

on_every_pair = pytest.mark.parametrize("pair", PAIRS, ids=str)
USUAL = next(pair for pair in PAIRS if str(pair) == "ocp-4.21-on-9.6.20260327-0")
Change = Callable[[ImageSet], ImageSet]


@cache
def table_of(pair: Pair) -> Expectations:
    return choose(pair.labels)


def red(images: ImageSet, pair: Pair = USUAL) -> list[str]:
    table = table_of(pair)
    of_images = (r for r in table.rows if isinstance(r, PackageRow | OsReleaseRow | FileRow))
    rows = (*of_images, *table.contract)
    return [row.id for row in rows if isinstance(judge(row, images, table.ocp), Finding)]


def unjudged(images: ImageSet, pair: Pair = USUAL) -> dict[str, str]:
    table = table_of(pair)
    answers = {row.id: judge(row, images, table.ocp) for row in (*table.rows, *table.contract)}
    return {name: str(each) for name, each in answers.items() if isinstance(each, NotJudged)}


def said(name: Contract, images: ImageSet) -> str:
    found = judge(ContractRow(name=name, source="a test"), images)
    assert isinstance(found, Finding)
    return found.render()


@on_every_pair
def test_images_of_a_pair_are_green(pair: Pair) -> None:
    assert red(image_set(pair), pair) == []


@on_every_pair
def test_nothing_that_images_can_show_is_left_unjudged(pair: Pair) -> None:
    remedies = set(unjudged(image_set(pair), pair).values())

    assert remedies == {
        "not judged: it takes a node that runs. Run a scenario with the same images."
    }


def node(**changed: object) -> Change:
    return lambda images: replace(images, node=replace(images.node, **changed))  # type: ignore[arg-type]


def labels(role: Role, **changed: str | None) -> Change:
    return other(role, lambda image: with_labels(image, **changed))


def other(role: Role, change: Callable[[Inspection], Inspection]) -> Change:
    def changed(images: ImageSet) -> ImageSet:
        image = images.get(role)
        assert image is not None
        if role is Role.NODE:
            return replace(images, node=change(image))
        return with_other(images, role, change(image))

    return changed


def os_release(role: Role, **fields: str) -> Change:
    return other(role, lambda one: replace(one, os_release={**(one.os_release or {}), **fields}))


def release(*tags: ReleaseTag) -> Change:
    return lambda images: replace(images, release=tags)


def tag(name: str, **named: str) -> ReleaseTag:
    return ReleaseTag(tag=name, spec=name, labels=named)


BOOTC, EXTENSIONS = {"containers.bootc": "True"}, {"io.openshift.os.extensions": "true"}
NINE, TEN = {STREAM: "rhel-9"}, {STREAM: "rhel-10"}
BROKEN: Mapping[str, tuple[Change, list[str]]] = {
    "a layer of the base was built again": (
        other(Role.BASE, lambda one: replace(one, layers=(*one.layers[:1], *one.layers[::2]))),
        ["layers-begin-with-base"],
    ),
    "layers are in another order": (
        lambda images: replace(
            images, node=replace(images.node, layers=images.node.layers[::-1])
        ),
        ["layers-begin-with-base"],
    ),
    "the base has more layers": (
        lambda images: with_other(
            replace(images, node=replace(images.node, layers=images.node.layers[:2])),
            Role.BASE, images.others[Role.BASE],
        ),
        ["layers-begin-with-base"],
    ),
    "the base has no layers": (
        other(Role.BASE, lambda one: replace(one, layers=())), ["layers-begin-with-base"],
    ),
    "the node image is its base": (
        lambda images: replace(
            images, node=replace(images.node, layers=images.others[Role.BASE].layers)
        ),
        ["layers-begin-with-base"],
    ),
    "metadata is stale": (
        node(problems=("meta.json lists bash 1, the rpm database 2",)),
        ["metadata-is-last-and-true"],
    ),
    "no metalayer": (labels(Role.NODE, **{"io.openshift.metalayer": None}),
                     ["metalayer-is-labelled"]),
    "the base has a metalayer": (labels(Role.BASE, **{"io.openshift.metalayer": "true"}),
                                 ["metalayer-is-labelled"]),
    "a base package is newer": (
        other(Role.NODE, lambda one: with_packages(
            without_packages(one, "skopeo"), package("skopeo", "2"))),
        ["base-packages-are-kept"],
    ),
    "a base package was rebuilt": (
        other(Role.NODE, lambda one: with_packages(
            without_packages(one, "skopeo"), package("skopeo", "1", "2"))),
        ["base-packages-are-kept"],
    ),
    "a base package is gone": (
        other(Role.BASE, lambda one: with_packages(one, package("vim"))),
        ["base-packages-are-kept"],
    ),
    "the plugin drifted": (
        other(Role.NODE, lambda one: with_packages(
            without_packages(one, "NetworkManager-ovs"), package("NetworkManager-ovs", "2"))),
        ["ovs-plugin-fits-networkmanager"],
    ),
    "a kubelet is in the base": (
        other(Role.BASE, lambda one: with_packages(one, package("openshift-kubelet"))),
        ["node-openshift-kubelet"],
    ),
    "a kubelet is in the bootimage": (
        other(Role.BOOTIMAGE, lambda one: with_packages(one, package("openshift-kubelet"))),
        ["node-openshift-kubelet"],
    ),
    "the plugin came into the base too early": (
        other(Role.BASE, lambda one: with_packages(one, package("NetworkManager-ovs"))),
        ["node-NetworkManager-ovs"],
    ),
    "ignition is not in the bootimage": (
        other(Role.BOOTIMAGE, lambda one: without_packages(one, "ignition")),
        ["coreos-ignition"],
    ),
    "oc is in the base": (
        lambda images: replace(
            images, files={**images.files, Role.BASE: frozenset({"/usr/bin/oc"})}),
        ["node-usr-bin-oc"],
    ),
    "crio is missing": (
        lambda images: replace(
            images, files={**images.files, Role.NODE: NODE_FILES - {"/usr/bin/crio"}}),
        ["node-usr-bin-crio"],
    ),
    "the base was built again": (
        labels(Role.BASE, **{"org.opencontainers.image.version": "9.6.20260401-0"}),
        ["version-is-inherited"],
    ),
    "no machine-os": (
        labels(Role.NODE, **{"io.openshift.build.versions": None}), ["machine-os-is-named"],
    ),
    "another OpenShift": (os_release(Role.NODE, OPENSHIFT_VERSION="4.20"),
                          ["node-OPENSHIFT_VERSION"]),
    "OpenShift in the base": (os_release(Role.BASE, OPENSHIFT_VERSION="4.21"),
                              ["node-OPENSHIFT_VERSION"]),
    "not bootc": (labels(Role.NODE, **{"containers.bootc": "yes"}),
                  ["bootc-is-labelled", "extensions-are-paired"]),
    "no bootc": (labels(Role.NODE, **{"containers.bootc": None}),
                 ["bootc-is-labelled", "extensions-are-paired"]),
    "the stream class is of RHEL 10": (
        labels(Role.NODE, **TEN), ["stream-class-is-of-the-rhel", "extensions-are-paired"]),
    "no stream class": (
        labels(Role.NODE, **{STREAM: None}),
        ["stream-class-is-of-the-rhel", "extensions-are-paired"]),
    "extensions of RHEL 10": (labels(Role.EXTENSIONS, **TEN), ["extensions-are-paired"]),
    "extensions without a label": (
        labels(Role.EXTENSIONS, **{"io.openshift.os.extensions": None}),
        ["extensions-are-paired"]),
    "extensions that say they are a system": (
        labels(Role.EXTENSIONS, **BOOTC), ["extensions-are-paired"]),
    "extensions of another kernel": (
        other(Role.EXTENSIONS, lambda one: replace(
            one, extensions={"kernel-rt-core": "5.14.0-570.42.1.el9_6.x86_64"})),
        ["extensions-have-the-kernel"],
    ),
    "extensions without a kernel": (
        other(Role.EXTENSIONS, lambda one: replace(one, extensions={"usbguard": "1-1.x86_64"})),
        ["extensions-have-the-kernel"],
    ),
    "extensions without a list": (
        other(Role.EXTENSIONS, lambda one: replace(one, extensions=None)),
        ["extensions-have-the-kernel"],
    ),
    "a driver toolkit of another kernel": (
        other(Role.DRIVER_TOOLKIT, lambda one: replace(one, driver_toolkit={
            "KERNEL_VERSION": "5.14.0-570.42.1.el9_6.x86_64", "RHEL_VERSION": "9.6"})),
        ["driver-toolkit-has-the-kernel"],
    ),
    "a driver toolkit of another RHEL": (
        other(Role.DRIVER_TOOLKIT, lambda one: replace(one, driver_toolkit={
            "KERNEL_VERSION": KERNEL, "RHEL_VERSION": "9.4"})),
        ["driver-toolkit-has-the-kernel"],
    ),
    "a driver toolkit without its file": (
        other(Role.DRIVER_TOOLKIT, lambda one: replace(one, driver_toolkit=None)),
        ["driver-toolkit-has-the-kernel"],
    ),
    "no kernel": (node(kernel=None),
                  ["extensions-have-the-kernel", "driver-toolkit-has-the-kernel"]),
    "an image for another architecture": (
        other(Role.EXTENSIONS, lambda one: replace(one, architecture="arm64")),
        ["architectures-agree"]),
    "a release without extensions of a stream": (
        release(tag("rhel-coreos", **BOOTC, **NINE), tag("ext", **EXTENSIONS, **NINE),
                tag("rhel-coreos-10", **BOOTC, **TEN)),
        ["streams-of-the-release-are-paired"],
    ),
    "a release with an unlabelled image": (
        release(tag("rhel-coreos", **BOOTC, **NINE), tag("ext", **EXTENSIONS, **NINE),
                tag("rhel-coreos-10-extensions", **EXTENSIONS)),
        ["streams-of-the-release-are-paired"],
    ),
    "a release with two systems of a stream": (
        release(tag("rhel-coreos", **BOOTC, **NINE), tag("ext", **EXTENSIONS, **NINE),
                tag("rhel-coreos-10", **BOOTC, **NINE)),
        ["streams-of-the-release-are-paired"],
    ),
    "a release without streams": (release(), ["streams-of-the-release-are-paired"]),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_one_thing_off_breaks_what_is_about_it(what: str) -> None:
    change, expected = BROKEN[what]

    assert red(change(image_set(USUAL))) == expected


def test_every_part_of_the_contract_can_be_broken() -> None:
    seen = {name for _, expected in BROKEN.values() for name in expected}
    of_bootimages = {"bootimage-is-of-the-rhel", "bootimage-is-not-newer"}

    assert set(Contract) - seen == of_bootimages | {Contract.VERSION_IS_INHERITED} - seen


@pytest.mark.parametrize(
    ("version", "system", "expected"),
    [
        ("9.6.20250402-0", "rhel", []),
        ("9.4.202409090849-0", "rhel", []),
        ("9.6.20270101-0", "rhel", []),
        ("9.8.20260403-0", "rhel", ["bootimage-is-not-newer"]),
        ("10.2.20260405-0", "rhel", ["bootimage-is-of-the-rhel", "bootimage-is-not-newer"]),
        ("9.0.20250411-0", "centos", ["bootimage-is-of-the-rhel"]),
        ("44.20260720.1.1", "fedora", ["bootimage-is-of-the-rhel", "bootimage-is-not-newer"]),
        ("", "rhel", ["bootimage-is-of-the-rhel", "bootimage-is-not-newer"]),
    ],
)
def test_bootimage_is_of_the_same_rhel_and_not_newer(
    version: str, system: str, expected: list[str]
) -> None:
    change = os_release(Role.BOOTIMAGE, OSTREE_VERSION=version, ID=system)

    found = red(change(image_set(USUAL)))

    assert [name for name in found if name.startswith("bootimage-")] == expected


@pytest.mark.parametrize("role", Role)
def test_without_an_image_what_needs_it_is_not_judged_and_names_the_option(role: Role) -> None:
    if role is Role.NODE:
        return
    left = unjudged(with_other(image_set(USUAL), role, None))

    expected = f"not judged: no {role} was given. Add {role.option}."
    assert expected in left.values()
    assert red(with_other(image_set(USUAL), role, None)) == []


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.NODE])
def test_an_image_that_cannot_be_read_is_an_error_of_the_contract_with_it_alone(role: Role) -> None:
    whole, table = image_set(USUAL), table_of(USUAL)
    lacking = with_other(whole, role, None)
    outcomes: dict[str, set[str]] = {}
    for row in (*table.rows, *table.contract):
        unread = replace(lacking, unreadable={role: RigError(role, "no answer", "Wait.")})
        outcomes.setdefault(_outcome(row, unread), set()).add(row.id)

    assert outcomes.keys() == {"green", "not judged", "error"}
    assert outcomes["error"] <= {row.id for row in table.contract}
    assert "architectures-agree" in outcomes["not judged"]
    if role in (Role.BASE, Role.BOOTIMAGE):
        assert outcomes["green"].isdisjoint({row.id for row in table.rows})


def _outcome(row: Row | ContractRow, images: ImageSet) -> str:
    try:
        found = judge(row, images, table_of(USUAL).ocp)
    except RigError:
        return "error"
    return {type(None): "green", NotJudged: "not judged", Finding: "red"}[type(found)]


def test_the_node_image_alone_is_judged_by_half() -> None:
    alone = replace(image_set(USUAL), others={}, release=None, files={Role.NODE: NODE_FILES})
    broken = replace(alone, node=without_packages(alone.node, "cri-o"))

    assert red(alone) == []
    assert red(broken) == ["node-cri-o"]
    left = unjudged(alone)
    assert {f"node-{name}" for name in NODE_PACKAGES} <= left.keys()
    assert "coreos-OSTREE_VERSION" in left
    assert "architectures-agree" in left


def test_an_image_without_a_database_is_red_not_green() -> None:
    images = image_set(USUAL)
    without = replace(images, node=replace(images.node, packages=None, os_release=None))

    found = red(without)

    assert {"node-cri-o", "coreos-ignition", "node-OPENSHIFT_VERSION"} <= set(found)
    assert "base-packages-are-kept" in found


def delta(name: str, expires: datetime.date = TODAY) -> KnownDelta:
    return KnownDelta(name=name, reason="fast-tracked", source="A-1", expires=expires)


def test_a_known_delta_counts_until_it_expires() -> None:
    changed = other(Role.NODE, lambda one: with_packages(
        without_packages(one, "skopeo"), package("skopeo", "0.9")))(image_set(USUAL))  # fmt: skip
    yesterday = TODAY - datetime.timedelta(days=1)

    assert red(replace(changed, known_deltas=(delta("skop*"),))) == []
    late = replace(changed, known_deltas=(delta("skopeo", yesterday), delta("vim")))
    text = said(Contract.BASE_PACKAGES_ARE_KEPT, late)
    assert (
        f"skopeo.x86_64 downgraded: 1-1 to 0.9-1 (known delta skopeo expired on {yesterday})"
        in text
    )
    assert "the known delta vim is not used" in text


def test_a_broken_layer_is_named_by_its_place() -> None:
    change, _ = BROKEN["a layer of the base was built again"]

    text = said(Contract.LAYERS_BEGIN_WITH_BASE, change(image_set(USUAL)))

    assert "layer 2 of 3 of the base image is sha256:0; the node image has sha256:1 there" in text


def test_finding_names_the_image_and_not_a_boot() -> None:
    change, _ = BROKEN["a kubelet is in the bootimage"]
    row = PackageRow(name="openshift-kubelet", layer=Layer.NODE, source="a test")

    found = judge(row, change(image_set(USUAL)))

    assert isinstance(found, Finding)
    assert found.observed == (
        "bootimage: openshift-kubelet-1-1.x86_64; node image: openshift-kubelet-1-1.x86_64"
    )
