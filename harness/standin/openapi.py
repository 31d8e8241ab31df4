"""The one part of Kubernetes' source that is generated: its OpenAPI definitions.

The source package lacks them, and without them the API server does not compile.

Source: kubernetes 1.20, build/root/Makefile.generated_files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

GENERATOR = "k8s.io/kubernetes/vendor/k8s.io/kube-openapi/cmd/openapi-gen"
"""The package of the generator, vendored in the same tree."""

_MODULE = "k8s.io/kubernetes"
_TAG = b"+k8s:openapi-gen="
_SOURCES = ("pkg", "cmd", "plugin", "staging/src")
_STAGING = "staging/src/"
# Examples, the generator itself, and components whose definitions the API server does not need.
# The last four do not generate with the rest.
_LEFT_OUT = (
    "/code-generator/", "/sample-apiserver/", "/kube-scheduler/", "/kube-proxy/",
    "/kubelet/config", "controller-manager/config",
)  # fmt: skip


def packages(tree: Path) -> tuple[str, ...]:
    """Return the packages of the Kubernetes source `tree` that request definitions, sorted."""
    files = (path for top in _SOURCES for path in (tree / top).rglob("*.go"))
    tagged = {
        path.parent.relative_to(tree).as_posix()
        for path in files
        if not path.name.startswith("zz_generated") and _TAG in path.read_bytes()
    }
    return tuple(
        sorted(
            package_of(folder)
            for folder in tagged
            if not any(word in f"/{folder}/" for word in _LEFT_OUT)
        )
    )


def package_of(folder: str) -> str:
    """Return Go's name of a folder of the tree; staged packages count as vendored."""
    if folder.startswith(_STAGING):
        return f"{_MODULE}/vendor/{folder.removeprefix(_STAGING)}"
    return f"{_MODULE}/{folder}"


def argv(generator: Path, tree: Path, inputs: Sequence[str]) -> list[str | Path]:
    """Return the command that writes the definitions of `inputs` into the `tree`."""
    return [
        generator, "--input-dirs", ",".join(inputs), "--output-file-base", "zz_generated.openapi",
        "--output-package", f"{_MODULE}/pkg/generated/openapi", "--report-filename", "/dev/null",
        "--output-base", tree.parents[1],
        "--go-header-file", tree / "vendor/k8s.io/code-generator/hack/boilerplate.go.txt",
    ]  # fmt: skip
