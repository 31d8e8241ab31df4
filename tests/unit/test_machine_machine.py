from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from machine_fakes import FakeConnection, fake_qemu_img, make_run, soon

from harness.machine.acceleration import Acceleration
from harness.machine.domain import hardware
from harness.machine.domain.architecture import Accelerator, Firmware, architecture
from harness.machine.domain.emulator import Emulator
from harness.machine.domain.segment import pair
from harness.machine.domain.storage import Disk
from harness.machine.driver import DISK_FULL, POWERED_OFF
from harness.machine.machine import boot
from harness.machine.ownership.memory import MemoryShortageError
from harness.machine.ownership.run import Run
from harness.machine.spec import PORTS, MachineSpec
from harness.model.errors import InputError, RigError

SPEC = MachineSpec(
    name="one",
    emulator=Emulator(path=Path("/usr/bin/qemu-system-x86_64"), arch=architecture("x86_64")),
    acceleration=Acceleration(kind=Accelerator.TCG, reason="asked for", timeout_factor=1.0),
    base=Path("/images/base.qcow2"),
    ignition='{"secret": "s3cr3t"}',
    memory_mib=16,
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    fake_qemu_img(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return make_run(tmp_path / "runs")


def remains_of(run: Run) -> list[Path]:
    parts = (run.folder / "memory", run.folder / "domains", run.scratch / "one")
    return [path for part in parts for path in part.glob("*")]


def test_everything_is_released_when_the_machine_ends(run: Run) -> None:
    connection = FakeConnection()

    with boot(connection, run, SPEC, soon()) as machine:
        assert machine.is_running()
        assert len(remains_of(run)) == 3

    assert connection.domains[0].destroyed == 1
    assert remains_of(run) == []


def test_everything_is_released_when_the_body_is_interrupted(run: Run) -> None:
    connection = FakeConnection()

    with pytest.raises(KeyboardInterrupt), boot(connection, run, SPEC, soon()):
        raise KeyboardInterrupt

    assert connection.domains[0].destroyed == 1
    assert remains_of(run) == []


def test_a_refused_machine_leaves_memory_and_disk(run: Run) -> None:
    connection = FakeConnection(refusal="no such machine type")

    with pytest.raises(RigError, match="no such machine type"), boot(connection, run, SPEC, soon()):
        pass

    assert list((run.folder / "memory").iterdir()) == []
    assert list((run.scratch / "one").iterdir()) == []


def test_a_machine_that_does_not_fit_is_not_started(run: Run) -> None:
    connection = FakeConnection()
    giant = MachineSpec(
        name="one", emulator=SPEC.emulator, acceleration=SPEC.acceleration, base=SPEC.base,
        memory_mib=10**9,
    )  # fmt: skip

    with pytest.raises(MemoryShortageError), boot(connection, run, giant, soon()):
        pass

    assert connection.domains == []


def test_console_and_ports_are_files_that_outlive_the_machine(run: Run) -> None:
    with boot(FakeConnection(), run, SPEC, soon()) as machine:
        files = machine.port_files

    assert tuple(files) == PORTS
    assert {path.parent for path in (*files.values(), machine.console)} == {run.folder / "one"}


def test_machine_has_name_port_and_files_of_its_domain(run: Run) -> None:
    connection = FakeConnection()

    with boot(connection, run, SPEC, soon()) as machine:
        root = ET.fromstring(connection.xml)  # noqa: S314 - our own text

    assert root.findtext("name") == machine.name == "node-image-run-000000-one"
    assert f"127.0.0.1:{machine.ssh_port}-:22" in connection.xml
    assert root.find("seclabel") is not None


def test_ignition_is_private_and_shows_in_no_repr(run: Run) -> None:
    with boot(FakeConnection(), run, SPEC, soon()) as machine:
        config = machine.domain.ignition
        assert config is not None
        assert config.read_text() == SPEC.ignition
        assert config.stat().st_mode & 0o777 == 0o600

    assert "s3cr3t" not in repr(SPEC)


def test_a_machine_without_an_image_gets_a_disk_of_its_own_and_the_medium(run: Run) -> None:
    spec = replace(SPEC, base=None, cdrom=Path("/images/live.iso"), netboot="http://10.0.2.2/b")

    with boot(FakeConnection(), run, spec, soon()) as machine:
        domain = machine.domain

    assert domain.disks == (Disk(path=run.scratch / "one/blank.qcow2", serial="root"),)
    assert (domain.cdrom, domain.netboot) == (spec.cdrom, spec.netboot)
    assert list((run.scratch / "one").iterdir()) == [], "it is given back"


def test_hardware_that_the_host_lacks_is_refused_before_anything_is_reserved(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    connection = FakeConnection()
    spec = replace(SPEC, hardware=hardware.parse("tpm"))

    with pytest.raises(InputError) as caught, boot(connection, run, spec, soon()):
        pass

    assert "lacks swtpm" in caught.value.problem
    assert "needed to give machines a TPM" in caught.value.problem
    assert remains_of(run) == []
    assert not (run.folder / spec.name).exists()


def test_sectors_and_segment_reach_the_domain(run: Run) -> None:
    side, _ = pair(run.folder, "one", "two")
    small = hardware.Hardware(sector_bytes=4096, firmware=Firmware.BIOS)

    with boot(
        FakeConnection(), run, replace(SPEC, hardware=small, segment=side), soon()
    ) as machine:
        domain = machine.domain

    assert [disk.sector_bytes for disk in domain.disks] == [4096]
    assert (domain.hardware, domain.segment) == (small, side)


def test_a_running_machine_has_no_reason(run: Run) -> None:
    with boot(FakeConnection(), run, SPEC, soon()) as machine:
        assert machine.why_stopped() is None


def test_power_off_is_reported_without_a_log(run: Run, tmp_path: Path) -> None:
    connection = FakeConnection(log_folder=tmp_path)

    with boot(connection, run, SPEC, soon()) as machine:
        (tmp_path / f"{machine.name}.log").write_text("shutting down\n")
        connection.domains[0].reason = POWERED_OFF

        assert machine.why_stopped() == POWERED_OFF


def test_crash_is_reported_with_qemus_last_lines(run: Run, tmp_path: Path) -> None:
    connection = FakeConnection(log_folder=tmp_path)

    with boot(connection, run, SPEC, soon()) as machine:
        (tmp_path / f"{machine.name}.log").write_text("starting\nkvm run failed\n")
        connection.domains[0].reason = "QEMU ended by itself"

        assert machine.why_stopped() == "QEMU ended by itself\n  starting\n  kvm run failed"


def test_a_full_disk_is_reported_with_its_folder(run: Run) -> None:
    connection = FakeConnection()

    with boot(connection, run, SPEC, soon()) as machine:
        connection.domains[0].reason = DISK_FULL

        assert machine.why_stopped() == f"{DISK_FULL} in {run.scratch}"


def test_a_machine_without_a_process_has_no_peak(run: Run) -> None:
    with boot(FakeConnection(), run, SPEC, soon()) as machine:
        assert machine.peak_memory_bytes() == 0


def test_second_machine_of_a_name_is_numbered(run: Run) -> None:
    with boot(FakeConnection(), run, SPEC, soon()) as first:
        pass
    with (
        boot(FakeConnection(), run, SPEC, soon()) as second,
        boot(FakeConnection(), run, SPEC, soon()) as third,
    ):
        assert len(list((run.folder / "memory").iterdir())) == 2

    folders = [machine.folder.name for machine in (first, second, third)]
    assert folders == ["one", "one-2", "one-3"]
    assert second.name == "node-image-run-000000-one-2"
