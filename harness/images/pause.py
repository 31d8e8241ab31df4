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

# Both block SIGINT and SIGTERM, wait for one of them, and exit: as PID 1 of its namespace a program
# that does not would have every shutdown of a node wait for systemd's 90 s.
_X86_64_CODE = bytes.fromhex(
    "6802400000"    # push 0x4002: the set of the two signals
    "4889e6"        # mov rsi, rsp
    "31ff"          # xor edi, edi (SIG_BLOCK)
    "31d2"          # xor edx, edx
    "41ba08000000"  # mov r10d, 8: bytes of the set
    "b80e000000"    # mov eax, 14 (rt_sigprocmask)
    "0f05"          # syscall
    "4889e7"        # mov rdi, rsp
    "31f6"          # xor esi, esi
    "31d2"          # xor edx, edx: no time limit
    "41ba08000000"  # mov r10d, 8
    "b880000000"    # mov eax, 128 (rt_sigtimedwait)
    "0f05"          # syscall
    "85c0"          # test eax, eax
    "78e8"          # js: another signal came, wait again
    "31ff"          # xor edi, edi
    "b8e7000000"    # mov eax, 231 (exit_group)
    "0f05"          # syscall
)  # fmt: skip
_AARCH64_CODE = b"".join(
    word.to_bytes(4, "little")
    for word in (
        0xD2880049,  # mov x9, 0x4002
        0xF81F0FE9,  # str x9, [sp, -16]!
        0xD2800000,  # mov x0, 0
        0x910003E1,  # mov x1, sp
        0xD2800002,  # mov x2, 0
        0xD2800103,  # mov x3, 8
        0xD28010E8,  # mov x8, 135 (rt_sigprocmask)
        0xD4000001,  # svc 0
        0x910003E0,  # mov x0, sp
        0xD2800001,  # mov x1, 0
        0xD2800002,  # mov x2, 0
        0xD2800103,  # mov x3, 8
        0xD2801128,  # mov x8, 137 (rt_sigtimedwait)
        0xD4000001,  # svc 0
        0x37FFFF40,  # tbnz w0, 31, to the wait
        0xD2800000,  # mov x0, 0
        0xD2800BC8,  # mov x8, 94 (exit_group)
        0xD4000001,  # svc 0
    )
)
_MACHINES = {
    "x86_64": ("amd64", _EM_X86_64, _X86_64_CODE),
    "aarch64": ("arm64", _EM_AARCH64, _AARCH64_CODE),
}


def pause_program(arch: str) -> bytes:
    """Return a static ELF executable for `arch` that sleeps until SIGINT or SIGTERM.

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
