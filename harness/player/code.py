"""A digest of the code that brings the machines of a scenario to their steps.

What Ignition carries is in a checkpoint's key byte by byte. What the harness or a project does with
a machine by SSH is not; so the key has the code that does it.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path

from harness import folders
from harness.player.given import Given
from harness.player.scenario import Scenario
from harness.player.steps import Check

_PACKAGE = Path(folders.__file__).parent
_ROOMS = ("cluster", "guest", "machine", "model", "node", "player", "scenarios")
_FIXTURES = "guest"


def digest_of(scenario: Scenario, given: Given) -> str:
    """Return the digest: of our rooms that act on machines, and of a project's own modules."""
    found = hashlib.sha256(_shipped().encode())
    for folder in sorted(set(_folders(scenario, given))):
        if not folder.is_relative_to(_PACKAGE):
            found.update(_of_files(folder, "*.py").encode())
    return found.hexdigest()


@cache
def _shipped() -> str:
    places = (*(_PACKAGE / room for room in _ROOMS), folders.fixture(_FIXTURES))
    return " ".join(_of_files(place, "**/*") for place in places)


def _of_files(folder: Path, pattern: str) -> str:
    found = hashlib.sha256()
    for path in sorted(folder.glob(pattern)):
        if path.is_file() and "__pycache__" not in path.parts:
            content = path.read_bytes()
            found.update(f"{path.relative_to(folder)} {len(content)} ".encode())
            found.update(content)
    return found.hexdigest()


def _folders(scenario: Scenario, given: Given) -> Iterator[Path]:
    """Yield the folders of the modules that have a scenario's functions."""
    acts = (step.act for step in scenario.steps(given) if isinstance(step, Check))
    configs = (plan.config for plan in scenario.machines)
    services = (service.run for service in scenario.services)
    for function in (scenario.steps, *acts, *configs, *services):
        for part in _parts(function):
            yield Path(_file_of(part)).parent


def _parts(function: object) -> Iterator[object]:
    """Yield a function, or those that a partial one is made of."""
    if not isinstance(function, partial):
        yield inspect.unwrap(function) if callable(function) else function
        return
    for part in (function.func, *function.args, *function.keywords.values()):
        if callable(part):
            yield from _parts(part)


def _file_of(function: object) -> str:
    if inspect.isfunction(function) or inspect.ismethod(function) or inspect.isclass(function):
        return inspect.getfile(function)
    return inspect.getfile(type(function))
