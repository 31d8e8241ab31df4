"""Replaces testinfra's `host`, which means the workstation, by the node; nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from testinfra.host import Host


@pytest.fixture(scope="session")
def host(node_host: Host) -> Host:
    """Testinfra's host for the node after live-apply."""
    return node_host
