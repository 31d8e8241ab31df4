from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from goldens import Golden

from harness import folders
from harness.machine.acceleration import (
    TCG_TIMEOUT_FACTOR,
    Acceleration,
    probe,
    probe_command,
    require_kvm,
)
from harness.machine.domain.architecture import Accelerator, architecture
from harness.machine.domain.emulator import Emulator, host_architecture
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError

x86_host = pytest.mark.skipif(host_architecture() != "x86_64", reason="the probe is x86_64 code")


class Lab:
    """A host with a device node and a QEMU of our own making."""

    def __init__(self, folder: Path) -> None:
        self.device = folder / "kvm"
        self.device.touch()
        self.cache = folder / "acceleration"
        self.calls = folder / "calls"
        self.qemu = folder / "qemu"

    def probe(self, script: str, *, arch: str = "x86_64", limit_s: float = 30.0) -> Acceleration:
        self.qemu.write_text(f"#!/bin/sh\necho call >> {self.calls}\n{script}\n")
        self.qemu.chmod(0o755)
        os.utime(self.qemu, (1, 1))
        emulator = Emulator(path=self.qemu, arch=architecture(arch))
        deadline = Deadline.after(limit_s)
        return probe(emulator, deadline, device=self.device, cache=self.cache)

    @property
    def times_called(self) -> int:
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


@x86_host
def test_a_guest_that_ran_means_kvm(lab: Lab) -> None:
    found = lab.probe("exit 33")

    assert found.kind is Accelerator.KVM
    assert found.timeout_factor == 1.0


@x86_host
def test_refused_guest_means_emulation_with_qemus_reason(lab: Lab) -> None:
    found = lab.probe("echo 'failed to initialize kvm: Device or resource busy' >&2; exit 1")

    assert found.kind is Accelerator.TCG
    assert found.timeout_factor == TCG_TIMEOUT_FACTOR
    assert "Device or resource busy" in found.reason


@x86_host
def test_other_end_of_the_guest_is_not_a_success(lab: Lab) -> None:
    found = lab.probe("exit 0")

    assert found.kind is Accelerator.TCG
    assert "QEMU exited 0" in found.reason


@x86_host
def test_the_answer_is_remembered_until_the_emulator_changes(lab: Lab) -> None:
    first = lab.probe("exit 33")
    second = lab.probe("exit 33")
    assert first == second
    assert lab.times_called == 1

    lab.cache.write_text(lab.cache.read_text().replace(str(lab.qemu), "/other/qemu"))
    lab.probe("exit 33")

    assert lab.times_called == 2


@x86_host
def test_answer_is_given_if_it_cannot_be_remembered(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("harness.atomic.write", full)

    assert lab.probe("exit 33").kind is Accelerator.KVM
    assert f"not remembered, {lab.cache}: No space left on device" in caplog.text


@x86_host
def test_an_obstacle_is_remembered_for_a_while_and_then_tried_again(lab: Lab) -> None:
    lab.probe("exit 1")
    assert lab.probe("exit 33").kind is Accelerator.TCG

    an_hour_ago = time.time() - 3600
    os.utime(lab.cache, (an_hour_ago, an_hour_ago))

    assert lab.probe("exit 33").kind is Accelerator.KVM


@x86_host
def test_a_success_is_remembered_for_the_whole_boot(lab: Lab) -> None:
    lab.probe("exit 33")
    os.utime(lab.cache, (1, 1))

    assert lab.probe("exit 1").kind is Accelerator.KVM


@x86_host
def test_processes_that_probe_at_once_do_not_share_a_temporary_file(lab: Lab) -> None:
    anothers = lab.cache.with_suffix(".new")
    anothers.mkdir()

    assert lab.probe("exit 33").kind is Accelerator.KVM
    assert list(lab.cache.parent.glob("acceleration.*")) == [anothers]


@x86_host
def test_a_damaged_memory_is_asked_again(lab: Lab) -> None:
    lab.cache.write_text("{")

    assert lab.probe("exit 33").kind is Accelerator.KVM
    assert lab.times_called == 1


@x86_host
def test_callers_deadline_is_not_an_obstacle(lab: Lab) -> None:
    with pytest.raises(DeadlineError):
        lab.probe("exec sleep 60", limit_s=0.02)

    assert not lab.cache.exists()


@x86_host
def test_no_device_means_emulation_without_a_probe(lab: Lab) -> None:
    lab.device.unlink()

    found = lab.probe("exit 33")

    assert found.kind is Accelerator.TCG
    assert found.reason == f"there is no {lab.device}"
    assert lab.times_called == 0


@x86_host
def test_device_that_does_not_open_is_the_reason(lab: Lab) -> None:
    lab.device.unlink()
    lab.device.mkdir()

    found = lab.probe("exit 33")

    assert found.kind is Accelerator.TCG
    assert f"{lab.device} cannot be opened" in found.reason


def test_a_foreign_architecture_is_emulated(lab: Lab) -> None:
    foreign = "s390x" if host_architecture() != "s390x" else "aarch64"

    found = lab.probe("exit 33", arch=foreign)

    assert found.kind is Accelerator.TCG
    assert foreign in found.reason
    assert lab.times_called == 0


def test_required_kvm_is_an_error_with_the_reason() -> None:
    missing = Acceleration(kind=Accelerator.TCG, reason="there is no /dev/kvm", timeout_factor=4.0)

    with pytest.raises(InputError) as caught:
        require_kvm(missing)

    assert caught.value.problem == "there is no /dev/kvm"


def test_required_kvm_passes_where_it_works() -> None:
    require_kvm(Acceleration(kind=Accelerator.KVM, reason="a guest ran", timeout_factor=1.0))


def test_probe_exits_through_the_exit_device() -> None:
    emulator = Emulator(path=Path("/usr/bin/qemu"), arch=architecture("x86_64"))

    command = probe_command(emulator, Accelerator.KVM)

    assert command[1:3] == ("-accel", "kvm")
    assert command[-1] == "isa-debug-exit,iobase=0xf4,iosize=4"
    assert Path(command[command.index("-kernel") + 1]).is_file()


@pytest.mark.skipif(
    shutil.which("as") is None or host_architecture() != "x86_64", reason="no x86 assembler"
)
def test_shipped_probe_is_what_its_source_assembles_to(tmp_path: Path, golden: Golden) -> None:
    source = folders.fixture("probe/spin.S")
    built = tmp_path / "spin.bin"

    subprocess.run(["as", "--64", source, "-o", tmp_path / "spin.o"], check=True)
    subprocess.run(
        ["objcopy", "-O", "binary", "-j", ".text", tmp_path / "spin.o", built], check=True
    )

    golden(folders.fixture("probe/spin.bin"), built.read_bytes())
