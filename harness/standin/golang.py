"""Compiles what Debian has only as source: parts of Kubernetes, and our `fixtures/standin/tools`.

Each program is cached by a key of its own source, so a change of one compiles only that one.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from harness import process
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError
from harness.process import CommandError, Completed
from harness.standin import openapi
from harness.standin.recipe import FOLDER, key_of
from harness.standin.rootfs import Debian

KUBERNETES = (
    "v1.20.2"  # What Debian's `kubernetes` source package really has (1.20.5+really1.20.2).
)
KUBERNETES_PROGRAMS = ("kubelet", "kube-apiserver")
TOOLS = (
    "ostree-container", "rpm-ostree", "crictl", "coreos-installer", "release-image",
    "machine-config-server",
)  # fmt: skip
_REPORT_EVERY_S = 1.0
_COMPILED_FROM = ("kubernetes-client ", "golang-1.19-go ")
_VERSION_PACKAGE = "k8s.io/kubernetes/vendor/k8s.io/component-base/version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """Go from Debian's packages, unpacked beside the build: the host needs no compiler."""

    root: Path
    gopath: Path
    report: Callable[[str], None] = field(repr=False, compare=False)
    _compiled: set[str] = field(init=False, repr=False, compare=False, default_factory=set)

    @property
    def kubernetes(self) -> Path:
        """The source tree of Kubernetes."""
        return self.gopath / "src/k8s.io/kubernetes"

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
        """Compile `package` to `output`, and report how many of its packages are compiled.

        Raises:
            CommandError: it does not compile.
            DeadlineError: it still compiles at the deadline.
        """
        flags = f"-s -w -X {_VERSION_PACKAGE}.gitVersion={KUBERNETES}"
        go, env = os.fspath(self.root / "bin/go"), self.environment
        listed = process.run([go, "list", "-deps", package], deadline, env=env, cwd=cwd)
        total = len(set(listed.stdout.split()) - self._compiled)
        argv = (go, "build", "-v", "-trimpath", "-ldflags", flags, "-o", os.fspath(output), package)
        log = self.gopath / "build.log"

        def report() -> None:
            done = log.read_bytes().count(b"\n")
            name = package.rpartition("/")[2]
            self.report(f"compiling {name}: {done} of {total} Go packages")

        with log.open("wb") as stderr:
            status = _run(argv, deadline, report, env=env, cwd=cwd, stderr=stderr)
        said = log.read_text(encoding="utf-8", errors="replace")
        if status != 0:
            raise CommandError(Completed(argv=argv, status=status, stdout="", stderr=said))
        self._compiled.update(said.split())


def _run(
    argv: Sequence[str],
    deadline: Deadline,
    report: Callable[[], None],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stderr: BinaryIO,
) -> int:
    """Run a program, call `report` each second meanwhile, and return its exit status."""
    with process.start(
        argv, env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=stderr.fileno()
    ) as child:
        while True:
            report()
            try:
                return child.wait(timeout=min(_REPORT_EVERY_S, deadline.remaining_s))
            except subprocess.TimeoutExpired as exc:
                if deadline.is_over:
                    goal = shlex.join(argv)
                    raise DeadlineError(goal, deadline.limit_s, "still running") from exc


def toolchain(
    debian: Debian, folder: Path, deadline: Deadline, report: Callable[[str], None]
) -> Toolchain:
    """Unpack Go and the Kubernetes source tree, vendored packages included, below `folder`.

    `report` gets what is done now, each second.
    """
    report("unpacking the sources of Go and Kubernetes")
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
    return Toolchain(root=root, gopath=gopath, report=report)


def paths(folder: Path, versions: Sequence[str]) -> Mapping[str, Path]:
    """Return the path in `folder` of each program by name, compiled or not.

    `versions` are those of `rootfs.resolve_versions`.
    """
    sources = [version for version in versions if version.startswith(_COMPILED_FROM)]
    keys = {name: key_of([KUBERNETES, *sources], ()) for name in KUBERNETES_PROGRAMS}
    keys |= {name: key_of([KUBERNETES, *sources, *_texts(name)], ()) for name in TOOLS}
    return {name: folder / f"{name}-{key}" for name, key in keys.items()}


def compile_missing(
    programs: Mapping[str, Path], go: Callable[[], Toolchain], deadline: Deadline
) -> None:
    """Compile the missing `programs`; `go` is called only if there are any.

    On 2 cores, the kubelet takes about 4 min and the API server half a minute more.
    """
    missing = {name: path for name, path in programs.items() if not path.exists()}
    if not missing:
        return
    for name, path in missing.items():
        for old in path.parent.glob(f"{name}-*"):
            old.unlink()
    toolchain = go()
    if "kube-apiserver" in missing:
        _generate_openapi(toolchain, deadline)
    for name, path in missing.items():
        package = f"cmd/{name}" if name in KUBERNETES_PROGRAMS else _place_tool(toolchain, name)
        partial = path.with_suffix(".partial")
        toolchain.build(f"k8s.io/kubernetes/{package}", partial, toolchain.kubernetes, deadline)
        partial.rename(path)


def _generate_openapi(go: Toolchain, deadline: Deadline) -> None:
    generator = go.gopath / "openapi-gen"
    go.build(openapi.GENERATOR, generator, go.kubernetes, deadline)
    argv = openapi.argv(generator, go.kubernetes, openapi.packages(go.kubernetes))
    go.report("generating the API server's OpenAPI definitions")
    process.run(argv, deadline, env=go.environment, cwd=go.kubernetes)


def _place_tool(go: Toolchain, name: str) -> str:
    """Copy a tool's source into the Kubernetes tree, whose vendored packages it may use."""
    target = go.kubernetes / "cmd" / f"stand-in-{name}"
    target.mkdir()
    for source in _sources(name):
        shutil.copy(source, target)
    return f"cmd/{target.name}"


def _sources(name: str) -> list[Path]:
    """Return the files of a tool: NAME.go, and NAME-PART.go unless that is a tool's own name."""
    others = {f"{tool}.go" for tool in TOOLS if tool != name}
    found = sorted((FOLDER / "tools").glob(f"{name}*.go"))
    return [path for path in found if path.name not in others]


def _texts(name: str) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in _sources(name)]


def _materialise_links(root: Path, share: Path) -> None:
    # Debian's GOROOT has absolute links into /usr/share, which the host lacks.
    for link in root.iterdir():
        if link.is_symlink():
            link.unlink()
            link.symlink_to(share / link.name)
