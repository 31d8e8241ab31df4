"""The throwaway project as a fixture; a module of its own, since pytest imports it as a plugin."""

from __future__ import annotations

from pathlib import Path

import pytest
from throwaway import Project


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache folder for all projects, so that KVM is probed once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def project(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, shared_cache: Path
) -> Project:
    """Return a project that only has the plugin installed."""
    return Project(pytester, monkeypatch, shared_cache)
