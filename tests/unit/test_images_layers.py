from __future__ import annotations

import tarfile

import pytest
from images_fakes import RunningClock, deadline

from harness.images.layers import overlay
from harness.images.layers.tree import MemberPlace, Tree
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError

DATABASE = "/usr/share/rpm/rpmdb.sqlite"


def program(name: str, mode: int = 0o755) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode = mode
    return member


def plain(name: str) -> tarfile.TarInfo:
    return program(name, 0o644)


def folder(name: str) -> tarfile.TarInfo:
    return _of_type(name, tarfile.DIRTYPE)


def symlink(name: str, target: str) -> tarfile.TarInfo:
    member = _of_type(name, tarfile.SYMTYPE)
    member.linkname = target
    return member


def hardlink(name: str, target: str, mode: int = 0o755) -> tarfile.TarInfo:
    member = _of_type(name, tarfile.LNKTYPE)
    member.linkname, member.mode = target, mode
    return member


def _of_type(name: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode = kind, 0o777
    return member


def laid(*layers: list[tarfile.TarInfo]) -> Tree:
    tree = Tree([DATABASE], deadline())
    for number, layer in enumerate(layers):
        tree.apply(number, layer)
    return tree


def names(tree: Tree, where: str = "/usr/bin") -> set[str]:
    return {path for path, _ in tree.programs(where)}


@pytest.mark.parametrize(
    ("upper", "expected"),
    [
        ([], {"/usr/bin/oc", "/usr/bin/jq"}),
        ([program("usr/bin/crictl")], {"/usr/bin/oc", "/usr/bin/jq", "/usr/bin/crictl"}),
        ([plain("usr/bin/.wh.oc")], {"/usr/bin/jq"}),
        ([plain("usr/.wh.bin")], set()),
        ([plain("usr/bin/.wh..wh..opq")], set()),
        ([plain(".wh..wh..opq")], set()),
        ([plain("usr/bin/oc")], {"/usr/bin/jq"}),
        ([symlink("usr/bin/oc", "nowhere")], {"/usr/bin/jq"}),
        ([symlink("usr/bin", "sbin")], set()),
        ([folder("usr/bin"), folder("usr")], {"/usr/bin/oc", "/usr/bin/jq"}),
        ([plain("usr/bin/.wh.oc"), program("usr/bin/oc")], {"/usr/bin/oc", "/usr/bin/jq"}),
        ([program("usr/bin/oc"), plain("usr/bin/.wh.oc")], {"/usr/bin/oc", "/usr/bin/jq"}),
        ([plain("usr/bin/.wh..wh..opq"), program("usr/bin/oc")], {"/usr/bin/oc"}),
        ([program("usr/bin/x"), plain("usr/bin/x")], {"/usr/bin/oc", "/usr/bin/jq"}),
        ([plain("usr/bin/.wh.o")], {"/usr/bin/oc", "/usr/bin/jq"}),
    ],
)
def test_a_layer_hides_what_it_replaces_or_whites_out(
    upper: list[tarfile.TarInfo], expected: set[str]
) -> None:
    lower = [folder("usr"), folder("usr/bin"), program("usr/bin/oc"), program("./usr/bin/jq")]

    assert names(laid(lower, upper)) == expected


def test_a_folder_that_replaces_a_link_keeps_what_comes_with_it() -> None:
    tree = laid([symlink("usr/sbin", "bin"), program("usr/bin/oc")],
                [folder("usr/sbin"), program("usr/sbin/ip")])  # fmt: skip

    assert names(tree, "/usr/sbin") == {"/usr/sbin/ip"}


def test_links_are_followed_to_programs_only() -> None:
    tree = laid([
        program("usr/lib/node/cli"),
        plain("usr/lib/node/data"),
        symlink("usr/bin/node", "../lib/node/cli"),
        symlink("usr/bin/absolute", "/usr/lib/node/cli"),
        symlink("usr/bin/data", "../lib/node/data"),
        symlink("usr/bin/twice", "node"),
        symlink("usr/bin/circle", "circle2"),
        symlink("usr/bin/circle2", "circle"),
        symlink("usr/bin/out", "../../../../../../usr/lib/node/cli"),
    ])  # fmt: skip

    assert dict(tree.programs("/usr/bin")) == {
        f"/usr/bin/{name}": "/usr/lib/node/cli" for name in ("node", "absolute", "twice", "out")
    }


def test_a_folder_that_is_a_link_shows_its_targets_programs_under_its_own_name() -> None:
    tree = laid([symlink("usr/sbin", "bin"), symlink("usr/local", "../var/usrlocal"),
                 program("usr/bin/ip"), program("var/usrlocal/bin/tool")])  # fmt: skip

    assert dict(tree.programs("/usr/sbin")) == {"/usr/sbin/ip": "/usr/bin/ip"}
    assert names(tree, "/usr/local/bin") == {"/usr/local/bin/tool"}


def test_files_of_an_ostree_commit_are_found_under_their_real_names() -> None:
    objects = "sysroot/ostree/repo/objects/aa"
    tree = laid([
        program(f"{objects}/1.file"),
        symlink(f"{objects}/2.file", "bash"),
        plain(f"{objects}/3.file"),
        symlink(f"{objects}/4.file", "nowhere"),
        hardlink("usr/bin/dangling", f"{objects}/4.file", 0o777),
        hardlink("usr/bin/bash", f"{objects}/1.file"),
        hardlink("usr/bin/sh", f"{objects}/2.file", 0o777),
        hardlink("usr/share/rpm/rpmdb.sqlite", f"{objects}/3.file", 0o644),
    ])  # fmt: skip

    assert names(tree) == {"/usr/bin/bash", "/usr/bin/sh"}
    assert tree.place(DATABASE) == MemberPlace(layer=0, member=f"/{objects}/3.file")


def test_the_place_of_a_wanted_file_is_its_newest() -> None:
    database = plain("usr/share/rpm/rpmdb.sqlite")
    tree = laid([database], [program("usr/bin/oc")], [database])

    assert tree.place(DATABASE) == MemberPlace(layer=2, member=DATABASE)


def test_a_wanted_file_that_is_whited_out_has_no_place() -> None:
    database = plain("usr/share/rpm/rpmdb.sqlite")

    assert laid([database], [plain("usr/share/.wh.rpm")]).place(DATABASE) is None


@pytest.mark.parametrize(
    "name", ["../usr/bin/x", "usr/bin/../bin/x", "usr/bin/a\nb", "usr/bin/" + "x" * 5000]
)
def test_implausible_names_are_skipped(name: str) -> None:
    assert names(laid([program(name), program("usr/bin/oc")])) == {"/usr/bin/oc"}


def test_devices_and_folders_are_not_programs() -> None:
    members = [_of_type("usr/bin/fifo", tarfile.FIFOTYPE), folder("usr/bin/folder")]

    assert not names(laid(members))


def test_links_of_endless_names_are_not_followed() -> None:
    tree = laid([
        program("usr/bin/oc"),
        symlink("usr/bin/long", "./" * 2000 + "oc"),
        symlink("usr/bin/too-long", "x" * (1 << 20)),
        symlink("usr/bin/deep", "d/" * 1000 + "oc"),
    ])  # fmt: skip

    assert names(tree) == {"/usr/bin/oc"}


MANY = {
    "files": ("_MAX_NODES", [[program(f"usr/{number}") for number in range(9)]]),
    "files-of-all-layers": ("_MAX_NODES", [[program(f"usr/{number}")] for number in range(9)]),
    "names": ("_MAX_NAME_BYTES", [[program("usr/longer-name")]]),
    "names-of-all-layers": ("_MAX_NAME_BYTES", [[program("usr/1")], [program("usr/2")]]),
    "folders": ("_MAX_FOLDERS", [[program("a/b/c/d/e/f/g/h/i/j")]]),
}


@pytest.mark.parametrize(("limit", "members"), MANY.values(), ids=MANY)
def test_implausibly_many_names_are_refused(
    limit: str, members: list[list[tarfile.TarInfo]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlay, limit, 8)
    laid([program("a/b")])

    with pytest.raises(InputError, match="the image: more than"):
        laid(*members)


def test_following_links_ends_at_the_deadline() -> None:
    tree = Tree((), Deadline.after(60, RunningClock()))
    tree.apply(0, [symlink(f"usr/bin/{number}", "nowhere") for number in range(99)])

    with pytest.raises(DeadlineError, match="not all of its links are followed"):
        names(tree)
