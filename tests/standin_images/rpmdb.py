"""A package database in the format of RHEL 9 and later, as the host's `rpm` reads it.

`rpm --initdb` makes the file; the headers are written here, because to build and install an RPM for
each package takes a hundred times as long.

Source: rpm's docs/manual/hregions.md and format_header.md (header structure), lib/backend/sqlite.c.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from harness import process
from harness.model.clock import Deadline
from harness.model.nevra import Nevra

PLACE = "usr/share/rpm/rpmdb.sqlite"
_INT32, _STRING = 4, 6
_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH = 1000, 1001, 1002, 1003, 1022


@cache
def database(packages: frozenset[Nevra], note: str = "") -> bytes:
    """Return the database of `packages`; another `note` gives other bytes."""
    with TemporaryDirectory(prefix="node-image-rpmdb-") as folder:
        words = [f"--dbpath={folder}", "--define=_db_backend sqlite", "--initdb"]
        process.run(["rpm", *words], Deadline.after(60.0))
        path = Path(folder) / "rpmdb.sqlite"
        with closing(sqlite3.connect(path)) as connection:
            _fill(connection, sorted(packages, key=str))
            connection.execute("create table if not exists note (text)")
            connection.execute("insert into note values (?)", (note,))
            connection.commit()
            connection.execute("pragma journal_mode=delete")
        return path.read_bytes()


def _fill(connection: sqlite3.Connection, packages: Iterable[Nevra]) -> None:
    for number, package in enumerate(packages, start=1):
        row = (number, _header(package))
        connection.execute("insert into Packages values (?, ?)", row)
        connection.execute("insert into Name values (?, ?, 0)", (package.name, number))


def _header(package: Nevra) -> bytes:
    tags = (
        (_NAME, package.name), (_VERSION, package.version), (_RELEASE, package.release),
        (_EPOCH, package.epoch), (_ARCH, package.arch),
    )  # fmt: skip
    index, store = b"", b""
    for tag, value in tags:
        if isinstance(value, int):
            store += bytes(-len(store) % 4)
            index += struct.pack(">4I", tag, _INT32, len(store), 1)
            store += struct.pack(">I", value)
        else:
            index += struct.pack(">4I", tag, _STRING, len(store), 1)
            store += value.encode() + b"\0"
    return struct.pack(">2I", len(tags), len(store)) + index + store
