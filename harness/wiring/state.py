"""What the plugin keeps on pytest's config: one set of settings, one workplace, one problem."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from harness.model.errors import HarnessError, InputError
from harness.wiring import options
from harness.wiring.collection import Catalogue
from harness.wiring.progress import Teller

if TYPE_CHECKING:
    from harness.wiring.workplace import Workplace

LOG = logging.getLogger(__name__)
_SETTINGS = pytest.StashKey[options.Settings]()
_WORKPLACE = pytest.StashKey["Workplace"]()
_PROBLEM = pytest.StashKey[HarnessError]()
_TROUBLE = pytest.StashKey[HarnessError]()


def settings_of(config: pytest.Config) -> options.Settings:
    """Return what the user asked for; the only place that takes options from the environment.

    Raises:
        pytest.UsageError: an option is malformed.
    """
    if _SETTINGS not in config.stash:
        ini = {option.setting: str(config.getini(option.setting)) for option in options.OPTIONS}
        folder = config.inipath.parent if config.inipath else config.rootpath
        try:
            found = options.read(vars(config.option), os.environ, ini, folder)
        except InputError as exc:
            raise pytest.UsageError(str(exc)) from exc
        config.stash[_SETTINGS] = found
    return config.stash[_SETTINGS]


def catalogue_of(config: pytest.Config) -> Catalogue:
    """Return the scenarios that can be asked for in this project."""
    added = config.hook.pytest_node_image_scenarios(config=config)
    return Catalogue(scenario for listed in added for scenario in listed)


def workplace_of(config: pytest.Config) -> Workplace:
    """Return the workplace of this process, made on first use; nothing in it is open yet.

    Raises:
        HarnessError: what the check met; a build or download that failed is not tried again.
    """
    if (trouble := config.stash.get(_TROUBLE, None)) is not None:
        raise trouble.with_traceback(None)
    if _WORKPLACE not in config.stash:
        from harness.wiring.workplace import Workplace

        config.stash[_WORKPLACE] = Workplace(settings_of(config), Teller(config))
    return config.stash[_WORKPLACE]


def workplace_if_any(config: pytest.Config) -> Workplace | None:
    """Return the workplace if a test of this process asked for it."""
    return config.stash.get(_WORKPLACE, None)


def note_problem(config: pytest.Config, problem: HarnessError) -> None:
    """Keep the first problem, to be told once when the collection is over."""
    config.stash.setdefault(_PROBLEM, problem)


def problem_of(config: pytest.Config) -> HarnessError | None:
    """Return the problem that keeps the collected tests from running, if any."""
    return config.stash.get(_PROBLEM, None)


def check_once(config: pytest.Config) -> None:
    """Check all inputs, and note what is wrong with what the user named.

    Other trouble is kept for `workplace_of`, and so every test that needs it errors with it.
    """
    if problem_of(config) is not None:
        return
    try:
        workplace_of(config).check()
    except InputError as exc:
        note_problem(config, exc)
    except HarnessError as exc:
        LOG.info("the check before the first test failed", exc_info=True)
        config.stash[_TROUBLE] = exc
