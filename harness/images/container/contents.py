"""Programs, units and settings of an image with their packages, from its layers and its rpmdb.

Reading a real image takes a minute, so the result is cached by digest. Only the database is
unpacked, to a private folder, where the host's `rpm` reads it.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, cast

from harness import temporary
from harness.images.acquire.cache import Cache
from harness.images.container import rpm_database, skopeo
from harness.images.container.node_image import NodeImage
from harness.images.container.rpm_database import DATABASE, LOG_SUFFIX
from harness.images.container.rpm_database import FOLDERS as RPM_FOLDERS
from harness.images.container.skopeo import Source, Target
from harness.images.layers.tree import MemberPlace, Tree, path_of
from harness.images.oci.layout_image import LayoutImage, image_in
from harness.images.reference import Reference, Transport
from harness.model.clock import Deadline
from harness.model.command import (
    FILE_FOLDERS,
    FOLDERS,
    UNIT_FOLDERS,
    candidates,
    is_layer_file,
    is_program_path,
    is_unit,
    normal,
)
from harness.model.errors import InputError

LOG = logging.getLogger(__name__)
_FORM = 2  # of the cached result
_DATABASES = tuple(f"{folder}/{DATABASE}" for folder in RPM_FOLDERS)
_ETC = "/usr/etc"  # where ostree keeps an image's /etc
_WANTED = (
    *(f"{path}{suffix}" for path in _DATABASES for suffix in ("", LOG_SUFFIX)),
    *(f"{folder}/" for folder in (*FILE_FOLDERS, _ETC)),
)
_MAX_DATABASE_BYTES = 1 << 30
_OWNERS_FORMAT = r"[%{FILENAMES}\t%{=NAME}\n]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Programs of an image by path, each with its package, None for one without.

    `others` are its units and settings in the same way.
    """

    files: Mapping[str, str | None]
    others: Mapping[str, str | None] = field(default_factory=dict)

    def which(self, command: str) -> tuple[str, str | None] | None:
        """Return the path and the package of a name or path, None if the image lacks it."""
        found = (path for path in candidates(command) if path in self.files)
        return next(((path, self.files[path]) for path in found), None)

    def below(self, path: str) -> tuple[str, str | None] | None:
        """Return a file with its package: that at `path`, or the first of those below it."""
        if path in self.others:
            return path, self.others[path]
        folder = f"{path.rstrip('/')}/"
        return next((one for one in self.others.items() if one[0].startswith(folder)), None)

    def unit(self, name: str) -> tuple[str, str | None] | None:
        """Return the path and the package of a unit, None if the image lacks it."""
        found = (self.below(f"{folder}/{name}") for folder in UNIT_FOLDERS)
        return next((one for one in found if one), None)

    def package_of(self, wanted: str) -> str | None:
        """Return the package of a program, by name or path, or of a unit; None if unknown."""
        found = self.unit(wanted) if is_unit(wanted) else self.which(wanted)
        return found[1] if found else None


def contents_of(image: NodeImage, source: Source, cache: Cache, deadline: Deadline) -> Contents:
    """Return the contents of `image`; `source` has the credentials to read it.

    Raises:
        InputError: the image cannot be read.
        MissingProgramError: the host has no rpm, or no skopeo to fetch the image.
        DeadlineError: the time is over.
    """
    key = f"{image.digest.removeprefix('sha256:')}-contents-{_FORM}"
    source = replace(source, reference=image.reference, size_bytes=image.size_bytes)

    # Elsewhere the copy has a manifest of its own, whose blobs skopeo verified as it copied.
    digest = image.digest if source.reference.transport.keeps_digests else None

    def make(target: Path) -> None:
        with _layout(source, target.with_name("layout"), deadline) as layout:
            found = read_layout(layout, digest, str(source.reference), deadline)
        target.write_text(json.dumps(asdict(found)), encoding="utf-8")

    kept = cache.get_or_make(key, make, deadline)
    return Contents(**json.loads(kept.read_text(encoding="utf-8")))


def read_layout(layout: Path, digest: str | None, subject: str, deadline: Deadline) -> Contents:
    """Return the contents of an image in an OCI layout; errors call it `subject`.

    `digest` is that of its manifest; for None, the layout's only image is read.

    Raises:
        InputError: a blob cannot be read, or has another digest.
        DeadlineError: the time is over.
    """
    image = image_in(layout, digest, subject, deadline)
    tree = Tree(_WANTED, deadline)
    for number in range(len(image.layers)):
        LOG.info("reading layer %d of %d of %s", number + 1, len(image.layers), subject)
        tree.apply(number, (member for member, _ in image.members(number)))
    owners = _owners(tree, image)
    programs = {
        path: owners.get(path) or owners.get(real)
        for folder in FOLDERS
        for path, real in tree.programs(folder)
        if is_program_path(path)
    }
    others = {
        path.replace(_ETC, "/etc", 1) if path.startswith(f"{_ETC}/") else path
        for folder in (*FILE_FOLDERS, _ETC)
        for path in tree.files(folder)
    }
    return Contents(
        files=dict(sorted(programs.items())),
        others={path: owners.get(path) for path in sorted(others)},
    )


def parse_owners(text: str) -> dict[str, str]:
    """Return the package of each file from rpm's lines `PATH TAB PACKAGE`."""
    owners: dict[str, str] = {}
    for line in text.splitlines():
        path, tab, package = line.partition("\t")
        path = normal(path)
        if tab and (is_program_path(path) or is_layer_file(path)):
            owners[path] = min(package, owners.get(path, package))
    return owners


@contextmanager
def _layout(source: Source, copy: Path, deadline: Deadline) -> Iterator[Path]:
    """Provide a layout with the image: the source itself, or a temporary one at `copy`."""
    if source.reference.transport is Transport.OCI:
        yield Path(source.reference.rest.partition(":")[0])
        return
    shutil.rmtree(copy, ignore_errors=True)  # left by a killed run
    try:
        local = Reference(transport=Transport.OCI, rest=f"{copy}:image")
        skopeo.copy(source, Target(reference=local, folder=copy), deadline)
        yield copy
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def _owners(tree: Tree, image: LayoutImage) -> dict[str, str]:
    path = next((path for path in _DATABASES if tree.place(path)), None)
    if path is None:
        LOG.warning("%s has no rpm database: packages stay unknown", image.subject)
        return {}
    with temporary.folder() as folder:
        for suffix in ("", LOG_SUFFIX):
            if place := tree.place(path + suffix):
                _extract(image, place, folder / f"{DATABASE}{suffix}")
        listed = rpm_database.query(folder, _OWNERS_FORMAT, image.subject, image.deadline)
        return parse_owners(listed)


def _extract(image: LayoutImage, place: MemberPlace, target: Path) -> None:
    """Write the content of one file to `target`; its layer was verified when it was applied."""
    for member, layer in image.members(place.layer):
        if path_of(member) != place.member or not member.isreg():
            continue
        if member.size > _MAX_DATABASE_BYTES:
            problem = f"implausible rpm database of {member.size} bytes"
            raise InputError(image.subject, problem, "Check how the image was built.")
        try:
            with target.open("wb") as out:
                shutil.copyfileobj(cast("IO[bytes]", layer.extractfile(member)), out)
        except OSError as exc:
            problem = f"the rpm database cannot be unpacked to {target.parent}: {exc}"
            remedy = f"Free disk space in {target.parent.parent}."
            raise InputError(image.subject, problem, remedy) from exc
        return
