"""What the stand-in images consist of: versions, packages, labels, and the files of each layer.

Sources: openshift/os 17084e8 Containerfile, build-node-image.sh and packages-openshift.yaml;
coreos/rhel-coreos-config common.yaml; rpm-ostree's layout of containers for the hard links.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from harness.model.packages.nevra import Nevra
from standin_images import rpmdb
from standin_images.layers import (
    CAPABILITY,
    NET_ADMIN,
    Entry,
    file,
    folder,
    hard_link,
    symlink,
    whiteout,
)

STAND_IN = {"io.node-image.small-stand-in": "true"}
OBJECTS = "sysroot/ostree/repo/objects"
META, LABELS = "usr/share/openshift/base/meta.json", "usr/share/buildinfo/labels.json"
EXTENSIONS, DRIVER_TOOLKIT = (
    "usr/share/rpm-ostree/extensions.json",
    "etc/driver-toolkit-release.json",
)
_COREOS = (
    "NetworkManager", "afterburn", "bash", "bootc", "coreos-installer", "glibc", "ignition",
    "openssh-server", "ostree", "rpm-ostree", "rsync", "skopeo", "systemd",
)  # fmt: skip
_NODE = (
    "NetworkManager-ovs", "conmon-rs", "cri-o", "cri-tools", "openshift-clients",
    "openshift-kubelet", "openvswitch3.5", "ose-aws-ecr-image-credential-provider",
    "ose-azure-acr-image-credential-provider", "ose-crio-credential-provider",
    "ose-gcp-gcr-image-credential-provider",
)  # fmt: skip
_FOLDERS = ("etc", "usr", "usr/bin", "usr/lib", "usr/lib/tmpfiles.d", "usr/share", "usr/share/rpm",
            "var", "var/cache", "var/lib")  # fmt: skip
BOOLEANS = "etc/selinux/targeted/active/booleans.local"


HERE = platform.machine()


def nevra(
    name: str, version: str = "1.0", release: str = "1.el9", epoch: int = 0, arch: str = HERE
) -> Nevra:
    return Nevra(name=name, epoch=epoch, version=version, release=release, arch=arch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One stream of one release, for one architecture as in `uname -m`.

    `files_each` is how many files each package lists, `chunks` how many layers the base has.
    """

    ocp: str = "4.21"
    base_version: str = "9.6.20260327-0"
    stream: str = "rhel-9"
    codename: str = "Plow"
    kernel: tuple[str, str] = ("5.14.0", "570.99.1.el9_6")
    base_packages: frozenset[Nevra] = frozenset()
    node_packages: frozenset[Nevra] = frozenset()
    files_each: int = 0
    chunks: int = 40
    arch: str = HERE

    @classmethod
    def usual(cls, arch: str = HERE) -> Recipe:
        """The recipe with the packages of the OpenShift 4.21 on RHEL 9.6."""
        made = cls(arch=arch)
        kernels = {nevra(name, *made.kernel, arch=arch) for name in ("kernel", "kernel-core")}
        base = frozenset(kernels | {nevra(name, arch=arch) for name in _COREOS})
        node = frozenset(nevra(name, arch=arch) for name in _NODE)
        return replace(made, base_packages=base, node_packages=base | node)

    @property
    def kernel_release(self) -> str:
        """What `uname -r` prints."""
        return f"{'-'.join(self.kernel)}.{self.arch}"

    @property
    def rhel(self) -> str:
        return ".".join(self.base_version.split(".")[:2])

    @property
    def base_labels(self) -> dict[str, str]:
        return {
            **STAND_IN, "containers.bootc": "1",
            "org.opencontainers.image.version": self.base_version,
            "io.openshift.build.versions": f"machine-os={self.base_version}",
            "io.openshift.build.version-display-names":
                f"machine-os=Red Hat Enterprise Linux CoreOS {self.rhel}",
        }  # fmt: skip

    @property
    def node_labels(self) -> dict[str, str]:
        return {
            **self.base_labels, "name": "openshift/ose-rhel-coreos-rhel9-stand-in",
            "cpe": f"cpe:/a:redhat:openshift:{self.ocp}::el{self.rhel.split('.')[0]}",
            "architecture": self.arch, "io.openshift.metalayer": "true",
            "io.openshift.os.streamclass": self.stream,
        }  # fmt: skip

    def os_release(self, *more: str) -> str:
        """The text of /usr/lib/os-release, with `more` lines at its end."""
        version = f"{self.base_version} ({self.codename})"
        name = "Red Hat Enterprise Linux CoreOS"
        lines = (
            f'NAME="{name}"', 'ID="rhel"', f'VERSION="{version}"', f'VERSION_ID="{self.rhel}"',
            f'PRETTY_NAME="{name} {version}"', f'OSTREE_VERSION="{self.base_version}"',
            'VARIANT="CoreOS"', 'VARIANT_ID="coreos"', 'STAND_IN="written by a test, not RHEL"',
        )  # fmt: skip
        return "\n".join((*lines, *more)) + "\n"


