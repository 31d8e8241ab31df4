"""Disk images and live ISOs by key: those of the user, else those of the stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from harness.folders import expanded
from harness.images import bootimage
from harness.images.acquire.cache import Cache
from harness.images.acquire.url import is_url
from harness.images.bootimage import BootImage
from harness.images.live_iso import require_live_iso
from harness.images.live_media import LiveMedia
from harness.model.clock import Deadline
from harness.model.errors import InputError
from harness.player.needs import lacks_image
from harness.player.plan import BOOTIMAGE, FAT, LIVE_ISO, FromDisk, Medium
from harness.standin.build import StandIn
from harness.workplace.options import Settings

ACQUIRE_S = 2 * 3600.0
"""For one image, by a slow connection."""


class NamedImages:
    """The images of one process, each fetched, verified and unpacked on first use."""

    def __init__(
        self,
        settings: Settings,
        stand_in: Callable[[], StandIn],
        cache: Callable[[], Cache],
    ) -> None:
        self._settings = settings
        self._stand_in = stand_in
        self._cache = cache
        self._disks: dict[str, BootImage] = {}

    @property
    def acquired(self) -> Mapping[str, BootImage]:
        """The disk images that were used so far."""
        return self._disks

    def has(self, key: str) -> bool:
        """Return whether the user named an image of this key, or a stand-in has it."""
        is_stand_ins = self._settings.is_stand_in and key in (BOOTIMAGE, FAT, LIVE_ISO)
        return is_stand_ins or self._named(key) is not None

    def check(self, media: Iterable[Medium]) -> None:
        """Check the live ISOs that were named, without unpacking them, and those of `media`.

        Raises:
            InputError: one is not a live ISO.
        """
        live = {medium.image for medium in media if not isinstance(medium, FromDisk)}
        for key in sorted({LIVE_ISO, *live}):
            if self._named(key) is not None:
                require_live_iso(self.iso(key))

    def acquire(self, media: Iterable[Medium]) -> None:
        """Fetch and verify the disk images that the user named, of `media` and the control's.

        Raises:
            InputError: one cannot be used.
        """
        disks = {medium.image for medium in media if isinstance(medium, FromDisk)}
        for key in sorted({FAT, *disks}):
            if self._named(key) is not None:
                self.disk(key)

    def disk(self, key: str) -> BootImage:
        """Return a disk image, verified and unpacked.

        Raises:
            InputError: no image has this key, or it cannot be used.
        """
        if key not in self._disks:
            named = self._named(key) or self._stand_ins_disk(key)
            sha256 = self._settings.bootimage_sha256 if key == BOOTIMAGE else None
            self._disks[key] = bootimage.acquire(
                named, sha256, self._cache(), Deadline.after(ACQUIRE_S)
            )
        return self._disks[key]

    def iso(self, key: str) -> Path:
        """Return a live ISO.

        Raises:
            InputError: no image has this key.
        """
        if (named := self._named(key)) is not None:
            if is_url(named):
                remedy = "Download it, and name the file."
                raise InputError(f"image {key}", "live ISO given as a URL", remedy)
            return expanded(named)
        if key == LIVE_ISO and self._settings.is_stand_in:
            return self._stand_in().live.iso
        raise lacks_image("live media", key)

    def live_media(self, key: str, folder: Path) -> LiveMedia:
        """Return a live ISO with its parts for the network; they are put in `folder`.

        Raises:
            InputError: no image has this key, or it is not a live ISO.
        """
        iso = self.iso(key)
        return self._stand_in().live if self._named(key) is None else LiveMedia.of_iso(iso, folder)

    def _named(self, key: str) -> str | None:
        return self._settings.bootimage if key == BOOTIMAGE else self._settings.images.get(key)

    def _stand_ins_disk(self, key: str) -> str:
        if self._settings.is_stand_in and key == BOOTIMAGE:
            return str(self._stand_in().bootimage)
        if self._settings.is_stand_in and key == FAT:
            return str(self._stand_in().fat_bootimage)
        raise lacks_image("disk images", key)
