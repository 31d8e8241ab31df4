"""Makes testinfra's `host` the node instead of the workstation, and loads the goldens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from testinfra.host import Host

pytest_plugins = ("goldens", "standin_images.default")


@pytest.fixture(scope="session")
def host(node_host: Host) -> Host:
    """Testinfra's host for the node after live-apply."""
    return node_host
