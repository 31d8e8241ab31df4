"""Which files differ between two squashed images, and in what. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from harness.contract.reading.tree import Entry, EntryType

LEFT_OUT = ("/sysroot/ostree/",)
"""The object store of ostree, whose files are those of the image under the name of their sum."""


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """A path that is on one side only, or differs.

    `change` is added, removed or changed. `fields` names what differs, with both values.
    """

    path: str
    change: str
    fields: dict[str, tuple[str, str]] = {}


def compare(
    old: Iterable[tuple[str, Entry]], new: Iterable[tuple[str, Entry]]
) -> tuple[FileChange, ...]:
    """Return the changes between two trees, sorted by path; times of files are not compared."""
    before, after = dict(_judged(old)), dict(_judged(new))
    return tuple(
        change
        for path in sorted(before.keys() | after.keys())
        if (change := _change(path, before.get(path), after.get(path))) is not None
    )


def _judged(entries: Iterable[tuple[str, Entry]]) -> Iterator[tuple[str, Entry]]:
    return ((path, entry) for path, entry in entries if not path.startswith(LEFT_OUT))


def _change(path: str, before: Entry | None, after: Entry | None) -> FileChange | None:
    if before is None or after is None:
        return FileChange(path=path, change="added" if before is None else "removed")
    was, now = _values(before), _values(after)
    fields = {
        name: (was.get(name, ""), now.get(name, ""))
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name)
    }
    return FileChange(path=path, change="changed", fields=fields) if fields else None


def _values(entry: Entry) -> dict[str, str]:
    """Return what is compared of an entry, as text."""
    values = {"type": str(entry.type), "owner": f"{entry.uid}:{entry.gid}"}
    if entry.type is not EntryType.SYMLINK:  # its mode means nothing, and differs between tools
        values["mode"] = f"{entry.mode:04o}"
    if entry.type is EntryType.FILE:
        values |= {"size": str(entry.size_bytes), "sha256": entry.digest}
    if entry.target:
        values["target"] = entry.target
    if entry.device is not None:
        values["device"] = "{}:{}".format(*entry.device)
    return values | {f"xattr {name}": value for name, value in entry.xattrs.items()}
