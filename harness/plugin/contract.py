"""The plugin's part for contract tests: which tests these are, their images, and their table."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from harness.model.errors import HarnessError, InputError
from harness.plugin import progress
from harness.plugin.asked import note_problem, settings_of
from harness.plugin.state import (
    artifacts_of,
    contract_if_any,
    keep_contract,
    unchecked_workplace,
    workplace_of,
)

if TYPE_CHECKING:
    from harness.verdict.expectations import Expectations
    from harness.workplace.contract import ContractImages

LOG = logging.getLogger(__name__)
MARKER = "contract"
FIXTURES = frozenset({"contract_images", "image_verdict"})


def is_contract(item: pytest.Item) -> bool:
    """Return whether a test judges images; other tests may have a marker of this name."""
    return not FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


def contract_of(config: pytest.Config) -> ContractImages:
    """Return the images of contract tests; nothing is read yet.

    A problem of the machines does not concern them.
    """
    found = contract_if_any(config)
    if found is not None:
        return found
    from harness.workplace.contract import ContractImages

    artifacts = artifacts_of(config)
    report = progress.reporter(config, artifacts)
    ready = unchecked_workplace(config).preparation
    return keep_contract(config, ContractImages(ready, report, artifacts.today))


def check(config: pytest.Config) -> None:
    """Check the images of contract tests, and note a problem of what the user gave.

    Any other problem is an error of each test.
    """
    try:
        contract_of(config).check()
    except InputError as exc:
        note_problem(config, exc)
    except HarnessError:
        LOG.info("the check before the first contract test failed", exc_info=True)


def table_for(metafunc: pytest.Metafunc) -> Expectations | None:
    """Return the table whose rows a test gets; None where there is nothing to boot.

    Such a test is deselected by `-m contract`, or else refused once the collection is complete.
    """
    settings = settings_of(metafunc.config)
    if not FIXTURES.isdisjoint(metafunc.fixturenames):
        return contract_of(metafunc.config).expectations
    if settings.has_node_image and settings.bootimage is None:
        return None
    return workplace_of(metafunc.config).preparation.expectations


def facts(item: pytest.Item) -> dict[str, str]:
    """Return what a test of images is about, as name and value; nothing for any other test."""
    return contract_of(item.config).provenance() if is_contract(item) else {}


def header(config: pytest.Config) -> list[str]:
    """Return the lines for the start of a run without machines."""
    found = contract_if_any(config)
    said = found.provenance() if found else {}
    return [f"{name.replace('_', ' ')}: {value}" for name, value in said.items()]
