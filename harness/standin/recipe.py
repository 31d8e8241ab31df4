"""The recipe of the stand-in images, and their cache key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from harness import tables
from harness.folders import fixture

FOLDER = fixture("standin")


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The recipe; `fixtures/standin/recipe.toml` explains the fields."""

    suite: str
    base_version: str
    openshift_version: str
    coreos_packages: tuple[str, ...]
    materials: tuple[str, ...]
    sources: tuple[str, ...]
    path_exclude: tuple[str, ...]
    prune: tuple[str, ...]
    kernel_arguments: tuple[str, ...]


def load(folder: Path = FOLDER) -> Recipe:
    """Return the recipe in `folder`.

    Raises:
        InputError: something in it is unknown, missing or malformed.
    """
    path = folder / "recipe.toml"
    return tables.document(path.read_text(encoding="utf-8"), f"{path}", Recipe)


def key_of(versions: Iterable[str], places: Iterable[Path]) -> str:
    """Return the cache key of package versions and every file in `places`, files or folders."""
    digest = hashlib.sha256("\n".join(sorted(versions)).encode())
    for place in places:
        folder = place.parent if place.is_file() else place
        found = [place] if place.is_file() else place.rglob("*")
        files = (p for p in found if p.is_file() and p.parent.name != "__pycache__")
        for path in sorted(files):
            digest.update(f"\0{path.relative_to(folder)}\0{path.stat().st_mode & 0o111}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
