"""A container image of a few hundred bytes that only sleeps: the sandbox of every pod.

A guest without a network cannot pull one. The program is shipped for each architecture, see
fixtures/pause/elf.inc; the image is the same on every host.
"""

from __future__ import annotations

from pathlib import Path

from harness import folders
from harness.images.oci.writing import tar_layer, write_image
from harness.images.reference import Reference, Transport


def pause_program(arch: str) -> bytes:
    """Return a static ELF executable for `arch` that sleeps until SIGINT or SIGTERM."""
    return folders.fixture(f"pause/{arch}.bin").read_bytes()


def write_pause_image(folder: Path, arch: str) -> Reference:
    """Write the image as an OCI layout into `folder` and return its reference, tag `pause`."""
    layer = tar_layer({"pause": pause_program(arch)})
    config = {"Entrypoint": ["/pause"], "WorkingDir": "/"}
    write_image(folder, "pause", arch, [layer], config)
    return Reference(transport=Transport.OCI, rest=f"{folder}:pause")
