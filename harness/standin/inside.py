"""The build itself, a program that runs as root, if only of its own namespace.

`build.py` starts it in private mount and process namespaces, so mounts and children end with it,
and reads its progress from standard output: see `build.run_build`.
"""

from __future__ import annotations

import datetime
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from harness import process
from harness.cluster.payload import Payload
from harness.model.clock import SYSTEM_CLOCK, Deadline
from harness.standin import coreos, disk, golang, live, node_layer, oci, payload, recipe, rootfs
from harness.standin.build import PAYLOAD

T = TypeVar("T")
_DISK_MIB = 6144
_BRANCH = "stand-in/coreos"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Build:
    """One build: its recipe, its folder, and its deadline."""

    recipe: recipe.Recipe
    work: Path
    programs: node_layer.Programs
    version: str
    created: str
    deadline: Deadline

    def step(self, name: str, act: Callable[[], T]) -> T:
        """Run one step and print its name when it begins, and with its seconds when it ends."""
        start = SYSTEM_CLOCK.monotonic()
        _print(name)
        result = act()
        _print(f"{name}\t{SYSTEM_CLOCK.monotonic() - start:.1f}")
        return result


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(folder: Path, kept: Path, versions: Path, limit_s: float) -> None:
    """Build bootimage.qcow2, fat.qcow2, live/, base/, node/ and payload/ in `folder`.

    `versions` lists the packages, a line each. Debian's tree and compiled programs go to `kept`,
    for the next build.
    """
    now = datetime.datetime.now(tz=datetime.UTC)
    plan = recipe.load()
    listed = versions.read_text(encoding="utf-8").splitlines()
    build = _Build(
        recipe=plan,
        work=folder / "work",
        deadline=Deadline.after(limit_s),
        programs=golang.paths(kept, listed),
        version=f"{plan.base_version}.{now:%Y%m%d}-0",
        created=f"{now:%Y-%m-%dT%H:%M:%SZ}",
    )
    # ostree makes deployments immutable: this folder could not be removed.
    os.environ["OSTREE_SYSROOT_DEBUG"] = "mutable-deployments"
    build.work.mkdir()
    debian = build.step(
        "Debian packages", lambda: rootfs.get_or_bootstrap(plan, kept, listed, build.deadline)
    )
    build.step("programs from source", lambda: _compile(build, debian))
    base, node = build.work / "base", build.work / "node"
    build.step("CoreOS layer", lambda: _coreos(build, debian, base))
    build.step("node layer", lambda: _node(build, debian, base, node))
    layer = build.step("base and node images", lambda: _images(build, folder, base, node))
    build.step(
        "bootimage", lambda: _bootimage(build, debian, base, layer, folder / "bootimage.qcow2")
    )
    build.step("live media", lambda: _live(build, debian, base, layer, folder / "live"))
    build.step("fat bootimage", lambda: _bootimage(build, debian, node, None, folder / "fat.qcow2"))
    build.step("release payload", lambda: _payload(build, debian, folder / PAYLOAD))
    (folder / "version").write_text(build.version)
    shutil.rmtree(build.work)


def _compile(build: _Build, debian: rootfs.Debian) -> None:
    folder = build.work / "golang"
    folder.mkdir()
    go = partial(golang.toolchain, debian, folder, build.deadline, _print)
    golang.compile_missing(build.programs, go, build.deadline)
    shutil.rmtree(folder)


def _coreos(build: _Build, debian: rootfs.Debian, base: Path) -> None:
    process.run(["cp", "--archive", debian.tree, base], build.deadline)
    coreos.customise(base, build.recipe, build.programs, build.version)
    coreos.prune(base, build.recipe.prune)
    coreos.enter_packages(base, build.work / "rpm", build.deadline)
    coreos.make_initramfs(base, build.deadline)


def _node(build: _Build, debian: rootfs.Debian, base: Path, node: Path) -> None:
    node_layer.copy_of(base, node, build.deadline)
    node_layer.install(
        node, build.recipe, debian, build.programs, build.work / "layer", build.deadline
    )
    coreos.shape(base)
    coreos.shape(node)


def _images(build: _Build, folder: Path, base: Path, node: Path) -> oci.PackedLayer:
    lower = oci.pack(base, oci.everything(base), build.work / "base.tar.gz")
    upper = oci.pack(node, oci.changed(node, base), build.work / "node.tar.gz")
    labels = {
        "org.opencontainers.image.version": build.version,
        "containers.bootc": "1",
        "ostree.bootable": "true",
        "io.node-image.stand-in": "true",
        "ostree.linux": "stand-in",
    }
    oci.write_layout(folder / "base", [lower], _boots(labels), build.created)
    node_labels = {
        "io.openshift.metalayer": "true",
        "io.openshift.build.versions": f"machine-os={build.version}",
        "io.openshift.build.version-display-names": "machine-os=CoreOS stand-in",
    }
    config = _boots(labels | node_labels)
    oci.write_layout(folder / "node", [lower, upper], config, build.created)
    return lower


def _boots(labels: Mapping[str, str]) -> dict[str, object]:
    return {"Labels": dict(labels), "Cmd": ["/sbin/init"]}


def _payload(build: _Build, debian: rootfs.Debian, folder: Path) -> None:
    made = Payload(folder=folder)
    payload.collect_programs(made, debian, build.programs, build.deadline)
    payload.write_images(made, build.work / "payload", build.created)


def _bootimage(
    build: _Build,
    debian: rootfs.Debian,
    tree: Path,
    base_layer: oci.PackedLayer | None,
    image: Path,
) -> None:
    work = build.work / image.stem
    sysroot = _sysroot(build, tree, base_layer, work, build.recipe.kernel_arguments)
    disk.write_aleph(sysroot, image.name, build.version)
    disk.write_disk(sysroot, debian, _DISK_MIB, work / "disk.raw", build.deadline)
    disk.to_qcow2(work / "disk.raw", image, build.deadline)
    shutil.rmtree(work)


def _live(
    build: _Build, debian: rootfs.Debian, tree: Path, base_layer: oci.PackedLayer, folder: Path
) -> None:
    work = build.work / folder.stem
    arguments = build.recipe.kernel_arguments
    sysroot = _sysroot(build, tree, base_layer, work, live.metal_arguments(arguments))
    disk.write_aleph(sysroot, live.METAL, build.version)
    (modules,) = (tree / "usr/lib/modules").iterdir()
    source = live.MediaSource(
        sysroot=sysroot, kernel=modules / "vmlinuz", initramfs=modules / "initramfs.img",
        version=build.version, kernel_arguments=arguments,
    )  # fmt: skip
    live.make(source, debian, folder, work, build.deadline)
    shutil.rmtree(work)


def _sysroot(
    build: _Build,
    tree: Path,
    base_layer: oci.PackedLayer | None,
    work: Path,
    arguments: Sequence[str],
) -> disk.Sysroot:
    work.mkdir()
    sysroot = disk.make_sysroot(work / "sysroot", build.deadline)
    disk.commit(sysroot, tree, _BRANCH, build.version, build.deadline)
    if base_layer is not None:
        disk.name_layer(sysroot, _BRANCH, base_layer.descriptor["digest"], build.deadline)
    disk.deploy(sysroot, _BRANCH, arguments, build.deadline)
    return sysroot


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))
