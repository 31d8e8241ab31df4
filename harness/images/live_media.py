"""The live media of a CoreOS version: one ISO, and the same in parts for the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.images.live_iso import extract

_PXEBOOT = "images/pxeboot"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMedia:
    """Where the live media lie.

    Nobody writes to them: an ISO with a config is a copy (`live_iso.with_ignition`). `metal` is the
    disk image to install, None where a system that came by the network has it in itself.
    """

    iso: Path
    kernel: Path
    initramfs: Path
    rootfs: Path
    metal: Path | None = None

    @classmethod
    def of_iso(cls, iso: Path, folder: Path) -> LiveMedia:
        """Return the media of a CoreOS live ISO; its parts for the network are put in `folder`.

        Raises:
            InputError: it is no CoreOS live ISO.
        """
        return cls(
            iso=iso,
            kernel=extract(iso, f"{_PXEBOOT}/vmlinuz", folder / "vmlinuz"),
            initramfs=extract(iso, f"{_PXEBOOT}/initrd.img", folder / "initrd.img"),
            rootfs=extract(iso, f"{_PXEBOOT}/rootfs.img", folder / "rootfs.img"),
        )
