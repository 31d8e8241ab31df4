"""Compiles what Debian has only as source: the kubelet, and our `fixtures/standin/tools`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import process
from harness.model.clock import Deadline
from harness.standin.recipe import FOLDER
from harness.standin.rootfs import Debian

KUBERNETES = (
    "v1.20.2"  # What Debian's `kubernetes` source package really holds (1.20.5+really1.20.2).
)
TOOLS = ("ostree-container", "rpm-ostree", "crictl")
_VERSION_PACKAGE = "k8s.io/kubernetes/vendor/k8s.io/component-base/version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """Go from Debian's packages, unpacked beside the build: no compiler is asked of the host."""

    root: Path
    gopath: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables for a static, reproducible build below `gopath`."""
        return {
            "GOROOT": os.fspath(self.root),
            "GOPATH": os.fspath(self.gopath),
            "GO111MODULE": "off",
            "GOCACHE": os.fspath(self.gopath / "cache"),
            "CGO_ENABLED": "0",
            "GOFLAGS": "",
        }

    def build(self, package: str, output: Path, cwd: Path, deadline: Deadline) -> None:
        """Compile `package` to `output`."""
        flags = f"-s -w -X {_VERSION_PACKAGE}.gitVersion={KUBERNETES}"
        process.run(
            [self.root / "bin/go", "build", "-trimpath", "-ldflags", flags, "-o", output, package],
            deadline,
            env=self.environment,
            cwd=cwd,
        )


def toolchain(debian: Debian, folder: Path, deadline: Deadline) -> Toolchain:
    """Unpack Go and the Kubernetes source tree, vendored packages included, below `folder`."""
    for package in ("golang-1.19-go", "golang-1.19-src"):
        debian.unpack(package, folder / "go", deadline)
    root = folder / "go/usr/lib/go-1.19"
    _materialise_links(root, folder / "go/usr/share/go-1.19")
    gopath = folder / "gopath"
    (gopath / "src/k8s.io").mkdir(parents=True)
    (source,) = debian.materials.glob("kubernetes_*.dsc")
    process.run(
        ["dpkg-source", "--no-check", "-x", source, gopath / "src/k8s.io/kubernetes"], deadline
    )
    return Toolchain(root=root, gopath=gopath)


def compile_kubelet(go: Toolchain, output: Path, deadline: Deadline) -> None:
    """Compile the kubelet; about 4 min on 2 cores."""
    tree = go.gopath / "src/k8s.io/kubernetes"
    go.build("k8s.io/kubernetes/cmd/kubelet", output, tree, deadline)


def compile_tools(go: Toolchain, output: Path, deadline: Deadline) -> None:
    """Compile `TOOLS` to programs in the folder `output`.

    They are placed inside the Kubernetes tree, whose vendored CRI client one of them uses.
    """
    inside = go.gopath / "src/k8s.io/kubernetes/cmd"
    for name in TOOLS:
        target = inside / f"stand-in-{name}"
        target.mkdir()
        for source in (FOLDER / "tools").glob(f"{name}*.go"):
            shutil.copy(source, target)
        go.build(f"k8s.io/kubernetes/cmd/{target.name}", output / name, inside.parent, deadline)


def _materialise_links(root: Path, share: Path) -> None:
    # Debian's GOROOT is made of absolute links into /usr/share, which the host does not have.
    for link in root.iterdir():
        if link.is_symlink():
            link.unlink()
            link.symlink_to(share / link.name)
