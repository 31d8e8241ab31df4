"""Small stand-in images, inspected in place and by skopeo's proxy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from images_fakes import deadline
from standin_images import images, recipe
from standin_images.layers import Entry, file, folder, hard_link, symlink, whiteout
from standin_images.layouts import write_oci
from standin_images.recipe import HERE, Recipe

from harness import process
from harness.cli import main
from harness.contract.inspection import Depth, Inspection
from harness.contract.package_layers import PackageLayer, package_layers, why_not_base
from harness.contract.reading.access import Access
from harness.contract.reading.image_reader import open_image
from harness.contract.reading.inspect import inspect, verify
from harness.contract.reading.layer_search import Search
from harness.images.acquire.cache import Cache
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.model.versions.version import parse

RECIPE = Recipe.usual()
KERNEL = RECIPE.kernel_release
ACCESS = Access(arch="x86_64")
needs_rpm = pytest.mark.skipif(not shutil.which("rpm"), reason="needs rpm")
needs_skopeo = pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")


def quick(reference: str) -> Inspection:
    return inspect(reference, Depth.QUICK, ACCESS, Deadline.after(60))


def deep(reference: str) -> Inspection:
    return inspect(reference, Depth.DEEP, ACCESS, Deadline.after(60))


def written(place: Path, *layers: list[Entry], labels: dict[str, str] | None = None) -> str:
    return write_oci(images.image_of(layers, labels or {}), place / "image")


@needs_rpm
def test_quick_and_deep_agree_on_a_node_image(tmp_path: Path) -> None:
    node = images.write_node(tmp_path / "node", RECIPE)

    short, whole = quick(node), deep(node)

    assert short.packages == whole.packages == RECIPE.node_packages
    assert short.kernel == whole.kernel == KERNEL
    assert short.os_release is None
    assert whole.os_release is not None
    assert whole.os_release["OPENSHIFT_VERSION"] == RECIPE.ocp
    assert verify(short, whole) == ()


def test_quick_reads_only_the_last_layer(tmp_path: Path) -> None:
    found = quick(images.write_node(tmp_path / "node", RECIPE))

    assert found.read_bytes == found.layers[-1].size_bytes
    assert found.found_in == {"/usr/share/openshift/base/meta.json": len(found.layers) - 1}


@needs_rpm
def test_deep_reads_no_layer_below_the_one_with_the_database(tmp_path: Path) -> None:
    found = deep(images.write_node(tmp_path / "node", RECIPE))

    node_layer = len(recipe.base_layers(RECIPE))
    assert found.found_in["/usr/share/rpm/rpmdb.sqlite"] == node_layer
    assert found.found_in["/usr/lib/os-release"] == node_layer
    above = sum(layer.size_bytes for layer in found.layers[node_layer:])
    assert found.read_bytes == above + quick(found.subject).read_bytes


@needs_rpm
@pytest.mark.parametrize("keeps_objects", [True, False], ids=["hard-links", "files"])
def test_database_of_a_chunked_base_is_found(tmp_path: Path, *, keeps_objects: bool) -> None:
    base = images.write_base(tmp_path / "base", RECIPE, keeps_objects=keeps_objects)

    assert quick(base).packages is None
    assert quick(base).problems == ()
    assert deep(base).packages == RECIPE.base_packages


def test_extensions_and_driver_toolkit_are_read(tmp_path: Path) -> None:
    extensions = quick(images.write_extensions(tmp_path / "extensions", RECIPE)).extensions
    toolkit = quick(images.write_driver_toolkit(tmp_path / "toolkit", RECIPE)).driver_toolkit

    assert extensions is not None
    assert extensions["kernel-devel"] == KERNEL
    assert toolkit is not None
    assert toolkit["KERNEL_VERSION"] == KERNEL


META = f"/{recipe.META}"
WRONG: dict[str, tuple[Callable[[Recipe], images.Layers], str]] = {
    "misplaced": (images.misplaced_layers, f"misplaced {META}: in layer"),
    "rewritten": (images.rewritten_layers, f"misplaced {META}: in layer"),
    "missing": (lambda found: images.node_layers(found)[:-1], f"missing {META}"),
    "stale": (images.stale_layers, "openshift-kubelet.x86_64 lists nothing, has 1.0-1.el9"),
}


@needs_rpm
@pytest.mark.parametrize(("layers", "problem"), WRONG.values(), ids=WRONG)
def test_wrong_metadata_layer_is_named(
    tmp_path: Path, layers: Callable[[Recipe], images.Layers], problem: str
) -> None:
    node = images.write_node(tmp_path / "node", RECIPE, layers(RECIPE))

    (found,) = verify(quick(node), deep(node))

    assert problem in found


def test_misplaced_list_is_used_all_the_same(tmp_path: Path) -> None:
    node = images.write_node(tmp_path / "node", RECIPE, images.misplaced_layers(RECIPE))

    assert quick(node).packages == RECIPE.node_packages


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "malformed /usr/share/openshift/base/meta.json: Expecting"),
        ("[]", "no list rpmdb.pkglist"),
        ('{"rpmdb.pkglist": [["bash", "x", "1", "1", "noarch"]]}', "malformed package"),
        ('{"rpmdb.pkglist": [["bash", 0, "1"]]}', "malformed package"),
    ],
)
def test_malformed_package_list_is_a_problem(tmp_path: Path, text: str, problem: str) -> None:
    labels = {"io.openshift.metalayer": "true"}

    found = quick(written(tmp_path, [file(recipe.META, text)], labels=labels))

    assert found.packages is None
    assert problem in found.problems[0]


def test_epochs_of_a_package_list_may_be_missing(tmp_path: Path) -> None:
    rows = [["a", None, "1", "2", "x"], ["b", 3, "1", "2", "x"], ["gpg-pubkey", "", "1", "2", "x"]]
    text = json.dumps({"rpmdb.pkglist": rows})

    found = quick(written(tmp_path, [file(recipe.META, text)])).packages

    assert {str(one) for one in found or ()} == {"a-1-2.x", "b-3:1-2.x"}


@pytest.mark.parametrize("epoch", [10**70, "9" * 60, "\u0663", -1, True, 1.5])
def test_epoch_that_rpm_cannot_have_is_malformed(tmp_path: Path, epoch: object) -> None:
    text = json.dumps({"rpmdb.pkglist": [["a", epoch, "1", "2", "x"]]})

    found = quick(written(tmp_path, [file(recipe.META, text)]))

    assert found.packages is None
    assert "the malformed package" in found.problems[0]


def test_hidden_metadata_is_not_found(tmp_path: Path) -> None:
    labels = {"io.openshift.metalayer": "true"}

    found = quick(
        written(
            tmp_path, recipe.meta_layer(RECIPE), [whiteout("usr/share/openshift")], labels=labels
        )
    )

    assert found.packages is None
    assert "missing" in found.problems[0]


OS_RELEASE = "usr/lib/os-release"
NAMED = 'ID="upper"\n'
OBJECT = file("sysroot/ostree/object", NAMED)
LINK = symlink("sysroot/ostree/link", "real")
CASES: dict[str, tuple[list[list[Entry]], str | None]] = {
    "upper-layer": ([[file(OS_RELEASE, "ID=lower\n")], [file(OS_RELEASE, NAMED)]], "upper"),
    "whiteout": ([[file(OS_RELEASE, NAMED)], [whiteout(OS_RELEASE)]], None),
    "whiteout-of-a-folder": ([[file(OS_RELEASE, NAMED)], [whiteout("usr")]], None),
    "opaque-folder": ([[file(OS_RELEASE, NAMED)], [file("usr/lib/.wh..wh..opq", "")]], None),
    "opaque-root": ([[file(OS_RELEASE, NAMED)], [file(".wh..wh..opq", "")]], None),
    "opaque-and-new": (
        [[file(OS_RELEASE, "ID=lower\n")],
         [file(OS_RELEASE, NAMED), file("usr/lib/.wh..wh..opq", "")]], "upper"),
    "file-over-folder": ([[file(OS_RELEASE, NAMED)], [file("usr/lib", "")]], None),
    "link": ([[file("usr/lib/real", NAMED)], [symlink(OS_RELEASE, "real")]], "upper"),
    "link-below-the-file": ([[symlink(OS_RELEASE, "./real")], [file("usr/lib/real", NAMED)]],
                            "upper"),
    "link-of-a-folder": ([[file("usr/lib64/os-release", NAMED)], [symlink("usr/lib", "lib64")]],
                         "upper"),
    "folder-over-the-link-of-a-folder": (
        [[file("usr/lib64/os-release", NAMED)], [symlink("usr/lib", "lib64")],
         [folder("usr/lib")]], None),
    "loop": ([[symlink(OS_RELEASE, "other"), symlink("usr/lib/other", "os-release")]], None),
    "link-to-nothing": ([[symlink(OS_RELEASE, "../../../nowhere")]], None),
    "fallback": ([[file("etc/os-release", NAMED)]], "upper"),
    "last-of-two": ([[file(OS_RELEASE, "ID=lower\n"), file(OS_RELEASE, NAMED)]], "upper"),
    "folder": ([[file(OS_RELEASE, NAMED)], [folder(OS_RELEASE)]], None),
    "dotted-name": ([[file("./usr//lib/os-release", NAMED)]], "upper"),
    "hard-link": ([[OBJECT, hard_link(OS_RELEASE, OBJECT)]], "upper"),
    "hard-link-to-a-link": ([[file("usr/lib/real", NAMED), LINK, hard_link(OS_RELEASE, LINK)]],
                            "upper"),
    "hard-link-to-a-lower-layer": ([[OBJECT], [hard_link(OS_RELEASE, OBJECT)]], "upper"),
    "hard-link-to-nothing": ([[hard_link(OS_RELEASE, OBJECT)]], None),
}  # fmt: skip


@pytest.mark.parametrize(("layers", "expected"), CASES.values(), ids=CASES)
def test_os_release_is_that_of_the_squashed_image(
    tmp_path: Path, layers: list[list[Entry]], expected: str | None
) -> None:
    found = deep(written(tmp_path, *layers)).os_release

    assert (found or {}).get("ID") == expected


def test_a_path_below_another_that_is_sought_is_found_too(tmp_path: Path) -> None:
    subject = written(tmp_path, [file("a/b", "below")], [file("c", "")], [symlink("d", "a")])
    wanted = ["/a", "/a/b", "/d", "/d/b", "/c/b"]

    with open_image(subject, Access(arch=HERE), Deadline.after(60)) as reader:
        search = Search(reader=reader, folder=tmp_path, limit_bytes=99, deadline=Deadline.after(60))
        search.find(wanted, [2, 1, 0])

    assert [path for path in wanted if search.get(path)] == ["/a/b", "/d/b"]


def test_image_without_a_database_says_so(tmp_path: Path) -> None:
    found = deep(written(tmp_path, [file(OS_RELEASE, NAMED)]))

    assert found.packages is None
    assert "no rpm database" in found.problems[0]


def test_database_of_another_kind_is_named(tmp_path: Path) -> None:
    found = deep(written(tmp_path, [file("var/lib/rpm/Packages", "Berkeley")]))

    assert "/var/lib/rpm/Packages is older than RHEL 9" in found.problems[0]


@needs_rpm
def test_damaged_database_is_one_error(tmp_path: Path) -> None:
    image = written(tmp_path, [file("usr/share/rpm/rpmdb.sqlite", "SQLite format 3\0" + "x" * 999)])

    with pytest.raises(InputError, match="the rpm database cannot be read"):
        deep(image)


@needs_skopeo
@needs_rpm
@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "dir", "v2s2"])
def test_other_places_say_the_same(tmp_path: Path, form: str) -> None:
    if form == "v2s2":
        reference = images.write_node(tmp_path / "v2s2", RECIPE, is_v2s2=True)
    else:
        tag = ":x:latest" if form.endswith("archive") else ""
        reference = f"{form}:{tmp_path / 'copied'}{tag}"
        node = images.write_node(tmp_path / "node", RECIPE)
        process.run(["skopeo", "copy", node, reference], deadline())

    assert quick(reference).packages == RECIPE.node_packages
    assert verify(quick(reference), deep(reference)) == ()
    assert quick(reference).labels == RECIPE.node_labels


def test_cached_answer_needs_no_layers(tmp_path: Path) -> None:
    node = images.write_node(tmp_path / "node", RECIPE)
    with Cache(tmp_path / "cache") as cache:
        access = replace(ACCESS, cache=cache)
        first = inspect(node, Depth.QUICK, access, deadline())
        blobs = Path(node.removeprefix("oci:").partition(":")[0]) / "blobs" / "sha256"
        (blobs / first.layers[-1].digest.removeprefix("sha256:")).unlink()

        assert inspect(node, Depth.QUICK, access, deadline()) == first
        with pytest.raises(InputError, match="cannot be read"):
            inspect(node, Depth.DEEP, access, deadline())


def test_image_by_digest_is_answered_without_its_registry(tmp_path: Path) -> None:
    node = images.write_node(tmp_path / "node", RECIPE)
    with Cache(tmp_path / "cache") as cache:
        access = replace(ACCESS, cache=cache)
        known = inspect(node, Depth.QUICK, access, deadline())
        pinned = f"docker://registry.example/node@{known.digest}"

        assert inspect(pinned, Depth.QUICK, access, deadline()) == replace(known, subject=pinned)


def test_layers_of_packages_come_from_the_images_below() -> None:
    bash, crio, kernel = (recipe.nevra(name) for name in ("bash", "cri-o", "kernel"))
    newer = recipe.nevra("kernel", "2.0")
    base, bootc = frozenset({bash, kernel}), frozenset({bash})

    assert set(package_layers({bash, crio}).values()) == {PackageLayer.UNKNOWN}
    assert package_layers({bash, crio, newer}, base, bootc) == {
        bash: PackageLayer.BOOTC, crio: PackageLayer.NODE, newer: PackageLayer.NODE,
    }  # fmt: skip
    assert package_layers({kernel}, base, bootc) == {kernel: PackageLayer.COREOS}


def test_base_is_proven_by_the_layers(tmp_path: Path) -> None:
    base = quick(images.write_base(tmp_path / "base", RECIPE))
    node = quick(images.write_node(tmp_path / "node", RECIPE))
    other = quick(images.write_base(tmp_path / "other", RECIPE, keeps_objects=False))

    assert why_not_base(node, base) is None
    assert "layer 1 differs" in (why_not_base(node, other) or "")
    assert "has more layers" in (why_not_base(base, node) or "")


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["inspect", *words, "--arch=x86_64"])


@needs_rpm
def test_command_shows_layers_of_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    stand_ins = images.write_all(tmp_path, RECIPE)

    table = run(stand_ins.node, "--base-image", stand_ins.base)
    found = json.loads(run(stand_ins.node, "--verify", "--output=json").stdout)
    page = run(stand_ins.node, "--output=markdown")

    assert table.exit_code == 0
    assert "26 (15 CoreOS, 11 node)" in table.output
    assert parse(found["version"]).rhel == found["rhel"] == "9.6"
    assert found["openshift"] == ["4.21"]
    assert found["problems"] == []
    assert {one["layer"] for one in found["packages"]} == {"unknown"}
    assert "| openshift-kubelet | 1.0-1.el9 | x86_64 | unknown |" in page.output


@needs_rpm
def test_command_fails_where_metadata_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    node = images.write_node(tmp_path / "node", RECIPE, images.stale_layers(RECIPE))

    assert run(node).exit_code == 0
    assert run(node, "--verify").exit_code == 1
    assert run("oci:/nowhere").exit_code == 2
    assert run("nonsense").exit_code == 2
