"""All files of a squashed image, against a simple model of what layers do."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images_fakes import deadline
from standin_images.layers import (
    CAPABILITY,
    NET_ADMIN,
    Entry,
    file,
    folder,
    hard_link,
    opaque,
    packed,
    symlink,
    whiteout,
)

from harness.contract.reading.tree import EntryType, Tree
from harness.images.layers.layer_stream import members


def tree_of(*layers: Iterable[Entry]) -> Tree:
    return tree_of_archives(*(packed(entries) for entries in layers))


def tree_of_archives(*layers: bytes) -> Tree:
    tree = Tree()
    for number, layer in enumerate(layers):
        tree.apply(number, members(io.BytesIO(layer), "the image", deadline()))
    return tree


def paths(tree: Tree) -> list[str]:
    return [path for path, _ in tree.entries()]


def test_file_has_all_that_a_comparison_needs() -> None:
    made = file("usr/bin/ping", "ping", 0o4755)
    made = replace(made, uid=3, gid=4, xattrs={CAPABILITY: NET_ADMIN})

    found = tree_of([made]).get("/usr/bin/ping")

    assert found is not None
    assert (found.type, found.mode, found.uid, found.gid) == (EntryType.FILE, 0o4755, 3, 4)
    assert found.digest == hashlib.sha256(b"ping").hexdigest()
    assert found.size_bytes == 4
    assert found.capabilities == NET_ADMIN.hex()


def test_hard_link_has_content_and_attributes_of_its_object() -> None:
    kept = file("sysroot/ostree/repo/objects/a", "x", 0o755)
    kept = replace(kept, xattrs={CAPABILITY: NET_ADMIN})
    link = replace(hard_link("usr/bin/x", kept), mode=0o600, xattrs={})

    tree = tree_of([kept, link])

    assert tree.get("/usr/bin/x") == tree.get("/sysroot/ostree/repo/objects/a")


def test_hard_link_to_a_file_of_a_lower_layer_is_known() -> None:
    kept = file("a", "x")

    tree = tree_of([kept], [hard_link("b", kept), whiteout("a")])

    assert paths(tree) == ["/b"]
    assert tree.problems == ()


def test_hard_link_keeps_what_its_name_had_before_it_was_replaced() -> None:
    kept = file("a", "old")

    tree = tree_of([kept, hard_link("b", kept), file("a", "new!")])

    old, new = tree.get("/b"), tree.get("/a")
    assert old is not None
    assert new is not None
    assert (old.size_bytes, new.size_bytes) == (3, 4)


@pytest.mark.parametrize("target", ["nowhere", "usr", "."])
def test_hard_link_to_no_file_is_reported(target: str) -> None:
    tree = tree_of([folder("usr"), hard_link("b", file(target))])

    found = tree.get("/b")
    assert found is not None
    assert found.type is EntryType.DANGLING_LINK
    assert "the hard link 'b' names" in tree.problems[0]


def test_other_types_are_kept() -> None:
    device = tarfile.TarInfo("dev/null")
    device.type, device.devmajor, device.devminor = tarfile.CHRTYPE, 1, 3
    fifo = tarfile.TarInfo("run/fifo")
    fifo.type = tarfile.FIFOTYPE
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        tar.addfile(device)
        tar.addfile(fifo)

    tree = tree_of_archives(raw.getvalue())

    null, pipe = tree.get("/dev/null"), tree.get("/run/fifo")
    assert null is not None
    assert null.device == (1, 3)
    assert pipe is not None
    assert pipe.type is EntryType.FIFO


@pytest.mark.parametrize(
    ("name", "path", "problem"),
    [
        ("../../etc/passwd", "/etc/passwd", "leads upwards"),
        ("a/../b", "/b", "leads upwards"),
        ("a\nb", "/a\nb", "unprintable"),
        ("a\udc80b", "/a\udc80b", "unprintable"),
    ],
)
def test_odd_names_are_kept_and_reported(name: str, path: str, problem: str) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", errors="surrogateescape") as tar:
        tar.addfile(tarfile.TarInfo(name))

    tree = tree_of_archives(raw.getvalue())

    assert paths(tree) == [path]
    assert problem in tree.problems[0]
    assert tree.problems[0].isprintable()


@pytest.mark.parametrize("name", ["usr/.wh.", "usr/.wh..", "usr/.wh...", "usr/.wh..wh.plnk"])
def test_whiteout_of_no_file_hides_nothing_and_is_reported(name: str) -> None:
    tree = tree_of([file("usr/a")], [file(name)])

    assert paths(tree) == ["/usr/a"]
    assert "names no file" in tree.problems[0]


@pytest.mark.parametrize("other", [file("a"), symlink("a", "b")])
def test_file_with_files_below_it_is_reported(other: Entry) -> None:
    for layers in ([[other], [file("a/x")]], [[other, file("a/x")]]):
        tree = tree_of(*layers)

        assert paths(tree) == ["/a/x"]
        assert "has files below it" in tree.problems[0]


def test_problems_are_bounded() -> None:
    tree = tree_of([hard_link(f"b{number}", file("nowhere")) for number in range(150)])

    assert len(tree.problems) == 101
    assert tree.problems[-1] == "and 50 more"


def test_whiteouts_and_opaque_folders_hide_only_lower_layers() -> None:
    tree = tree_of(
        [folder("a"), file("a/old"), folder("b"), file("b/old"), file("b/gone")],
        [file("a/new"), opaque("a"), file("b/new"), whiteout("b/gone"), whiteout("b/new")],
    )

    assert paths(tree) == ["/a", "/a/new", "/b", "/b/new", "/b/old"]


def test_many_files_and_duplicates_are_read_once() -> None:
    entries = [file(f"d{number % 1000}/f{number % 5000}", str(number)) for number in range(20_000)]

    tree = tree_of(entries, [whiteout(f"d{number}") for number in range(500)])

    assert len(tree) == 2_500


NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
ADDED = st.one_of(
    st.builds(file, PATHS, st.text("xyz", max_size=2)), st.builds(folder, PATHS),
    st.builds(symlink, PATHS, PATHS),
)  # fmt: skip
HIDDEN = st.one_of(st.builds(whiteout, PATHS), st.builds(opaque, PATHS))


def proper(layer: list[Entry]) -> list[Entry]:
    """Return a layer as archives are written: whiteouts first, then parents before children."""
    hidden = [one for one in layer if ".wh." in one.path]
    found: dict[str, Entry] = {}
    for one in layer:
        parents = one.path.split("/")[:-1]
        for count in range(1, len(parents) + 1):
            parent = "/".join(parents[:count])
            if parent in found and found[parent].kind != tarfile.DIRTYPE:
                break
            if ".wh." not in one.path:
                found.setdefault(parent, folder(parent))
        else:
            if ".wh." not in one.path and one.path not in found:
                found[one.path] = one
    return hidden + sorted(found.values(), key=lambda one: one.path)


def model(layers: list[list[Entry]]) -> dict[str, Entry]:
    """Apply layers as a simple unpacker does: what replaces a folder removes all that is in it."""
    found: dict[str, Entry] = {}
    for layer in layers:
        for one in layer:
            parent, _, name = f"/{one.path}".rpartition("/")
            if name == ".wh..wh..opq":
                remove_below(found, parent)
            elif name.startswith(".wh."):
                gone = f"{parent}/{name.removeprefix('.wh.')}"
                remove_below(found, gone)
                found.pop(gone, None)
            else:
                add(found, f"/{one.path}", one)
    return found


def add(found: dict[str, Entry], path: str, entry: Entry) -> None:
    if entry.kind != tarfile.DIRTYPE:
        remove_below(found, path)
    for above in [one for one in found if path.startswith(f"{one}/")]:
        if found[above].kind != tarfile.DIRTYPE:
            del found[above]
    found[path] = entry


def remove_below(found: dict[str, Entry], folder: str) -> None:
    for path in [one for one in found if one.startswith(f"{folder}/")]:
        del found[path]


LAYERS = st.lists(st.lists(st.one_of(ADDED, HIDDEN), max_size=6).map(proper), max_size=4)


@settings(max_examples=150, deadline=None)
@given(LAYERS)
def test_any_layers_leave_what_a_simple_unpacker_leaves(layers: list[list[Entry]]) -> None:
    tree = tree_of(*layers)

    expected = model(layers)
    assert paths(tree) == sorted(expected, key=lambda path: path.split("/"))
    for path, entry in tree.entries():
        wanted = expected[path]
        assert entry.target == wanted.target
        if entry.type is EntryType.FILE:
            assert entry.digest == hashlib.sha256(wanted.content).hexdigest()


@settings(max_examples=100, deadline=None)
@given(LAYERS.flatmap(lambda layers: st.permutations(layers[0]) if layers else st.just([])))
def test_order_of_whiteouts_in_a_layer_does_not_matter(layer: list[Entry]) -> None:
    base = [folder("a"), file("a/b"), file("b"), file("c")]
    added = [one for one in layer if ".wh." not in one.path]
    hidden = [one for one in layer if ".wh." in one.path]

    assert paths(tree_of(base, hidden + added)) == paths(tree_of(base, added + hidden))
