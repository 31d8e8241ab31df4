"""Files of two images are compared in all that a comparison of contents needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.contract.comparing.file_diff import FileChange, compare
from harness.contract.reading.tree import Entry, EntryType

FILE = Entry(
    type=EntryType.FILE, mode=0o755, uid=0, gid=0, mtime_s=1, size_bytes=2, digest="a" * 64
)
LINK = Entry(type=EntryType.SYMLINK, mode=0o777, uid=0, gid=0, mtime_s=1, target="b")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"digest": "b" * 64}, "sha256"), ({"size_bytes": 3}, "size"), ({"mode": 0o4755}, "mode"),
        ({"uid": 1}, "owner"), ({"gid": 1}, "owner"),
        ({"xattrs": {"security.capability": "01"}}, "xattr security.capability"),
        ({"type": EntryType.FIFO}, "type"),
    ],
)  # fmt: skip
def test_each_field_is_compared(fields: dict[str, object], name: str) -> None:
    other = replace(FILE, **fields)  # type: ignore[arg-type]  # by its fields

    (change,) = compare([("/a", FILE)], [("/a", other)])

    assert name in change.fields
    assert change.change == "changed"


def test_target_of_a_link_is_compared_and_its_mode_is_not() -> None:
    assert compare([("/a", LINK)], [("/a", replace(LINK, mode=0o755))]) == ()
    (change,) = compare([("/a", LINK)], [("/a", replace(LINK, target="c"))])
    assert change.fields == {"target": ("b", "c")}


def test_times_and_layers_are_not_compared() -> None:
    assert compare([("/a", FILE)], [("/a", replace(FILE, mtime_s=9, layer=3))]) == ()


def test_files_on_one_side_are_named() -> None:
    assert compare([("/b", FILE)], [("/a", FILE)]) == (
        FileChange(path="/a", change="added"), FileChange(path="/b", change="removed"),
    )  # fmt: skip


def test_objects_of_ostree_are_left_out() -> None:
    path = "/sysroot/ostree/repo/objects/aa/bb.file"

    assert compare([(path, FILE)], []) == ()
    assert compare([("/sysroot/other", FILE)], []) != ()
