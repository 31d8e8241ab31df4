"""Replaces testinfra's `host`, which means the workstation, by the node; has goldens updated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from testinfra.host import Host

pytest_plugins = ("goldens",)


@pytest.fixture(scope="session")
def host(node_host: Host) -> Host:
    """Testinfra's host for the node after live-apply."""
    return node_host
