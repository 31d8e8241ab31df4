"""The node layer: real RPMs of the OpenShift parts, installed on a copy of the CoreOS tree."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import process
from harness.model.clock import Deadline
from harness.standin import rpm
from harness.standin.recipe import FOLDER, Recipe
from harness.standin.rootfs import Debian

Programs = Mapping[str, Path]
"""The paths of compiled programs by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One RPM of the layer: whose Debian version it has, and how to collect its files."""

    versioned_by: str
    summary: str
    collect: Callable[[Debian, Programs, Path, Deadline], None]
    requires: tuple[str, ...] = ()


def _kubelet(_: Debian, programs: Programs, into: Path, __: Deadline) -> None:
    # /usr/bin/kubelet is a script, fixtures/standin/node, that adds a flag.
    _program(programs["kubelet"], into, "kubelet", "usr/libexec/stand-in")


def _clients(debian: Debian, _: Programs, into: Path, deadline: Deadline) -> None:
    raw = debian.unpack("kubernetes-client", into / "raw", deadline)
    _program(raw / "usr/bin/kubectl", into, "kubectl")
    shutil.rmtree(raw)
    (into / "usr/bin/oc").symlink_to("kubectl")


def _containerd(debian: Debian, _: Programs, into: Path, deadline: Deadline) -> None:
    _whole(debian, "containerd", into, deadline)
    # Only the runc v2 shim is called, and every byte costs time in an emulated guest.
    for unused in ("ctr", "containerd-shim", "containerd-shim-runc-v1"):
        (into / "usr/bin" / unused).unlink()


def _runc(debian: Debian, _: Programs, into: Path, deadline: Deadline) -> None:
    _whole(debian, "runc", into, deadline)


def _cri_tools(_: Debian, programs: Programs, into: Path, __: Deadline) -> None:
    _program(programs["crictl"], into, "crictl")


def _crio(_: Debian, __: Programs, ___: Path, ____: Deadline) -> None:
    """Collect nothing: fixtures/standin/node has all of the package."""


# Named as openshift/os's packages, except for what replaces cri-o.
_PARTS: Mapping[str, _Part] = {
    "openshift-kubelet": _Part(
        versioned_by="kubernetes-client",
        summary="Kubelet, compiled from Debian's kubernetes source",
        collect=_kubelet,
        requires=("crio-stand-in",),
    ),
    "openshift-clients": _Part(
        versioned_by="kubernetes-client",
        summary="Debian's kubectl, also called oc",
        collect=_clients,
    ),
    "containerd": _Part(
        versioned_by="containerd",
        summary="Debian's containerd, the stand-in's CRI runtime",
        collect=_containerd,
        requires=("runc",),
    ),
    "crio-stand-in": _Part(
        versioned_by="containerd",
        summary="cri-o's command, unit, socket and settings, played by containerd",
        collect=_crio,
        requires=("containerd",),
    ),
    "runc": _Part(versioned_by="runc", summary="Debian's runc", collect=_runc),
    "cri-tools": _Part(
        versioned_by="kubernetes-client",
        summary="A small crictl over the vendored CRI client",
        collect=_cri_tools,
    ),
}


def install(
    tree: Path, recipe: Recipe, debian: Debian, programs: Programs, folder: Path, deadline: Deadline
) -> None:
    """Build the RPMs in `folder` and install them into `tree`, a hard-link copy of the base."""
    stage = folder / "stage"
    packages = []
    for name, part in _PARTS.items():
        own = folder / name
        own.mkdir(parents=True)
        part.collect(debian, programs, own, deadline)
        if (FOLDER / "node" / name).is_dir():
            shutil.copytree(FOLDER / "node" / name, own, dirs_exist_ok=True)
        files = (f"/{p.relative_to(own)}" for p in own.rglob("*") if p.is_symlink() or p.is_file())
        packages.append(
            rpm.Package(
                name=name,
                debian_version=debian.version_of(part.versioned_by),
                summary=part.summary,
                files=tuple(sorted(files)),
                requires=part.requires,
            )
        )
        shutil.copytree(own, stage, symlinks=True, dirs_exist_ok=True)
    rpms = rpm.build(packages, stage, folder / "rpm", deadline)
    _unshare_database(tree)
    rpm.install(rpms.glob("*.rpm"), tree, deadline)
    _append(tree / "usr/lib/os-release", f'OPENSHIFT_VERSION="{recipe.openshift_version}"\n')


def copy_of(base: Path, tree: Path, deadline: Deadline) -> None:
    """Make `tree` a copy of `base` by hard links: a rewritten file has another inode."""
    process.run(["cp", "--archive", "--link", base, tree], deadline)


def _unshare_database(tree: Path) -> None:
    # The only file of the base that is changed in place.
    for path in (tree / rpm.DATABASE).iterdir():
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)


def _append(path: Path, text: str) -> None:
    content = path.read_text(encoding="utf-8") + text
    path.unlink()
    path.write_text(content, encoding="utf-8")
    path.chmod(0o644)


def _program(source: Path, into: Path, name: str, place: str = "usr/bin") -> None:
    folder = into / place
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, folder / name)
    (folder / name).chmod(0o755)


def _whole(debian: Debian, package: str, into: Path, deadline: Deadline) -> None:
    """Collect a Debian package's files, moved to their places in a merged /usr."""
    raw = debian.unpack(package, into / "raw", deadline)
    for unwanted in ("usr/share", "etc/init.d", "etc/default"):
        shutil.rmtree(raw / unwanted, ignore_errors=True)
    for top in ("lib", "bin", "sbin"):
        if (raw / top).is_dir():
            shutil.copytree(raw / top, raw / "usr" / top, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(raw / top)
    shutil.copytree(raw, into, symlinks=True, dirs_exist_ok=True)
    shutil.rmtree(raw)
    for folder in sorted((p for p in into.rglob("*") if p.is_dir()), reverse=True):
        if not any(os.scandir(folder)):
            folder.rmdir()
