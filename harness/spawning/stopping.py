"""Ask the process that owns nodes to end them."""

from __future__ import annotations

from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.errors import DeadlineError
from harness.spawning.records import STOP, SpawnRun

_LIMIT_S = 120.0
_LOOK_S = 0.1


def stop(asked: SpawnRun) -> None:
    """Ask a run to end, and wait until it is gone.

    Raises:
        DeadlineError: it still runs.
    """
    try:
        (asked.folder / STOP).touch()
    except FileNotFoundError:
        return  # it has just ended

    def look() -> None:
        if asked.folder.exists():
            raise NotYet("it still runs")

    try:
        wait_for(f"end of {asked.spawned.name}", look, Deadline.after(_LIMIT_S), _LOOK_S)
    except DeadlineError as exc:
        remedy = "Kill its process harness.spawning.owner; then run `node-image clean`."
        raise DeadlineError(exc.waited_for, exc.limit_s, exc.reason, remedy) from exc
