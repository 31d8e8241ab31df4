from __future__ import annotations

import json
from pathlib import Path

from harness.images.container.registry import configuration


def test_the_registry_listens_on_the_loopback_alone() -> None:
    settings = json.loads(configuration(Path("/run/x: y"), 5001))

    assert settings["http"]["addr"] == "127.0.0.1:5001"
    assert settings["http"]["tls"]["key"] == "/run/x: y/server.key"
    assert "debug" not in settings["http"]
    assert set(settings) == {"version", "log", "storage", "http"}
