"""The deep answer: the rpm database and os-release of the squashed image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness import temporary
from harness.contract.inspection import Depth, Inspection
from harness.contract.reading import metadata
from harness.contract.reading.image_reader import ImageReader
from harness.contract.reading.layer_search import Search
from harness.images.container import rpm_database
from harness.images.container.rpm_database import DATABASE, FOLDERS, LOG_SUFFIX
from harness.model import os_release
from harness.model.clock import Deadline
from harness.model.packages.nevra import QUERY_FORMAT, Nevra

_OS_RELEASE = ("/usr/lib/os-release", "/etc/os-release")
# Source: rpm's docs/manual/rpmdb.md; of RHEL 8 and older, and of the ndb backend.
_OTHER_DATABASES = ("Packages", "Packages.db")
_MAX_FILE_BYTES = 1 << 30


def deep_inspection(quick: Inspection, reader: ImageReader, deadline: Deadline) -> Inspection:
    """Return `quick` with the packages and the os-release that the image has in fact.

    Raises:
        InputError: a layer or the database cannot be read.
        MissingProgramError: the host has no rpm.
        DeadlineError: the time is over.
    """
    with temporary.folder() as folder:
        search = Search(
            reader=reader, folder=folder / "files", limit_bytes=_MAX_FILE_BYTES, deadline=deadline
        )
        search.folder.mkdir()
        search.find(_wanted(), range(len(reader.layers))[::-1], lambda: _is_enough(search))
        database = _first(search, _databases())
        release = _first(search, _OS_RELEASE)
        packages = _packages(search, database, folder / "rpm") if database else None
        texts = search.get(release) if release else None
        paths = (path for path in (database, release) if path)
        found_in = {path: one.layer for path in paths if (one := search.get(path))}
        return replace(
            quick, depth=Depth.DEEP, packages=packages,
            kernel=metadata.kernel_of(packages or ()),
            os_release=_fields(texts.content) if texts else None,
            found_in={**quick.found_in, **found_in},
            read_bytes=quick.read_bytes + search.read_bytes,
            problems=(*quick.problems, *_lacks(search, database, release)),
        )  # fmt: skip


def _databases() -> tuple[str, ...]:
    return tuple(f"{folder}/{DATABASE}" for folder in FOLDERS)


def _others() -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for folder in FOLDERS for name in _OTHER_DATABASES)


def _wanted() -> tuple[str, ...]:
    logs = (f"{path}{LOG_SUFFIX}" for path in _databases())
    return (*_databases(), *logs, *_others(), *_OS_RELEASE)


def _is_enough(search: Search) -> bool:
    return all(_is_settled(search, paths) for paths in (_databases(), _OS_RELEASE))


def _is_settled(search: Search, paths: tuple[str, ...]) -> bool:
    """Return whether the first of `paths` that exists is known, whatever lower layers have."""
    for path in paths:
        if search.get(path):
            return True
        if not search.knows(path):
            return False
    return True


def _first(search: Search, paths: tuple[str, ...]) -> str | None:
    return next((path for path in paths if search.get(path)), None)


def _packages(search: Search, path: str, folder: Path) -> frozenset[Nevra]:
    folder.mkdir()
    database, log = search.get(path), search.get(f"{path}{LOG_SUFFIX}")
    if database is None:
        return frozenset()
    database.content.rename(folder / DATABASE)
    # A log below the database's layer is of an older database.
    if log is not None and log.layer >= database.layer:
        log.content.rename(folder / f"{DATABASE}{LOG_SUFFIX}")
    return query_packages(folder, f"{search.reader.subject}, {path}", search.deadline)


def query_packages(folder: Path, subject: str, deadline: Deadline) -> frozenset[Nevra]:
    """Return the packages of the database in a private folder, without keys.

    Raises:
        InputError: it is damaged; names `subject`.
        MissingProgramError: the host has no rpm.
        DeadlineError: the time is over.
    """
    text = rpm_database.query(folder, QUERY_FORMAT, subject, deadline)
    return metadata.without_keys(map(Nevra.parse, text.splitlines()))


def _fields(path: Path) -> dict[str, str]:
    return dict(os_release.parse(path.read_text(encoding="utf-8", errors="replace")))


def _lacks(search: Search, database: str | None, release: str | None) -> tuple[str, ...]:
    problems = []
    if database is None:
        other = _first(search, _others())
        problems.append(
            f"the rpm database {other} is older than RHEL 9, or of another kind than SQLite"
            if other
            else f"no rpm database: none of {', '.join(_databases())}"
        )
    if release is None:
        problems.append("no os-release")
    return tuple(problems)
