"""The commands that list what is built in: `node-image tables` and `scenarios`."""

from __future__ import annotations

import click

from harness.commands.output import echo, reported_errors


@click.command()
def tables() -> None:
    """List the built-in expectation tables."""
    from harness.verdict import expectations

    with reported_errors():
        for name in expectations.built_in():
            found = expectations.load(name)
            rows = len(found.rows) + len(found.contract)
            echo(f"{name:20} {rows:4} rows  {found.title}")


@click.command("scenarios")
def list_scenarios() -> None:
    """List the harness's scenarios, their needs and steps.

    `pytest --until` takes the name of a step.
    """
    from harness.player import table
    from harness.scenarios.catalogue import Catalogue

    with reported_errors():
        catalogue = Catalogue()
        for name in catalogue.names:
            for line in table.lines(catalogue.named(name)):
                echo(line)