def base_layers(recipe: Recipe, *, keeps_objects: bool = True) -> list[list[Entry]]:
    """Return the layers of a CoreOS base: its chunks, then the clean-up of its Containerfile.

    Each file of a chunk is a hard link to its object below /sysroot, unless chunkah took those out.
    """
    contents, chunks = _base_files(recipe), recipe.chunks
    contents += [
        file(f"usr/share/chunk-{number}/{name}", f"{name} {number}\n")
        for number in range(chunks - 1)
        for name in ("data", "text")
    ]
    sliced = [contents[number::chunks] for number in range(chunks)]
    layers = [list(chunk(files, keeps_objects=keeps_objects)) for files in sliced]
    layers[0] = [*map(folder, _FOLDERS), symlink("bin", "usr/bin"), *layers[0]]
    return [*layers, [whiteout("var/cache/ldconfig")]]


def _base_files(recipe: Recipe) -> list[Entry]:
    return [
        file(rpmdb.PLACE, rpmdb.database(recipe.base_packages, "", recipe.files_each)),
        file("usr/lib/os-release", recipe.os_release()),
        file("etc/motd", "CoreOS stand-in\n"), file("etc/passwd", "root:x:0:0\n"),
        file("etc/passwd-", "root:x:0:0\n"), file("etc/group-", "root:x:0:\n"),
        file("usr/bin/bash", "bash\n", 0o755),
        replace(file("usr/bin/newuidmap", "map\n", 0o755), xattrs={CAPABILITY: NET_ADMIN}),
        replace(file("usr/bin/sudo", "sudo\n", 0o4111), gid=10),
        file("var/lib/left", "left\n"), file("var/cache/ldconfig", "cache\n"),
    ]  # fmt: skip


def chunk(files: Iterable[Entry], *, keeps_objects: bool = True) -> Iterator[Entry]:
    """Yield the files of a chunk of an ostree commit: each as an object, and linked to it."""
    for entry in files:
        parent = entry.path.rpartition("/")[0]
        if parent not in _FOLDERS:
            yield folder(parent)
        if not keeps_objects:
            yield entry
            continue
        name = hashlib.sha256(f"{entry.path}{entry.mode}".encode()).hexdigest()
        kept = replace(entry, path=f"{OBJECTS}/{name[:2]}/{name[2:]}.file")
        yield from (folder(kept.path.rpartition("/")[0]), kept, hard_link(entry.path, kept))


def node_layer(recipe: Recipe) -> list[Entry]:
    """Return the layer that build-node-image.sh makes: one RUN over the base."""
    programs = [file(f"usr/bin/{name}", f"{name}\n", 0o755) for name in ("oc", "kubelet", "crio")]
    return [
        folder("usr/lib/python3"), folder("usr/lib/python3/__pycache__"), folder("etc/selinux"),
        folder("etc/selinux/targeted"), folder("etc/selinux/targeted/active"), *programs,
        file(rpmdb.PLACE, rpmdb.database(recipe.node_packages, "node", recipe.files_each)),
        file("usr/lib/os-release", recipe.os_release(f'OPENSHIFT_VERSION="{recipe.ocp}"')),
        file("etc/motd", f"CoreOS stand-in, OpenShift {recipe.ocp}\n"),
        file("usr/lib/tmpfiles.d/openshift.conf", "d /var/lib/kubelet\n"),
        file(BOOLEANS, "container_use_cephfs=1\n"),
        file("usr/lib/python3/__pycache__/layer.cpython-39.pyc", "compiled\n"),
        whiteout("etc/passwd-"), whiteout("etc/group-"), whiteout("var/cache"),
        whiteout("var/lib"),
    ]  # fmt: skip


def labels_layer(recipe: Recipe) -> list[Entry]:
    """Return the layer with the image's labels, since openshift/os#1919."""
    text = json.dumps(recipe.node_labels, sort_keys=True)
    return [folder("usr/share/buildinfo"), file(LABELS, text)]


def meta_layer(recipe: Recipe, packages: frozenset[Nevra] | None = None) -> list[Entry]:
    """Return the layer with the list of packages; a stale one lists others than the image has."""
    listed = recipe.node_packages if packages is None else packages
    rows = [[p.name, str(p.epoch), p.version, p.release, p.arch] for p in sorted(listed, key=str)]
    text = json.dumps({"rpmdb.pkglist": rows})
    return [folder("usr/share/openshift"), folder("usr/share/openshift/base"), file(META, text)]


def extensions_layers(recipe: Recipe) -> list[list[Entry]]:
    """Return the layers of an extensions image; its list of packages is the last."""
    kernel = "-".join(recipe.kernel)
    names = ("kernel-devel", "kernel-headers", "kernel-rt-core", "kernel-rt-devel")
    listed = dict.fromkeys(names, f"{kernel}.{recipe.arch}")
    listed["usbguard"] = f"0:1.0-1.el9.{recipe.arch}"
    text = json.dumps(listed, sort_keys=True)
    return [
        [folder("usr"), folder("usr/share"), file("usr/share/repo", "packages\n")],
        [folder("usr/share/rpm-ostree"), file(EXTENSIONS, text)],
    ]


def driver_toolkit_layers(recipe: Recipe) -> list[list[Entry]]:
    """Return the layers of a driver toolkit; its JSON is the last."""
    release = recipe.kernel_release
    fields = {"KERNEL_VERSION": release, "RT_KERNEL_VERSION": f"{release}+rt",
              "RHEL_VERSION": recipe.rhel}  # fmt: skip
    return [
        [folder("usr"), folder("usr/src"), file("usr/src/header.h", "/* */\n")],
        [folder("etc"), file(DRIVER_TOOLKIT, json.dumps(fields))],
    ]
