"""Inspects a bootimage: the rpm database and os-release of the ostree deployment in it."""

from __future__ import annotations

import re
from pathlib import Path

from harness import temporary
from harness.contract.inspection import Depth, Inspection, Kind
from harness.contract.reading import metadata
from harness.contract.reading.deep import query_packages
from harness.images.bootimage import BootImage
from harness.images.container.rpm_database import DATABASE, FOLDERS, LOG_SUFFIX
from harness.images.disk_files import DiskFiles, root_files
from harness.images.oci.writing import go_arch
from harness.model import os_release
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.model.packages.nevra import Nevra

_STATES = "/ostree/deploy"
_DEPLOYMENT = re.compile(r"[0-9a-f]{64}\.\d+")  # Source: ostree(1), "deployments"


def inspect_bootimage(image: BootImage, deadline: Deadline) -> Inspection:
    """Return what the deployment in a bootimage contains.

    Raises:
        InputError: its file system cannot be read, or it has no single deployment.
        MissingProgramError: the host lacks a program.
        DeadlineError: the time is over.
    """
    with root_files(image, deadline) as files, temporary.folder() as folder:
        deployment = _deployment(files)
        packages = _packages(files, deployment, folder)
        release = _os_release(files, deployment, folder)
    lacks = (
        *(("no rpm database that can be read",) if packages is None else ()),
        *(("no os-release",) if release is None else ()),
    )
    return Inspection(
        subject=image.origin, digest=f"sha256:{image.sha256}", kind=Kind.BOOTIMAGE,
        architecture=_architecture(packages or frozenset()), depth=Depth.DEEP, labels={}, layers=(),
        packages=packages, os_release=release, kernel=metadata.kernel_of(packages or ()),
        problems=lacks,
    )  # fmt: skip


def _deployment(files: DiskFiles) -> str:
    """Return the path of the only deployment."""
    found = [
        f"{_STATES}/{state}/deploy/{name}"
        for state in files.names(_STATES)
        if state not in (".", "..")
        for name in files.names(f"{_STATES}/{state}/deploy")
        if _DEPLOYMENT.fullmatch(name)
    ]
    if len(found) != 1:
        problem = f"{len(found)} ostree deployments in its root file system, not one"
        raise InputError(files.subject, problem, "Use a CoreOS disk image that never booted.")
    return found[0]


def _packages(files: DiskFiles, deployment: str, folder: Path) -> frozenset[Nevra] | None:
    for place in FOLDERS:
        if files.copy(f"{deployment}{place}/{DATABASE}", folder / DATABASE):
            log = f"{DATABASE}{LOG_SUFFIX}"
            files.copy(f"{deployment}{place}/{log}", folder / log)
            return query_packages(folder, files.subject, files.deadline)
    return None


def _os_release(files: DiskFiles, deployment: str, folder: Path) -> dict[str, str] | None:
    copy = folder / "os-release"
    if not files.copy(f"{deployment}/usr/lib/os-release", copy):
        return None
    return dict(os_release.parse(copy.read_text(encoding="utf-8", errors="replace")))


def _architecture(packages: frozenset[Nevra]) -> str:
    """Return the architecture of most packages, as image configurations name it."""
    arches = [one.arch for one in packages if one.arch != "noarch"]
    return go_arch(max(sorted(set(arches)), key=arches.count)) if arches else ""
