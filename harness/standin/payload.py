"""The release's own images: etcd from Debian's package, the API server compiled from source.

Each image has only the files that its program needs. The file trees are kept beside the images,
because the host runs the same programs for nodes that join a cluster.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from harness.cluster.payload import Payload
from harness.model.clock import Deadline
from harness.standin import oci
from harness.standin.rootfs import Debian

# The libraries that `ldd` lists for Debian's etcd: the path, and the file in Debian's tree. The
# tree's own links are absolute, so following them would lead to files of the host.
_LIBRARIES = {
    "lib64/ld-linux-x86-64.so.2": "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
    "lib/x86_64-linux-gnu/libc.so.6": "usr/lib/x86_64-linux-gnu/libc.so.6",
}


def collect_programs(
    payload: Payload, debian: Debian, programs: Mapping[str, Path], deadline: Deadline
) -> None:
    """Fill the payload's trees with programs and their libraries."""
    payload.folder.mkdir()
    raw = debian.unpack("etcd-server", payload.folder / "raw", deadline)
    _place(raw / "usr/bin/etcd", payload.etcd_tree / "usr/bin/etcd")
    shutil.rmtree(raw)
    for name, source in _LIBRARIES.items():
        _place(debian.tree / source, payload.etcd_tree / name)
    _place(programs["kube-apiserver"], payload.hyperkube_tree / "usr/bin/kube-apiserver")
    server = programs["machine-config-server"]
    _place(server, payload.machine_config_tree / "usr/bin/machine-config-server")
    _place(programs["release-image"], payload.release_program)


def write_images(payload: Payload, work: Path, created: str) -> None:
    """Write the payload's OCI layouts; `work` is a new folder on the same file system."""
    work.mkdir()
    trees = (
        ("etcd", payload.etcd_tree),
        ("hyperkube", payload.hyperkube_tree),
        ("machine-config", payload.machine_config_tree),
    )
    for name, tree in trees:
        layer = oci.pack(tree, oci.everything(tree), work / f"{name}.tar.zst", oci.ZSTD)
        config = {
            "Env": ["PATH=/usr/bin"],
            "Labels": {"io.node-image.stand-in": "true", "io.openshift.build.name": name},
        }
        oci.write_layout(payload.layout(name), [layer], config, created)


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
    target.chmod(0o755)
