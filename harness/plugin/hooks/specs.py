"""The hook that the plugin offers to projects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.player.scenario import Scenario


@pytest.hookspec
def pytest_node_image_scenarios(config: pytest.Config) -> Iterable[Scenario]:  # type: ignore[empty-body]
    """Return scenarios of the project's own, to be named with `--scenario`."""
