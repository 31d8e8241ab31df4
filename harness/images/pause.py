"""A container image of a few hundred bytes that only sleeps: the sandbox of every pod in a test.

Written here, byte for byte, because a sealed guest can pull nothing; the same on every host.
"""

from __future__ import annotations

import struct
from pathlib import Path

from harness.images.oci_layout import tar_layer, write_image
from harness.images.reference import Reference, Transport
from harness.model.errors import InputError

_EM_X86_64 = 62
_EM_AARCH64 = 183
_LOAD_ADDRESS = 0x400000
_ELF_HEADER_BYTES = 64
_PROGRAM_HEADER_BYTES = 56

_X86_64_LOOP = bytes.fromhex(
    "b822000000"  # mov eax, 34 (pause)
    "0f05"        # syscall
    "ebf7"        # jmp to the start
)  # fmt: skip
_AARCH64_LOOP = b"".join(
    word.to_bytes(4, "little")
    for word in (
        0xD2800000,  # mov x0, 0: no descriptors. The result comes back here, so set it each time
        0xD2800001,  # mov x1, 0
        0xD2800002,  # mov x2, 0: no time limit
        0xD2800003,  # mov x3, 0: no signal mask
        0xD2800004,  # mov x4, 0
        0xD2800928,  # mov x8, 73 (ppoll; this architecture has no pause)
        0xD4000001,  # svc 0
        0x17FFFFF9,  # b to the start
    )
)
_MACHINES = {
    "x86_64": ("amd64", _EM_X86_64, _X86_64_LOOP),
    "aarch64": ("arm64", _EM_AARCH64, _AARCH64_LOOP),
}


def pause_program(arch: str) -> bytes:
    """Return a static ELF executable for `arch` that waits for signals for ever.

    Source: elf(5), System V ABI: one header, one loadable segment, then the code.

    Raises:
        InputError: no program is written for `arch`.
    """
    _, machine, code = _machine(arch)
    start = _ELF_HEADER_BYTES + _PROGRAM_HEADER_BYTES
    size = start + len(code)
    ident = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)  # 64-bit, little-endian, version 1
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", ident, 2, machine, 1, _LOAD_ADDRESS + start,
        _ELF_HEADER_BYTES, 0, 0, _ELF_HEADER_BYTES, _PROGRAM_HEADER_BYTES, 1, 0, 0, 0,
    )  # fmt: skip
    read_execute = 5
    segment = struct.pack(
        "<IIQQQQQQ", 1, read_execute, 0, _LOAD_ADDRESS, _LOAD_ADDRESS, size, size, 0x10000
    )
    return header + segment + code


def write_pause_image(folder: Path, arch: str) -> Reference:
    """Write the image as an OCI layout into `folder` and return its reference, tag `pause`.

    Raises:
        InputError: no program is written for `arch`.
    """
    config = {"Entrypoint": ["/pause"], "WorkingDir": "/"}
    write_image(
        folder, "pause", _machine(arch)[0], [tar_layer({"pause": pause_program(arch)})], config
    )
    return Reference(transport=Transport.OCI, rest=f"{folder}:pause")


def _machine(arch: str) -> tuple[str, int, bytes]:
    if arch not in _MACHINES:
        raise InputError(arch, "has no pause program", f"use one of {', '.join(_MACHINES)}")
    return _MACHINES[arch]
