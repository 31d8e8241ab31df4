from __future__ import annotations

from pathlib import Path

import pytest

from harness.machine.domain.architecture import (
    ARCHITECTURES,
    HOST,
    MAXIMUM,
    Accelerator,
    CpuLevel,
    architecture,
    cpu_model,
)
from harness.machine.domain.emulator import find_emulator, host_architecture
from harness.model.errors import InputError


@pytest.mark.parametrize(
    ("arch", "kind", "level", "model"),
    [
        ("x86_64", Accelerator.KVM, CpuLevel.V2, HOST),
        ("x86_64", Accelerator.KVM, CpuLevel.V3, HOST),
        ("x86_64", Accelerator.TCG, CpuLevel.V2, "Nehalem"),
        ("x86_64", Accelerator.TCG, CpuLevel.V3, MAXIMUM),
        ("aarch64", Accelerator.TCG, CpuLevel.V2, MAXIMUM),
        ("ppc64le", Accelerator.TCG, CpuLevel.V2, "POWER9"),
        ("s390x", Accelerator.KVM, CpuLevel.V2, HOST),
    ],
)
def test_cpu_model_follows_image_and_accelerator(
    arch: str, kind: Accelerator, level: CpuLevel, model: str
) -> None:
    assert cpu_model(architecture(arch), kind, level) == model


def test_unknown_architecture_is_reported_with_the_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        architecture("riscv64")

    assert caught.value.subject == "riscv64"
    assert all(name in caught.value.remedy for name in ARCHITECTURES)


def test_missing_qemu_is_one_error_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(InputError) as caught:
        find_emulator("s390x", native=())

    assert caught.value.subject == "qemu-system-s390x"
    assert "node-image doctor" in caught.value.remedy


def test_qemu_outside_path_serves_the_hosts_own_architecture_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    qemu_kvm = tmp_path / "qemu-kvm"
    qemu_kvm.touch(mode=0o755)
    foreign = "s390x" if host_architecture() != "s390x" else "x86_64"

    assert find_emulator(native=(qemu_kvm,)).path == qemu_kvm
    with pytest.raises(InputError):
        find_emulator(foreign, native=(qemu_kvm,))
