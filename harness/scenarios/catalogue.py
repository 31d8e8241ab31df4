"""All scenarios: one module of this room each, and those that a project adds.

A scenario's module has one public value, `SCENARIO`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from harness.model.errors import InputError
from harness.player.scenario import NODE_LEVELS, Scenario

EVERY_SCENARIO = "all"
_DEFINES = re.compile(r"^SCENARIO\b", re.MULTILINE)


class Catalogue:
    """All scenarios by name; `added` are a project's own."""

    def __init__(self, added: Iterable[Scenario] = ()) -> None:
        self._added = {scenario.name: scenario for scenario in added}

    @property
    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted({*_modules(), *self._added}))

    def named(self, name: str) -> Scenario:
        """Return the scenario `name`, one of `names`.

        Raises:
            InputError: it is unknown, or a project's own that names an unknown level of readiness.
        """
        added = self._added.get(name)
        if added is None:
            self.chosen((name,))
            scenario: Scenario = importlib.import_module(_modules()[name]).SCENARIO
            return scenario
        if unknown := [level for level in added.levels if level not in NODE_LEVELS]:
            problem = f"unknown level of readiness {', '.join(unknown)}"
            raise InputError(f"scenario {name}", problem, f"Use some of: {', '.join(NODE_LEVELS)}.")
        return added

    def chosen(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Return the names that `wanted` selects, `all` expanded.

        Raises:
            InputError: one is unknown.
        """
        if EVERY_SCENARIO in wanted:
            return self.names
        for name in wanted:
            if name not in self.names:
                known = ", ".join((*self.names, EVERY_SCENARIO))
                raise InputError(f"scenario {name}", "unknown scenario", f"Use some of: {known}.")
        return tuple(wanted)

    def require_installer_config_taken(self, names: Sequence[str]) -> None:
        """Return if each of the scenarios boots the config given with --bootstrap-ignition.

        Raises:
            InputError: one would ignore it.
        """
        others = [name for name in names if not self.named(name).takes_installer_config]
        if others:
            takers = [name for name in self.names if self.named(name).takes_installer_config]
            raise InputError(
                "--bootstrap-ignition", f"not supported by the scenario {', '.join(others)}",
                f"Remove the option, or run one of: {', '.join(takers)}.",
            )  # fmt: skip


@cache
def _modules() -> dict[str, str]:
    # By their text: a list of names must not import them all.
    return {
        path.stem: f"{__package__}.{path.stem}"
        for path in Path(__file__).parent.glob("*.py")
        if _DEFINES.search(path.read_text(encoding="utf-8"))
    }
