"""The temporary folder by which xdist's controller and its workers know of each other.

xdist carries no events of plugins. The folder is there before the run has one of its own.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from harness import temporary

_KEY = "node_image_meeting"
_FOLDER = pytest.StashKey[Path]()


def share(config: pytest.Config, workerinput: dict[str, object]) -> None:
    """Pass a worker the folder."""
    workerinput[_KEY] = str(of_controller(config))


def of_controller(config: pytest.Config) -> Path:
    """Return the folder of the controller, made at the first call and removed at its end."""
    if _FOLDER not in config.stash:
        made = ExitStack()
        config.add_cleanup(made.close)
        config.stash[_FOLDER] = made.enter_context(temporary.folder())
    return config.stash[_FOLDER]


def of_worker(config: pytest.Config) -> Path | None:
    """Return the folder in a worker, None in any other process."""
    given = getattr(config, "workerinput", {}).get(_KEY)
    return None if given is None else Path(given)
