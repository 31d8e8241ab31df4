"""Where files live: the data shipped with the harness, the user's cache, and short run roots."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_PACKAGE = Path(__file__).parent


def fixture(name: str) -> Path:
    """Return the path of a shipped data file, such as `expectations/ocp-4.19.toml`.

    An installed wheel carries `fixtures/` inside the package; a checkout has it at the top.
    """
    packaged = _PACKAGE / "fixtures"
    return (packaged if packaged.is_dir() else _PACKAGE.parent / "fixtures") / name


def cache_dir() -> Path:
    """Return the cache folder, made if needed."""
    path = cache_path()
    path.mkdir(parents=True, exist_ok=True)
    return path


def cache_path() -> Path:
    """Return where the cache folder is or will be: `$XDG_CACHE_HOME/pytest-node-image`."""
    base = os.environ.get("XDG_CACHE_HOME") or os.fspath(Path.home() / ".cache")
    return Path(base) / "pytest-node-image"


def runs_dir() -> Path:
    """Return the folder that holds one private folder per run; owned by the user, mode 0700.

    It is short on purpose: libvirt puts unix sockets below it, whose paths end at 108 bytes.
    """
    path = Path(tempfile.gettempdir()) / f"node-image-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    return path
