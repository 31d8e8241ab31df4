"""What scenarios need beside a node image, checked before a machine boots."""

from __future__ import annotations

from enum import StrEnum

from harness.model.errors import InputError
from harness.player.plan import FAT, LIVE_ISO


class Need(StrEnum):
    """What a scenario needs besides images, in words."""

    RELEASE = "control plane, which only the stand-ins have"
    """The installer's own config names one."""
    SINGLE_PATH = "disk with a single path"
    """The installer's own config names its disk itself."""


_REMEDIES = {
    Need.RELEASE: "Remove the options that name images to use the stand-ins, or run another "
    "scenario.",
    Need.SINGLE_PATH: "Remove multipath from --hardware, or run another scenario.",
}
_IMAGES = {
    FAT: ("a bootimage with the node layer inside", "--fat-bootimage"),
    LIVE_ISO: ("a live ISO", "--live-iso"),
}


def lacks(scenario: str, need: Need) -> InputError:
    """Return the error for a scenario that does not have what it needs."""
    return InputError(f"scenario {scenario}", f"needs a {need}", _REMEDIES[need])


def lacks_image(subject: str, key: str) -> InputError:
    """Return the error for an image that was not named; `subject` is who asks for it."""
    title, option = _IMAGES.get(key, (f"an image {key!r}", f"--image {key}=PATH|URL"))
    remedy = f"Name one with {option}, or run another scenario."
    return InputError(subject, f"needs {title}", remedy)
