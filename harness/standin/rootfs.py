"""Debian's part: one mmdebstrap run makes the root tree and fetches packages for other steps."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import process
from harness.model.clock import Deadline
from harness.standin.recipe import Recipe, key_of

# Where mmdebstrap's hooks put what is fetched but not installed.
_FETCHED = "/materials"


@dataclass(frozen=True, slots=True, kw_only=True)
class Debian:
    """The root tree, and the folder of fetched .deb and source files."""

    tree: Path
    materials: Path

    def unpack(self, package: str, into: Path, deadline: Deadline) -> Path:
        """Extract the fetched `package` into the folder `into` and return that folder."""
        (deb,) = self.materials.glob(f"{package}_*.deb")
        process.run(["dpkg-deb", "-x", deb, into], deadline)
        return into

    def version_of(self, package: str) -> str:
        """Return the Debian version of the fetched `package`, such as `1.6.20~ds1-1+deb12u1`."""
        (deb,) = self.materials.glob(f"{package}_*.deb")
        return deb.name.split("_")[1].replace("%3a", ":")


def resolve_versions(recipe: Recipe, deadline: Deadline) -> tuple[str, ...]:
    """Return `name (version …` of every package that a build would use today, materials included.

    The source package has the version of its binary package among them.

    Raises:
        CommandError: the package index cannot be reached.
    """
    done = process.run(
        [
            "mmdebstrap",
            "--simulate",
            "--verbose",
            *_choice(recipe),
            f"--include={','.join(recipe.materials)}",
            recipe.suite,
            "/dev/null",
        ],
        deadline,
    )
    lines = (done.stdout + done.stderr).splitlines()
    return tuple(line.removeprefix("Inst ") for line in lines if line.startswith("Inst "))


def get_or_bootstrap(
    recipe: Recipe, kept: Path, versions: Sequence[str], deadline: Deadline
) -> Debian:
    """Return Debian's tree and materials from `kept`; make them there if `versions` are new.

    Do not write to the tree. Older ones are removed.
    """
    asked = (*_choice(recipe), *recipe.path_exclude, *recipe.materials, *recipe.sources)
    folder = kept / f"debian-{key_of([*versions, *asked], ())}"
    if not folder.exists():
        for old in kept.glob("debian-*"):
            shutil.rmtree(old)
        bootstrap(recipe, folder.with_suffix(".partial"), deadline)
        folder.with_suffix(".partial").rename(folder)
    return Debian(tree=folder / "tree", materials=folder / "materials")


def bootstrap(recipe: Recipe, folder: Path, deadline: Deadline) -> Debian:
    """Make the root tree in `folder/tree` and fetch the materials into `folder/materials`."""
    debian = Debian(tree=folder / "tree", materials=folder / "materials")
    debian.materials.mkdir(parents=True)
    fetch = (
        f"mkdir {_FETCHED}; cd {_FETCHED}; chown _apt . 2>/dev/null || true;"
        f"apt-get download {shlex.join(recipe.materials)};"
        "cd /etc/apt; sed -n 's/^deb /deb-src /p' sources.list > sources.list.d/source.list;"
        f"apt-get update; cd {_FETCHED};"
        f"apt-get source --download-only {shlex.join(recipe.sources)}"
    )
    process.run(
        [
            "mmdebstrap",
            "--mode=root",
            "--format=directory",
            *_choice(recipe),
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in recipe.path_exclude),
            f'--customize-hook=chroot "$1" sh -ec {shlex.quote(fetch)}',
            f"--customize-hook=sync-out {_FETCHED} {debian.materials}",
            f'--customize-hook=rm -r "$1"{_FETCHED}',
            recipe.suite,
            debian.tree,
        ],
        deadline,
    )
    return debian


def _choice(recipe: Recipe) -> tuple[str, ...]:
    return (
        "--variant=minbase",
        f"--include={','.join(recipe.coreos_packages)}",
        '--aptopt=APT::Install-Recommends "false"',
    )
