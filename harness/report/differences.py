"""What differs between two systems: their packages by name and version, their named fields.

Pure: names and values in, differences out. It says that a version differs, not which is newer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Change(NamedTuple):
    """A package that both sides have, in different versions: name, old EVR, new EVR.

    A package that is installed more than once, as kernels are, has its EVRs joined by a comma.
    """

    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageChanges:
    """Packages as NEVRA that one side alone has by name, and those that changed; all sorted."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


class FieldChange(NamedTuple):
    """A named value that differs, as one of os-release; None where a side lacks it."""

    name: str
    old: str | None
    new: str | None


class _Package(NamedTuple):
    name: str
    evr: str
    arch: str


def package_changes(old: Sequence[str], new: Sequence[str]) -> PackageChanges:
    """Return how the packages of `new` differ from those of `old`, both given as NEVRA.

    A text of another form counts as a name without a version. A package of which only the
    architectures differ is changed; its versions are then shown with them.
    """
    before, after = _by_name(old), _by_name(new)
    both = sorted(before.keys() & after.keys())
    return PackageChanges(
        added=_only_in(new, before),
        removed=_only_in(old, after),
        changed=tuple(
            _change(name, before[name], after[name]) for name in both if before[name] != after[name]
        ),
    )


def field_changes(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[FieldChange, ...]:
    """Return the fields that differ, by name."""
    return tuple(
        FieldChange(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def _split(nevra: str) -> _Package:
    """Take `name-[epoch:]version-release.arch` apart; none but the name may hold a dash."""
    rest, _, arch = nevra.rpartition(".")
    parts = rest.rsplit("-", 2)
    if len(parts) != 3:
        return _Package(nevra, "", "")
    name, version, release = parts
    return _Package(name, f"{version}-{release}", arch)


def _by_name(nevras: Iterable[str]) -> dict[str, frozenset[_Package]]:
    found: defaultdict[str, set[_Package]] = defaultdict(set)
    for package in map(_split, nevras):
        found[package.name].add(package)
    return {name: frozenset(packages) for name, packages in found.items()}


def _only_in(nevras: Sequence[str], other: Mapping[str, frozenset[_Package]]) -> tuple[str, ...]:
    return tuple(sorted({nevra for nevra in nevras if _split(nevra).name not in other}))


def _change(name: str, old: frozenset[_Package], new: frozenset[_Package]) -> Change:
    is_arch_alone = {package.evr for package in old} == {package.evr for package in new}
    return Change(name, _versions(old, is_arch_alone), _versions(new, is_arch_alone))


def _versions(packages: frozenset[_Package], with_arch: bool) -> str:
    return ", ".join(sorted({f"{p.evr}.{p.arch}" if with_arch else p.evr for p in packages}))
