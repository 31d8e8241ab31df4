"""The live media of a CoreOS version: the ISO, and its parts for booting by network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.images.live_iso import extract

_PXEBOOT = "images/pxeboot"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMedia:
    """The files of the live media; never write to them.

    An ISO with a config is a copy (`live_iso.with_ignition`). `metal` is the disk image to install,
    None if the live system contains it.
    """

    iso: Path
    kernel: Path
    initramfs: Path
    rootfs: Path
    metal: Path | None = None

    @classmethod
    def of_iso(cls, iso: Path, folder: Path) -> LiveMedia:
        """Return the media of a CoreOS live ISO, whose parts are extracted to `folder`.

        Raises:
            InputError: it is not a CoreOS live ISO.
        """
        return cls(
            iso=iso,
            kernel=extract(iso, f"{_PXEBOOT}/vmlinuz", folder / "vmlinuz"),
            initramfs=extract(iso, f"{_PXEBOOT}/initrd.img", folder / "initrd.img"),
            rootfs=extract(iso, f"{_PXEBOOT}/rootfs.img", folder / "rootfs.img"),
        )
