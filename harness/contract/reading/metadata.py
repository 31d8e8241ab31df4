"""The small files in which images describe themselves, and their JSON. Pure.

Sources: openshift/os Containerfile (meta.json, labels.json) and extensions/Dockerfile;
openshift/driver-toolkit Dockerfile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.model.foreign import json_value
from harness.model.packages.nevra import EPOCH, Nevra
from harness.model.packages.rpm_order import newest

PACKAGE_LIST = "/usr/share/openshift/base/meta.json"
EXTENSIONS = "/usr/share/rpm-ostree/extensions.json"
DRIVER_TOOLKIT = "/etc/driver-toolkit-release.json"
HAS_PACKAGE_LIST = "io.openshift.metalayer"
HAS_EXTENSIONS = "io.openshift.os.extensions"
_KEYS = "gpg-pubkey"
_KERNELS = ("kernel-core", "kernel", "kernel-64k-core", "kernel-rt-core")


def expected(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Return the files that an image with `labels` may have, one if the labels promise it."""
    if labels.get(HAS_EXTENSIONS) == "true":
        return (EXTENSIONS,)
    if labels.get(HAS_PACKAGE_LIST) == "true":
        return (PACKAGE_LIST,)
    return (PACKAGE_LIST, EXTENSIONS, DRIVER_TOOLKIT)


def is_promised(labels: Mapping[str, str]) -> bool:
    """Return whether the labels promise a file."""
    return len(expected(labels)) == 1


def package_list(text: bytes) -> frozenset[Nevra]:
    """Return the packages of a meta.json, without keys.

    Raises:
        ValueError: it has no list of packages, or a malformed one.
    """
    match json_value(text):
        case {"rpmdb.pkglist": [*rows]}:
            return without_keys(map(_package, rows))
    raise ValueError("no list rpmdb.pkglist")


def texts(text: bytes) -> dict[str, str]:
    """Return a JSON object whose values are text, as extensions.json.

    Raises:
        ValueError: it is something else.
    """
    found = json_value(text)
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise ValueError("not an object of texts")
    return found


def without_keys(packages: Iterable[Nevra]) -> frozenset[Nevra]:
    """Return packages without the keys that sign them, which are no packages."""
    return frozenset(one for one in packages if one.name != _KEYS)


def kernel_of(packages: Iterable[Nevra]) -> str | None:
    """Return version, release and architecture of the newest kernel, as `uname -r` prints them."""
    by_name: dict[str, list[Nevra]] = {}
    for one in packages:
        by_name.setdefault(one.name, []).append(one)
    found = next((by_name[name] for name in _KERNELS if name in by_name), None)
    if found is None:
        return None
    kernel = newest(found)
    return f"{kernel.version}-{kernel.release}.{kernel.arch}"


def _package(row: object) -> Nevra:
    match row:
        case [str(name), str() | int() | None as epoch, str(version), str(release), str(arch)]:
            known = str(epoch) if epoch not in (None, "", "(none)") else "0"
            if name and EPOCH.fullmatch(known):
                return Nevra(
                    name=name, epoch=int(known), version=version, release=release, arch=arch
                )
    raise ValueError(f"the malformed package {str(row)[:80]}")
