from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from machine_fakes import FakeConnection, FakeDomain, fake_qemu_img, make_run, soon
from test_machine_machine import SPEC

from harness.machine.domain.domain import Domain
from harness.machine.forking.fork import fork
from harness.machine.forking.key import Origin, canonical
from harness.machine.forking.saved import DamagedError, SavedMachine, save, suspended
from harness.machine.guest_memory import copy_sparse
from harness.machine.machine import Machine, boot
from harness.machine.ownership.run import Run
from harness.model.errors import InputError, RigError

TEMPLATE = replace(SPEC, is_template=True, memory_mib=1)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    fake_qemu_img(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return make_run(tmp_path / "runs")


def origin(domain: Domain) -> Origin:
    return Origin(
        domain=canonical(domain), emulator="QEMU", processor="", ignition={}, images={}, step="up"
    )


@contextmanager
def template(run: Run) -> Iterator[tuple[FakeConnection, Machine, FakeDomain]]:
    connection = FakeConnection()
    with boot(connection, run, TEMPLATE, soon()) as machine:
        running = connection.domains[0]
        running.disk = str(machine.domain.disks[0].path)
        yield connection, machine, running


def saved(run: Run, machine: Machine) -> SavedMachine:
    with suspended([machine]):
        return save(machine, run.scratch / "checkpoint", origin(machine.domain), soon())


def test_a_template_has_its_memory_in_a_file_that_is_gone_with_it(run: Run) -> None:
    with template(run) as (connection, machine, _):
        assert machine.domain.ram is not None
        assert machine.domain.ram.path.stat().st_size == 1 << 20
        assert f"mem-path={machine.domain.ram.path},share=on" in connection.xml
        assert "<genid>" in connection.xml

    assert not machine.domain.ram.path.exists()


def test_an_ordinary_machine_cannot_be_saved(run: Run) -> None:
    with boot(FakeConnection(), run, SPEC, soon()) as machine:
        with pytest.raises(InputError, match="its memory is not in a file"):
            saved(run, machine)

        assert not (run.scratch / "checkpoint").exists()


def test_a_machine_is_suspended_while_it_is_saved_and_goes_on(run: Run) -> None:
    with template(run) as (_, machine, running):
        disk = machine.domain.disks[0].path
        checkpoint = saved(run, machine)

        assert running.acts[0] == "suspend"
        assert running.acts[-1] == "resume"
        assert running.acts.index("blockdev-snapshot-sync") < running.acts.index("migrate")
        assert checkpoint.disk.path == disk
        assert machine.domain.disks[0].path != disk
        assert checkpoint.state.read_bytes() == b"state"


def test_a_checkpoint_that_fails_leaves_no_file_and_a_running_machine(run: Run) -> None:
    with template(run) as (_, machine, running):
        running.migration = "failed"
        with pytest.raises(RigError, match="failed"):
            saved(run, machine)

        assert running.acts[-1] == "resume"
        assert not (run.scratch / "checkpoint").exists()


def test_a_fork_has_its_own_port_disk_and_streams_over_the_same_memory(run: Run) -> None:
    with template(run) as (connection, machine, _):
        checkpoint = saved(run, machine)
        with fork(connection, run, checkpoint, "one", soon()) as forked:
            assert forked.folder == run.folder / "one-2"
            assert forked.ssh_port != machine.ssh_port
            assert forked.console == run.folder / "one-2/console.log"
            assert forked.domain.disks[0].path.parent == run.scratch / "one-2"
            assert f"mem-path={checkpoint.ram},share=off" in connection.xml
            assert forked.domain.generation != machine.domain.generation
            assert canonical(forked.domain) == canonical(machine.domain)
            assert connection.domains[1].acts[-1] == "resume"

        assert list((run.scratch / "one-2").iterdir()) == []
        (token,) = (run.folder / "memory").iterdir()
        assert token.read_text().endswith(" one")


def test_a_fork_that_does_not_load_is_the_checkpoints_fault(run: Run) -> None:
    with template(run) as (connection, machine, _):
        checkpoint = saved(run, machine)
        connection.migration = "failed"

        with (
            pytest.raises(DamagedError, match="checkpoint checkpoint: does not load"),
            fork(connection, run, checkpoint, "one", soon()),
        ):
            pass

        assert connection.domains[1].destroyed == 1


def test_a_fork_that_does_not_start_is_the_checkpoints_fault(run: Run) -> None:
    with template(run) as (connection, machine, _):
        checkpoint = saved(run, machine)
        connection.refusal = "unsupported configuration"

        with (
            pytest.raises(DamagedError, match=r"does not start: .*unsupported configuration"),
            fork(connection, run, checkpoint, "one", soon()),
        ):
            pass


def test_a_checkpoint_is_usable_until_a_file_of_it_changes(run: Run) -> None:
    with template(run) as (_, machine, _):
        checkpoint = saved(run, machine)
        key = origin(checkpoint.domain).key
        checkpoint.require_usable(key)

        with pytest.raises(DamagedError, match="another key"):
            checkpoint.require_usable("another")
        for path in (checkpoint.ram, checkpoint.disk.path):
            times = path.stat().st_atime_ns, path.stat().st_mtime_ns
            os.utime(path, ns=(times[0], times[1] + 1))
            with pytest.raises(DamagedError, match=f"the file {path.name} has changed"):
                checkpoint.require_usable(key)
            os.utime(path, ns=times)
        checkpoint.state.write_bytes(b"stat\x65\x01")
        with pytest.raises(DamagedError, match="state of its devices is damaged"):
            checkpoint.require_usable(key)
        checkpoint.drop()
        with pytest.raises(DamagedError, match="cannot be read"):
            checkpoint.require_usable(key)


@pytest.mark.parametrize("written", [(), (0,), (3 << 20,), (0, 5 << 20), ((8 << 20) - 1,)])
def test_a_copy_has_the_same_bytes_and_the_holes(tmp_path: Path, written: tuple[int, ...]) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        file.truncate(8 << 20)
        for at in written:
            file.seek(at)
            file.write(b"!")

    copy_sparse(source, target, soon())

    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_blocks <= source.stat().st_blocks
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_cut_while_it_is_copied_is_an_error_and_not_a_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ram").write_bytes(b"a" * 4096)
    monkeypatch.setattr("os.sendfile", lambda *_: 0)

    with pytest.raises(OSError, match="was cut while it was copied"):
        copy_sparse(tmp_path / "ram", tmp_path / "copy", soon())
