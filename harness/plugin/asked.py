"""What the user asked for, read once: options, scenarios, rules and allow-list.

If these cannot be used, the first problem keeps the tests from running. `state` has what a process
opens for them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from harness.model.errors import HarnessError, InputError
from harness.scenarios.catalogue import Catalogue
from harness.workplace import options
from harness.workplace.option_table import OPTIONS

if TYPE_CHECKING:
    from harness.diagnosis.allow import AllowList
    from harness.diagnosis.rules import Rulebook

_SETTINGS = pytest.StashKey[options.Settings]()
_ALLOW = pytest.StashKey["AllowList"]()
_RULES = pytest.StashKey["Rulebook"]()
_PROBLEM = pytest.StashKey[HarnessError]()


def settings_of(config: pytest.Config) -> options.Settings:
    """Return the user's options; the only place that reads them from the environment.

    Raises:
        pytest.UsageError: an option is malformed.
    """
    if _SETTINGS not in config.stash:
        ini = {option.setting: str(config.getini(option.setting)) for option in OPTIONS}
        folder = config.inipath.parent if config.inipath else config.rootpath
        try:
            found = options.read(vars(config.option), os.environ, ini, folder)
        except InputError as exc:
            raise pytest.UsageError(str(exc)) from exc
        config.stash[_SETTINGS] = found
    return config.stash[_SETTINGS]


def catalogue_of(config: pytest.Config) -> Catalogue:
    """Return the scenarios of this project: the shipped ones and its own.

    If its own cannot be used, that is noted, and they are left out.
    """
    try:
        return Catalogue.of_hooks(config.hook.pytest_node_image_scenarios(config=config))
    except InputError as exc:
        note_problem(config, exc)
        return Catalogue()


def allow_list_of(config: pytest.Config) -> AllowList:
    """Return the allow-list; without a file it is empty.

    Raises:
        pytest.UsageError: the file cannot be used.
    """
    if _ALLOW not in config.stash:
        from harness.diagnosis import allow

        path = settings_of(config).allow
        try:
            names = [rule.name for rule in rulebook_of(config).rules] if path else []
            config.stash[_ALLOW] = allow.load(path, names) if path else allow.AllowList()
        except InputError as exc:
            raise pytest.UsageError(str(exc)) from exc
    return config.stash[_ALLOW]


def rulebook_of(config: pytest.Config) -> Rulebook:
    """Return the rules of diagnosis: the project's own and the shipped ones.

    Raises:
        pytest.UsageError: a file of rules cannot be used.
    """
    if _RULES not in config.stash:
        from harness.diagnosis import rules

        try:
            config.stash[_RULES] = rules.load(settings_of(config).rules)
        except InputError as exc:
            raise pytest.UsageError(str(exc)) from exc
    return config.stash[_RULES]


def check_diagnosis(config: pytest.Config) -> None:
    """Check the rules and the allow-list before anything starts.

    Raises:
        pytest.UsageError: a file cannot be read, or an entry is malformed.
    """
    settings = settings_of(config)
    if settings.rules:
        rulebook_of(config)
    if settings.allow is not None:
        allow_list_of(config)


def is_worker(config: pytest.Config) -> bool:
    """Return whether this process runs tests for xdist's controller."""
    return hasattr(config, "workerinput")


def note_problem(config: pytest.Config, problem: HarnessError) -> None:
    """Keep the first problem, to be reported once after the collection."""
    config.stash.setdefault(_PROBLEM, problem)


def problem_of(config: pytest.Config) -> HarnessError | None:
    """Return the problem that keeps the collected tests from running, if any."""
    return config.stash.get(_PROBLEM, None)
