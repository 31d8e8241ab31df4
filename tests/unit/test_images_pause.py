from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import struct
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
from goldens import Golden

from harness import folders
from harness.images.container.pause import pause_program, write_pause_image
from harness.machine.domain.architecture import ARCHITECTURES

HERE = platform.machine()
TRIPLETS = {arch: f"{arch}-linux-gnu" for arch in ARCHITECTURES}
TRIPLETS["ppc64le"] = "powerpc64le-linux-gnu"
# The call that the program sleeps in, rt_sigtimedwait, by the host's numbers.
WAIT = {"x86_64": "128", "aarch64": "137", "s390x": "177", "ppc64le": "176"}

# Name: byte order, e_machine, e_flags. Source: elf.h, and the ABI of each architecture.
ELF = {
    "x86_64": ("<", 62, 0),
    "aarch64": ("<", 183, 0),
    "s390x": (">", 22, 0),
    "ppc64le": ("<", 21, 2),
}


def runner(arch: str) -> list[str]:
    return [] if arch == HERE else [f"qemu-{arch}"]


def tool(arch: str, name: str) -> str:
    return name if arch == HERE else f"{TRIPLETS[arch]}-{name}"


def with_programs(needed: dict[str, list[str]]) -> list[object]:
    """Return a parameter for each architecture, skipped where its programs are not installed."""
    return [
        pytest.param(
            arch, marks=pytest.mark.skipif(
                not all(map(shutil.which, needed[arch])),
                reason=f"not on this host: {', '.join(needed[arch])}",
            ),
        )
        for arch in ARCHITECTURES
    ]  # fmt: skip


runnable = pytest.mark.parametrize("arch", with_programs({a: runner(a) for a in ARCHITECTURES}))
assembled = pytest.mark.parametrize(
    "arch", with_programs({a: [tool(a, "as"), tool(a, "objcopy")] for a in ARCHITECTURES})
)


def in_state(child: subprocess.Popen[bytes], letters: str) -> str:
    """Return the child's state, as ps(1) spells it, once it is one of `letters`."""
    ends_at = time.monotonic() + 10
    while time.monotonic() < ends_at:
        state = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state in letters:
            return state
    raise AssertionError(f"the program is in state {state}")


def wait_until_it_sleeps(child: subprocess.Popen[bytes]) -> None:
    ends_at = time.monotonic() + 10
    while child.poll() is None and time.monotonic() < ends_at:
        call = Path(f"/proc/{child.pid}/syscall").read_text().split()[0]
        if call == WAIT[HERE]:
            return
    raise AssertionError(f"the program does not wait for a signal, status {child.returncode}")


@runnable
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_program_sleeps_until_it_is_to_end(arch: str, ending: int, tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(pause_program(arch))
    program.chmod(0o755)

    with subprocess.Popen([*runner(arch), program]) as child:
        wait_until_it_sleeps(child)
        child.send_signal(signal.SIGSTOP)
        in_state(child, "T")
        child.send_signal(signal.SIGCONT)  # interrupts the wait
        assert in_state(child, "SZ") == "S"
        wait_until_it_sleeps(child)
        child.send_signal(ending)

        assert child.wait(timeout=5) == 0, "even as PID 1, which no default action ends"


@assembled
def test_shipped_program_is_what_its_source_assembles_to(
    arch: str, tmp_path: Path, golden: Golden
) -> None:
    source = folders.fixture(f"pause/{arch}.S")
    made, built = tmp_path / "pause.o", tmp_path / "pause.bin"

    subprocess.run([tool(arch, "as"), "-I", source.parent, source, "-o", made], check=True)
    subprocess.run([tool(arch, "objcopy"), "-O", "binary", "-j", ".text", made, built], check=True)

    golden(folders.fixture(f"pause/{arch}.bin"), built.read_bytes())


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_architecture_has_a_static_program_of_its_own(arch: str) -> None:
    order, machine, flags = ELF[arch]
    program = pause_program(arch)

    ident, header, segment = program[:16], program[16:64], program[64:120]
    assert ident == b"\x7fELF" + bytes([2, "<>".index(order) + 1, 1]) + bytes(9)
    kind, for_machine, _, entry, at, _, for_abi, _, _, number = struct.unpack(
        f"{order}HHIQQQIHHH", header[:42]
    )
    assert (kind, for_machine, for_abi, at, number) == (2, machine, flags, 64, 1)
    load, access, offset, address, _, size, _, _ = struct.unpack(f"{order}IIQQQQQQ", segment)
    assert (load, access, offset) == (1, 5, 0)
    assert entry == address + 120
    assert 120 < size <= len(program) < 300


def test_layer_has_only_the_program(tmp_path: Path) -> None:
    reference = write_pause_image(tmp_path / "layout", "s390x")

    index = json.loads((tmp_path / "layout" / "index.json").read_text())
    manifest = json.loads(blob(tmp_path, index["manifests"][0]["digest"]).read_text())
    with tarfile.open(blob(tmp_path, manifest["layers"][0]["digest"])) as layer:
        (member,) = layer.getmembers()
        file = layer.extractfile(member)
        content = file.read() if file else b""
    assert (member.name, member.mode, member.mtime) == ("pause", 0o755, 0)
    assert content == pause_program("s390x")
    assert str(reference) == f"oci:{tmp_path}/layout:pause"


@pytest.mark.parametrize(
    ("arch", "image_arch"),
    [("x86_64", "amd64"), ("aarch64", "arm64"), ("s390x", "s390x"), ("ppc64le", "ppc64le")],
)
def test_the_image_is_for_the_architecture(arch: str, image_arch: str, tmp_path: Path) -> None:
    write_pause_image(tmp_path / "layout", arch)

    index = json.loads((tmp_path / "layout" / "index.json").read_text())
    manifest = json.loads(blob(tmp_path, index["manifests"][0]["digest"]).read_text())
    config = json.loads(blob(tmp_path, manifest["config"]["digest"]).read_text())
    assert config["architecture"] == image_arch


def test_the_image_is_the_same_every_time_and_differs_by_architecture(tmp_path: Path) -> None:
    for folder, arch in (("a", "x86_64"), ("b", "x86_64"), ("c", "aarch64")):
        write_pause_image(tmp_path / folder, arch)

    digests = {name: os.listdir(tmp_path / name / "blobs" / "sha256") for name in "abc"}  # noqa: PTH208
    assert sorted(digests["a"]) == sorted(digests["b"])
    assert sorted(digests["a"]) != sorted(digests["c"])


def blob(folder: Path, digest: str) -> Path:
    return folder / "layout" / "blobs" / "sha256" / digest.removeprefix("sha256:")
