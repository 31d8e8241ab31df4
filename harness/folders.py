"""Where files are: shipped data, the user's cache, and the folder of runs."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from harness.model.errors import InputError

_PACKAGE = Path(__file__).parent
_BLOCK_BYTES = 512
_OTHER_CACHE = "Set XDG_CACHE_HOME to a writable folder."


def fixture(name: str) -> Path:
    """Return the path of a shipped data file, such as `expectations/ocp-4.19.toml`.

    A wheel has `fixtures/` inside the package, a checkout at the top.
    """
    packaged = _PACKAGE / "fixtures"
    return (packaged if packaged.is_dir() else _PACKAGE.parent / "fixtures") / name


def expanded(text: str) -> Path:
    """Return the path that a user named, with `~` as a home; that of no user stays as it is."""
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def cache_dir() -> Path:
    """Return the cache folder; make it if it is missing.

    Raises:
        InputError: it cannot be made.
    """
    path = cache_path()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InputError(
            f"cache folder {path}", f"cannot be created: {exc.strerror}", _OTHER_CACHE
        ) from exc
    return path


def cache_path() -> Path:
    """Return the path of the cache folder: `$XDG_CACHE_HOME/pytest-node-image`.

    A relative path in the variable is ignored, as the XDG Base Directory Specification says.

    Raises:
        InputError: the variable is not set, and the user has no home.
    """
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if base.is_absolute():
        return base / "pytest-node-image"
    try:
        return Path.home() / ".cache/pytest-node-image"
    except RuntimeError as exc:
        raise InputError("cache folder", "this user has no home folder", _OTHER_CACHE) from exc


def runs_dir() -> Path:
    """Return the folder, of mode 0700, that contains the private folders of this user's runs.

    Its path is short: libvirt has unix sockets below it, whose paths are limited to 108 bytes.

    Raises:
        InputError: it cannot be made.
    """
    name = f"node-image-{os.getuid()}"
    try:
        path = Path(tempfile.gettempdir()) / name
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        raise InputError(
            f"folder for runs {name}", f"cannot be created: {exc.strerror}",
            "Set TMPDIR to a writable folder with a short path.",
        ) from exc  # fmt: skip
    return path


def disk_bytes(folder: Path) -> int:
    """Return the space that all files below a folder take on its disk; others may remove some."""
    found = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            found += path.lstat().st_blocks * _BLOCK_BYTES
    return found
