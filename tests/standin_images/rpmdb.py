"""A package database in the format of RHEL 9 and later, as the host's `rpm` reads it.

`rpm --initdb` makes the file; the headers are written here, because to build and install an RPM for
each package takes a hundred times as long.

Source: rpm's docs/manual/hregions.md and format_header.md (header structure), lib/backend/sqlite.c.
"""

from __future__ import annotations

import hashlib
import sqlite3
import struct
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from harness import process
from harness.model.clock import Deadline
from harness.model.packages.nevra import Nevra

PLACE = "usr/share/rpm/rpmdb.sqlite"
_INT32, _STRING, _TEXTS = 4, 6, 8
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH = 1000, 1001, 1002, 1003, 1022
_DIGESTS, _CHANGES, _FOLDER_OF, _NAMES, _FOLDERS = 1035, 1082, 1116, 1117, 1118
_CHANGES_EACH = 100


@cache
def database(packages: frozenset[Nevra], note: str = "", files_each: int = 0) -> bytes:
    """Return the database of `packages`; another `note` gives other bytes.

    With `files_each`, packages list so many files, and have a log of changes, as real ones do.
    """
    with TemporaryDirectory(prefix="node-image-rpmdb-") as folder:
        words = [f"--dbpath={folder}", "--define=_db_backend sqlite", "--initdb"]
        process.run(["rpm", *words], Deadline.after(60.0))
        path = Path(folder) / "rpmdb.sqlite"
        with closing(sqlite3.connect(path)) as connection:
            _fill(connection, sorted(packages, key=str), files_each)
            connection.execute("create table if not exists note (text)")
            connection.execute("insert into note values (?)", (note,))
            connection.commit()
            connection.execute("pragma journal_mode=delete")
        return path.read_bytes()


def _fill(connection: sqlite3.Connection, packages: Iterable[Nevra], files_each: int) -> None:
    for number, package in enumerate(packages, start=1):
        more = _files(package, files_each) if files_each else ()
        row = (number, _header(package, more))
        connection.execute("insert into Packages values (?, ?)", row)
        connection.execute("insert into Name values (?, ?, 0)", (package.name, number))


def _files(package: Nevra, count: int) -> tuple[tuple[int, list[int] | list[str]], ...]:
    names = [f"{package.name}-{number}.so" for number in range(count)]
    digests = [hashlib.sha256(name.encode()).hexdigest() for name in names]
    changes = [f"- Rebuild {package} for the reason {digests[n % count]} " * 3
               for n in range(_CHANGES_EACH)]  # fmt: skip
    return (
        (_DIGESTS, digests), (_CHANGES, changes), (_FOLDER_OF, [0] * count), (_NAMES, names),
        (_FOLDERS, [f"/usr/lib64/{package.name}/"]),
    )  # fmt: skip


def _header(package: Nevra, more: Iterable[tuple[int, list[int] | list[str]]] = ()) -> bytes:
    tags: tuple[tuple[int, int | str | list[int] | list[str]], ...] = (
        (_NAME, package.name), (_VERSION, package.version), (_RELEASE, package.release),
        (_EPOCH, package.epoch), (_ARCH, package.arch), *more,
    )  # fmt: skip
    index, store = b"", bytearray()
    for tag, value in tags:
        values = value if isinstance(value, list) else [value]
        numbers = [one for one in values if isinstance(one, int)]
        if numbers:
            store += bytes(-len(store) % 4)
        kind = _INT32 if numbers else _TEXTS if isinstance(value, list) else _STRING
        index += struct.pack(">4I", tag, kind, len(store), len(values))
        store += struct.pack(f">{len(numbers)}I", *numbers)
        store += b"".join(one.encode() + b"\0" for one in values if isinstance(one, str))
    return struct.pack(">2I", len(tags), len(store)) + index + store
