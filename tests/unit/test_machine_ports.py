from __future__ import annotations

import socket
from pathlib import Path

import pytest
from machine_fakes import FakeClock

from harness.machine.ownership.locks import lock, try_lock
from harness.machine.ownership.ports import PORTS, reserve_port
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, RigError


def test_lock_is_refused_until_it_is_closed(tmp_path: Path) -> None:
    first = try_lock(tmp_path / "lock")
    assert first is not None
    assert try_lock(tmp_path / "lock") is None

    first.close()

    again = try_lock(tmp_path / "lock")
    assert again is not None
    again.close()


def test_waiting_for_a_lock_is_bounded(tmp_path: Path) -> None:
    deadline = Deadline.after(1, FakeClock())

    with (
        lock(tmp_path / "lock", deadline),
        pytest.raises(DeadlineError, match="another process has it"),
    ):
        lock(tmp_path / "lock", deadline)


def test_a_port_is_reserved_once(tmp_path: Path) -> None:
    with reserve_port(tmp_path, range(20000, 20400)) as first:
        taken = range(first, first + 1)
        with pytest.raises(RigError), reserve_port(tmp_path, taken):
            pass

    with reserve_port(tmp_path, taken) as second:
        assert second == first


def test_port_in_use_is_skipped(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]

        with (
            pytest.raises(RigError, match=str(port)),
            reserve_port(tmp_path, range(port, port + 1)),
        ):
            pass


def test_ports_lie_below_the_ephemeral_ones() -> None:
    assert PORTS.stop <= 32768


def test_a_port_whose_server_has_just_ended_is_free(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            server.accept()[0].close()  # closed first, so this end waits (TIME_WAIT)
            assert client.recv(1) == b""
        with pytest.raises(RigError), reserve_port(tmp_path, range(port, port + 1)):
            pass

    with reserve_port(tmp_path, range(port, port + 1)) as found:
        assert found == port
