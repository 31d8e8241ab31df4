"""Makes testinfra's `host` the node instead of the workstation, and loads the goldens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from testinfra.host import Host

_SHORT_BYTES = 64
pytest_plugins = ("goldens", "standin_images.default")


@pytest.fixture(scope="session")
def host(node_host: Host) -> Host:
    """Testinfra's host for the node after live-apply."""
    return node_host


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their number: packed ones have a time, and workers must agree on the names."""
    return f"{len(val)}-bytes" if isinstance(val, bytes) and len(val) > _SHORT_BYTES else None
