"""The registry of a kept checkpoint is served again: which port is taken, and which cannot be."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from machine_fakes import make_run

from harness.images.container.registry import free_port
from harness.model.drawn import Drawing
from harness.model.secret import Secret
from harness.workplace.registry import _Ports


def drawings(port: str) -> tuple[Drawing, ...]:
    return (("port", Secret(port)), ("key", Secret(f"of {port}")))


@pytest.mark.parametrize(
    "unusable",
    [(), (("key", Secret("a")),), *map(drawings, ("", "x", "-1", "1.5", "65536", "9" * 5000))],
    ids=lambda given: dict(given)["port"].reveal() if "port" in dict(given) else f"{len(given)}",
)
def test_a_port_that_there_cannot_be_is_passed_over(
    tmp_path: Path, unusable: tuple[Drawing, ...]
) -> None:
    usable = drawings(str(free_port()))
    with ExitStack() as stack:
        ports = _Ports(stack, make_run(tmp_path, "run-000001"))

        assert ports.first_free([unusable]) == ()
        assert ports.first_free([unusable, usable]) == usable
        assert str(ports.choose()) == dict(usable)["port"].reveal()


def test_the_first_free_port_is_taken_and_none_if_all_are_in_use(tmp_path: Path) -> None:
    usable = drawings(str(free_port()))
    with socket.create_server(("127.0.0.1", 0)) as server, ExitStack() as stack:
        taken = drawings(str(server.getsockname()[1]))
        ports = _Ports(stack, make_run(tmp_path, "run-000001"))

        assert ports.first_free([taken]) is None
        assert ports.first_free([taken, usable]) == usable
