"""The live media of a CoreOS version: one ISO, and the same in parts for the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.model.errors import InputError


class Part(StrEnum):
    """One file of the live media, as it is published."""

    ISO = "iso"
    KERNEL = "kernel"
    INITRAMFS = "initramfs"
    ROOTFS = "rootfs"
    METAL = "metal"
    """The disk image that the others install, raw, plain or compressed."""

    @property
    def option(self) -> str:
        """The option by which it is named."""
        return f"--live-{self}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMedia:
    """Where the live media lie, as far as they were named.

    Nobody writes to them: an ISO with a config is a copy (`live_iso.with_ignition`). Each of the
    parts is asked for only by what boots it.
    """

    paths: Mapping[Part, Path]

    @property
    def iso(self) -> Path:
        """The live ISO; raises `InputError` without one, as the others do."""
        return self._path(Part.ISO)

    @property
    def kernel(self) -> Path:
        """The kernel to boot by network."""
        return self._path(Part.KERNEL)

    @property
    def initramfs(self) -> Path:
        """The initramfs to boot by network."""
        return self._path(Part.INITRAMFS)

    @property
    def rootfs(self) -> Path:
        """The root file system that the initramfs fetches."""
        return self._path(Part.ROOTFS)

    @property
    def metal(self) -> Path:
        """The disk image to install."""
        return self._path(Part.METAL)

    def _path(self, part: Part) -> Path:
        if part not in self.paths:
            raise InputError(
                f"the live medium's {part}", "is not known, and this scenario boots it",
                f"name it with {part.option}, or leave images out to use the stand-ins",
            )  # fmt: skip
        return self.paths[part]
