"""Real RPMs and a real rpmdb: one RPM per Debian package of the tree, and the node layer's.

One rpmbuild run builds them all, from one spec with many subpackages. Names and versions are
Debian's, except where RPM's grammar forbids them (see `nevra_of`).
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import process
from harness.model.clock import Deadline

DATABASE = "usr/share/rpm"
_VERSION = re.compile(r"(?:(?P<epoch>\d+):)?(?P<upstream>.+?)(?:-(?P<revision>[^-]+))?$")

# No file is changed, stripped, compressed or searched for dependencies; the payload is stored.
_PREAMBLE = """\
%global __os_install_post %{nil}
%global _build_id_links none
%global debug_package %{nil}
%global _binary_payload w.ufdio
%global _missing_doc_files_terminate_build 0
%global _unpackaged_files_terminate_build 0
Name: stand-in
Version: 1
Release: 1
Summary: Stand-in packages made from Debian's
License: as the Debian packages
AutoReqProv: no
%description
Stand-in packages made from Debian's.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """An RPM to build: its Debian version, and its files and links by absolute path."""

    name: str
    debian_version: str
    summary: str
    files: tuple[str, ...]
    requires: tuple[str, ...] = ()


def nevra_of(debian_version: str) -> tuple[int, str, str]:
    """Return epoch, version and release: `1:9.2p1-2+deb12u3` is 1, 9.2p1, 2+deb12u3.

    RPM forbids a hyphen inside the upstream part: it becomes an underscore. A native package has no
    revision: its release is 0.
    """
    match = _VERSION.fullmatch(debian_version)
    if match is None:  # The pattern matches every non-empty text.
        raise ValueError(f"not a Debian version: {debian_version!r}")
    upstream = match["upstream"].replace("-", "_")
    return int(match["epoch"] or 0), upstream, match["revision"] or "0"


def spec_of(packages: Iterable[Package]) -> str:
    """Return the spec text with one subpackage for each of `packages`."""
    return _PREAMBLE + "".join(_subpackage(package) for package in packages)


def _subpackage(package: Package) -> str:
    epoch, version, release = nevra_of(package.debian_version)
    requires = "".join(f"Requires: {name}\n" for name in package.requires)
    files = "\n".join(f'"{path.replace("%", "%%")}"' for path in package.files)
    return (
        f"%package -n {package.name}\nEpoch: {epoch}\nVersion: {version}\nRelease: {release}\n"
        f"Summary: {package.summary}\nAutoReqProv: no\n{requires}%description -n {package.name}\n"
        f"{package.summary}\n%files -n {package.name}\n%defattr(-,root,root)\n{files}\n"
    )


def build(packages: Sequence[Package], tree: Path, folder: Path, deadline: Deadline) -> Path:
    """Build an RPM of each package from files in `tree`; return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = folder / "stand-in.spec"
    spec.write_text(spec_of(packages), encoding="utf-8")
    process.run(
        [
            "rpmbuild",
            "-bb",
            "--quiet",
            "--noclean",
            f"--buildroot={tree}",
            "--build-in-place",
            f"--define=_topdir {folder}",
            f"--define=_rpmdir {folder}/rpms",
            "--target=x86_64",
            f"--define=_builddir {folder}",
            "--nodeps",
            spec,
        ],
        deadline,
        cwd=folder,
    )
    return folder / "rpms/x86_64"


def install(
    rpms: Iterable[Path], tree: Path, deadline: Deadline, *, just_database: bool = False
) -> None:
    """Install the RPM files into `tree`, or only add them to its database."""
    only = ["--justdb"] if just_database else []
    process.run(
        [
            "rpm",
            "--root",
            tree,
            f"--define=_dbpath /{DATABASE}",
            "--define=_db_backend sqlite",
            "-i",
            "--nosignature",
            "--nodeps",
            *only,
            *sorted(rpms),
        ],
        deadline,
    )
    seal(tree)


def seal(tree: Path) -> None:
    """Make the database readable in a read-only folder, as a deployed /usr.

    SQLite's write-ahead log needs a writable folder even for reading.
    """
    database = sqlite3.connect(tree / DATABASE / "rpmdb.sqlite")
    database.execute("pragma journal_mode=delete")
    database.close()


def debian_packages(tree: Path) -> tuple[Package, ...]:
    """Return a package for each Debian package in `tree` that still owns a file there."""
    status = (tree / "var/lib/dpkg/status").read_text(encoding="utf-8")
    packages = (_debian_package(tree, paragraph) for paragraph in status.split("\n\n") if paragraph)
    return tuple(package for package in packages if package.files)


def _debian_package(tree: Path, paragraph: str) -> Package:
    fields = dict(
        line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " "
    )
    lists = tree / "var/lib/dpkg/info"
    listed = next(
        path
        for path in (
            lists / f"{fields['Package']}.list",
            lists / f"{fields['Package']}:{fields['Architecture']}.list",
        )
        if path.exists()
    )
    owned = {_usr_merged(path) for path in listed.read_text(encoding="utf-8").splitlines()}
    return Package(
        name=fields["Package"],
        debian_version=fields["Version"],
        summary=fields["Description"],
        files=tuple(
            sorted(
                path
                for path in owned
                if _is_file(tree / path[1:]) and path.startswith(("/usr/", "/etc/"))
            )
        ),
    )


def _usr_merged(path: str) -> str:
    first = path.split("/", 2)[1] if path.count("/") > 1 else ""
    return f"/usr{path}" if first in {"bin", "sbin", "lib", "lib64"} else path


def _is_file(path: Path) -> bool:
    return path.is_symlink() or path.is_file()
