"""Checks packages of node image, base, extensions image and driver toolkit. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from harness.contract.inspection import Inspection
from harness.contract.package_diff import Change, PackageChange, compare, evr
from harness.verdict.contract.image_set import ImageSet, Role
from harness.verdict.contract.versions import family, version_of
from harness.verdict.contract_rows import KnownDelta
from harness.verdict.phrases import listing, said

_OVS, _NETWORK_MANAGER = "NetworkManager-ovs", "NetworkManager"
# The kernel itself and what is built with it, of each of its variants, by the names of RHEL.
_KERNEL_PACKAGES = frozenset(
    f"kernel{variant}{part}"
    for variant in ("", "-rt", "-64k", "-rt-64k")
    for part in ("", "-core", "-devel", "-headers", "-modules", "-modules-core", "-modules-extra")
)
_NO_KERNEL = "the node image has no kernel package"


def base_is_kept(images: ImageSet, base: Inspection) -> str | None:
    """Check that each package of the base is in the node image, or a known delta."""
    without = [image.subject for image in (base, images.node) if image.packages is None]
    if without:
        return f"no packages are known of {' and '.join(without)}"
    return listing(_unexpected(images, base))


def unused(images: ImageSet) -> tuple[KnownDelta, ...]:
    """Return the known deltas that name no package that changed; empty without a base image."""
    base = images.get(Role.BASE)
    if base is None or base.packages is None:
        return ()
    changed = {change.name for change in _changes(images, base)}
    return tuple(
        delta for delta in images.known_deltas if not any(delta.covers(name) for name in changed)
    )


def ovs_plugin_fits(images: ImageSet) -> str | None:
    """Check that the plugin of NetworkManager is there, in the version of NetworkManager."""
    plugin, main = (_evrs(images.node, name) for name in (_OVS, _NETWORK_MANAGER))
    if plugin and plugin == main:
        return None
    named = ((_OVS, plugin), (_NETWORK_MANAGER, main))
    return ", ".join(f"{name} {' '.join(sorted(found)) or 'absent'}" for name, found in named)


def extensions_have_kernel(images: ImageSet, extensions: Inspection) -> str | None:
    """Check that all packages of a kernel in the extensions image are of the node's kernel."""
    if images.node.kernel is None:
        return _NO_KERNEL
    kernels = {
        name: version.rpartition(":")[2]
        for name, version in (extensions.extensions or {}).items()
        if name in _KERNEL_PACKAGES
    }
    if not kernels:
        return f"no package of a kernel in extensions.json of {extensions.subject}"
    others = {f"{n} {found}" for n, found in kernels.items() if found != images.node.kernel}
    return listing((f"kernel {images.node.kernel} in the node image", *sorted(others))
                   if others else ())  # fmt: skip


def driver_toolkit_has_kernel(images: ImageSet, toolkit: Inspection) -> str | None:
    """Check the kernel, and the RHEL, that the driver toolkit's JSON names."""
    if images.node.kernel is None:
        return _NO_KERNEL
    named, version = toolkit.driver_toolkit or {}, version_of(images.node)
    expected = {"KERNEL_VERSION": images.node.kernel}
    if version is not None and version.rhel is not None and family(images.node) == "rhel":
        expected["RHEL_VERSION"] = version.rhel
    return listing(
        f"{key}: {said(named.get(key))} in the driver toolkit, {value!r} in the node image"
        for key, value in expected.items()
        if named.get(key) != value
    )


def _unexpected(images: ImageSet, base: Inspection) -> Iterator[str]:
    for change in _changes(images, base):
        known = [delta for delta in images.known_deltas if delta.covers(change.name)]
        if any(images.today <= delta.expires for delta in known):
            continue
        was, now = " ".join(change.old), " ".join(change.new)
        text = f"{change.name}.{change.arch} {change.change}: {was} to {now or 'nothing'}"
        yield text + "".join(map(_expiry, known))


def _changes(images: ImageSet, base: Inspection) -> Iterator[PackageChange]:
    """Yield what became of the base's packages; others may come beside them."""
    changes = compare(base.packages or (), images.node.packages or ())
    return (change for change in changes if change.change is not Change.ADDED)


def _expiry(delta: KnownDelta) -> str:
    return f" (known delta {delta.name} expired on {delta.expires})"


def _evrs(image: Inspection, name: str) -> set[str]:
    found = (package for package in image.packages or () if package.name == name)
    return {evr(package) for package in found}
