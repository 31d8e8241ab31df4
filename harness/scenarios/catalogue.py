"""All scenarios: one module of this room each, and those that a project adds.

A scenario's module has one public value, `SCENARIO`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from harness.model.errors import InputError
from harness.player.scenario import NODE_LEVELS, Scenario

EVERY_SCENARIO = "all"
_HOOK = "pytest_node_image_scenarios"
_DEFINES = re.compile(r"^SCENARIO\b", re.MULTILINE)


class Catalogue:
    """All scenarios by name; `added` are a project's own."""

    def __init__(self, added: Iterable[Scenario] = ()) -> None:
        self._added = {scenario.name: scenario for scenario in added}

    @classmethod
    def of_hooks(cls, results: Iterable[object]) -> Catalogue:
        """Return the catalogue with what the calls of the hook for scenarios returned.

        Raises:
            InputError: a result is not a list of scenarios, or a name is taken.
        """
        found: dict[str, Scenario] = {}
        for result in results:
            for scenario in _scenarios_in(result):
                if scenario.name in found:
                    problem = f"two scenarios are called {scenario.name!r}"
                    raise InputError(_HOOK, problem, "Rename one, or list it once.")
                if scenario.name in (*_modules(), EVERY_SCENARIO):
                    problem = f"the name {scenario.name!r} is one of the harness's own"
                    raise InputError(_HOOK, problem, "Rename the scenario.")
                found[scenario.name] = scenario
        return cls(found.values())

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
        self._require_taken("--bootstrap-ignition", names, lambda one: one.takes_installer_config)

    def require_live_config_taken(self, names: Sequence[str]) -> None:
        """Return if each of the scenarios boots the config given with --live-ignition.

        Raises:
            InputError: one would ignore it.
        """
        self._require_taken("--live-ignition", names, lambda one: one.live_config is not None)

    def _require_taken(
        self, option: str, names: Sequence[str], takes: Callable[[Scenario], bool]
    ) -> None:
        others = [name for name in names if not takes(self.named(name))]
        if others:
            takers = [name for name in self.names if takes(self.named(name))]
            raise InputError(
                option, f"not supported by the scenario {', '.join(others)}",
                f"Remove the option, or run one of: {', '.join(takers)}.",
            )  # fmt: skip


def _scenarios_in(result: object) -> Iterator[Scenario]:
    if isinstance(result, Scenario) or not isinstance(result, Iterable):
        problem = f"returns {type(result).__name__} instead of a list"
        raise InputError(_HOOK, problem, "Make it return a list, such as [SCENARIO].")
    for one in result:
        if not isinstance(one, Scenario):
            problem = f"lists {type(one).__name__} instead of Scenario"
            raise InputError(_HOOK, problem, "Use only values of harness.Scenario.")
        yield one


@cache
def _modules() -> dict[str, str]:
    # By their text: a list of names must not import them all.
    return {
        path.stem: f"{__package__}.{path.stem}"
        for path in Path(__file__).parent.glob("*.py")
        if _DEFINES.search(path.read_text(encoding="utf-8"))
    }
