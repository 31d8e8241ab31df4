"""What is under test, once it is known: the images, the options and the host.

It is printed at the start of a run, in reports, and with each failure.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib import metadata

from harness.machine.domain.hardware import PLAIN
from harness.player.plan import BOOTIMAGE, FAT, LIVE_ISO
from harness.verdict.expectations import Expectations
from harness.workplace.preparation import Preparation


def provenance(ready: Preparation) -> tuple[tuple[str, str], ...]:
    """Return what is under test, as name and value; nothing before the check."""
    return tuple(_provenance(ready)) if ready.is_checked else ()


def host(ready: Preparation) -> dict[str, str]:
    """Return where machines run, as name and value."""
    found, emulator = ready.acceleration, ready.emulator
    return {
        "acceleration": f"{found.kind} ({found.reason})",
        "timeout_factor": f"{found.timeout_factor * ready.settings.timeout_factor:g}",
        "emulator": emulator.path.name,
        "architecture": emulator.arch.name,
        "cpus": str(len(os.sched_getaffinity(0))),
        "python": platform.python_version(),
        "harness": metadata.version("pytest-node-image"),
    }


def describe(ready: Preparation) -> list[str]:
    """Return the lines for the start of a run."""
    image, found = ready.node_image, ready.acceleration
    return [
        f"node image: {image.reference} {image.version or 'of no version'}, {image.digest}",
        *(f"os stream: {stream}" for stream in _stream(ready)),
        *([f"release of the config: {ready.config_release}"] if ready.config_release else []),
        f"bootimage: {ready.bootimage.origin}",
        f"expectations: {_named(ready.expectations)}",
        f"acceleration: {found.kind} ({found.reason})",
    ]


def _stream(ready: Preparation) -> Iterator[str]:
    """Give the stream of the node image, if the release or the image names one."""
    claimed = ready.node_image.claims.stream_class
    if ready.released:
        yield f"{ready.released.stream}: {ready.released.reason}"
    elif claimed:
        yield claimed


def _named(found: Expectations) -> str:
    return "; ".join(filter(None, (f"{found.name} ({found.title})", found.reason)))


def _provenance(ready: Preparation) -> Iterator[tuple[str, str]]:
    disk, image, settings = ready.bootimage, ready.node_image, ready.settings
    yield "bootimage", disk.origin
    yield "bootimage_sha256", disk.sha256
    yield "node_image", str(image.reference)
    yield "node_image_digest", image.digest
    yield "node_image_version", image.version or "unknown"
    for stream in _stream(ready):
        yield "os_stream", stream
    yield "expectations", ready.expectations.name
    if ready.expectations.reason:
        yield "expectations_reason", ready.expectations.reason
    yield "acceleration", str(ready.acceleration.kind)
    yield "stand_in", "yes" if image.is_stand_in else "no"
    if settings.hardware != PLAIN:
        yield "hardware", str(settings.hardware)
    for key, other in ready.images.acquired.items():
        if key != BOOTIMAGE:
            name = "fat_bootimage" if key == FAT else f"image_{key}"
            yield name, other.origin
            yield f"{name}_sha256", other.sha256
    if (iso := settings.images.get(LIVE_ISO)) is not None:
        yield "live_iso", iso
    if settings.bootstrap_ignition is not None:
        yield "bootstrap_ignition", str(settings.bootstrap_ignition)
    if settings.live_ignition is not None:
        yield "live_ignition", str(settings.live_ignition)
    if ready.config_release:
        yield "config_release", ready.config_release
