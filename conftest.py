"""Makes testinfra's `host` the node instead of the workstation, and loads the goldens."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from testinfra.host import Host

_SHORT_BYTES = 64

try:
    from hypothesis import settings
except ImportError:  # `tox -e boot` and `tox -e contract` lack what only unit tests need
    pass
else:
    # The same inputs each time: what a change breaks is red at once, and nothing else is. New ones
    # are tried by `tox -e fuzz`.
    settings.register_profile("fixed", derandomize=True, deadline=None)
    settings.load_profile("fixed")
pytest_plugins = ("goldens", "standin_images.default")


@pytest.fixture(scope="session")
def host(node_host: Host) -> Host:
    """Testinfra's host for the node after live-apply."""
    return node_host


def pytest_collection_finish() -> None:
    """Keep Python's collector from walking everything that was collected, again and again."""
    gc.freeze()


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their number: packed ones have a time, and workers must agree on the names."""
    if not isinstance(val, bytes) or (val.isascii() and len(val) <= _SHORT_BYTES):
        return None
    return f"{len(val)}-bytes"
