"""What scenarios cannot do without, beside a bootimage and a node image; told before one boots."""

from __future__ import annotations

from enum import StrEnum

from harness.model.errors import InputError


class Need(StrEnum):
    """One thing that a scenario cannot do without, in words."""

    FAT_BOOTIMAGE = "bootimage with the node layer inside"
    LIVE_ISO = "live ISO"
    RELEASE = "release to make a control plane of"
    """The installer's own config brings one."""
    SINGLE_PATH = "disk with a single path"
    """The installer's own config names its disk itself."""


_REMEDIES = {
    Need.FAT_BOOTIMAGE: "name one with --fat-bootimage, or leave the scenario out",
    Need.LIVE_ISO: "name one with --live-iso, or leave the scenario out",
    Need.RELEASE: "leave images out to use the stand-ins, or take another scenario",
    Need.SINGLE_PATH: "leave multipath out of --hardware, or leave the scenario out",
}


def lacking(scenario: str, need: Need) -> InputError:
    """Return the error for a scenario that does not have what it needs."""
    return InputError(f"scenario {scenario}", f"has no {need}", _REMEDIES[need])
