"""Checks of a machine's streams that several scenarios share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.player.given import Given

if TYPE_CHECKING:
    from harness.guest.installers.variant import Variant
    from harness.model.clock import Deadline
    from harness.player.running import Running

OVERLAY = "overlay-apply"
"""The phase in which any installer's scripts overlay the node image on /usr."""
_PEAKS = "memory-peaks"
_MIB = 1 << 20


def overlay_applied(given: Given, running: Running, _: Deadline) -> None:
    """Return if live-apply ran in this boot.

    Raises:
        ProductError: it did not.
    """
    if not running.watch.has_reached(OVERLAY, running.boot):
        raise running.watch.failed(why_without(given.installer))


def overlay_not_applied(running: Running, _: Deadline) -> None:
    """Return if live-apply did nothing, as on a bootimage with the node layer inside.

    Raises:
        ProductError: it ran.
    """
    if running.watch.has_reached(OVERLAY, running.boot):
        raise running.watch.failed("live-apply ran on a bootimage that has the node layer inside")


def why_without(variant: Variant | None) -> str:
    """Return why a machine reached multi-user.target without live-apply."""
    if variant is not None and variant.missing:
        return f"live-apply did not run, and the config lacks {', '.join(variant.missing)}"
    return "live-apply did not run: openshift-clients, of the node layer, is in the bootimage"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBudget:
    """The most that a live system may keep in memory, in MiB.

    `node_image_mib` is for /var/ostreecontainer, of the 5 GiB that the installer gives it,
    `writable_mib` for /etc and /var.
    """

    node_image_mib: int = 4608
    writable_mib: int = 1024


def memory_within(budget: MemoryBudget, running: Running, _: Deadline) -> None:
    """Report the most that was in memory, and return if it is within `budget`.

    Raises:
        ProductError: it was more, or the machine reported nothing about it.
    """
    watch = running.watch
    seen = watch.hits(_PEAKS)
    if not seen:
        raise watch.failed("the live system reported nothing about what it keeps in memory")
    image, writable = (
        max(-(-int(hit.groups[name]) // _MIB) for hit in seen) for name in ("image", "writable")
    )
    watch.note(memory_peaks_mib={"/var/ostreecontainer": image, "/run/ephemeral": writable})
    watch.say(f"in memory at most: node image {image} MiB, /etc and /var {writable} MiB")
    if image > budget.node_image_mib or writable > budget.writable_mib:
        raise watch.failed(
            f"too much in memory: node image {image} MiB of {budget.node_image_mib}, "
            f"/etc and /var {writable} MiB of {budget.writable_mib}"
        )
