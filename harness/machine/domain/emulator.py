"""Find the QEMU for an architecture."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import process
from harness.machine.domain.architecture import Architecture, architecture
from harness.model.errors import InputError

# RHEL and CentOS ship one emulator, for the host's own architecture, outside PATH.
_RHEL_EMULATOR = Path("/usr/libexec/qemu-kvm")
_PROGRAM_SUFFIX = {"ppc64le": "ppc64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """A QEMU program and the architecture of its guests."""

    path: Path
    arch: Architecture

    @property
    def is_native(self) -> bool:
        """Whether its guests have the host's architecture."""
        return self.arch.name == host_architecture()


def host_architecture() -> str:
    """Return the host's architecture as `uname -m` prints it."""
    return platform.machine()


def find_emulator(
    arch_name: str | None = None, *, native: Sequence[Path] = (_RHEL_EMULATOR,)
) -> Emulator:
    """Return the QEMU for `arch_name`, the host's architecture by default.

    `native` lists programs outside PATH that run guests of the host's architecture only.

    Raises:
        InputError: the architecture is unknown, or its QEMU is not installed.
    """
    arch = architecture(arch_name or host_architecture())
    program = f"qemu-system-{_PROGRAM_SUFFIX.get(arch.name, arch.name)}"
    try:
        return Emulator(path=process.find(program), arch=arch)
    except process.MissingProgramError as exc:
        if arch.name == host_architecture():
            for path in native:
                if os.access(path, os.X_OK):
                    return Emulator(path=path, arch=arch)
        raise InputError(
            program, "not installed",
            "Install the package that `node-image doctor` names.",
        ) from exc  # fmt: skip
