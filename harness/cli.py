"""The command `node-image`, which runs without pytest. click prints its output.

The commands are in `commands` and `spawning`. Each imports what it needs when it runs: to load all
of it takes longer than some commands.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback

import click

from harness.commands import (
    diff,
    equivalent,
    host,
    inspect,
    listings,
    reports,
    stale,
    streams,
    texts,
    version,
)
from harness.log_records import inert_records
from harness.spawning.command import spawn
from harness.spawning.nodes import nodes


class _Commands(click.Group):
    """Ends with 1 only if that is the result of a command, as "there are differences" is."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; 2 after an unexpected error, 130 after Ctrl-C, 141 if no one reads."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            raise click.exceptions.Exit(128 + signal.SIGINT) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the last flush
            raise click.exceptions.Exit(128 + signal.SIGPIPE) from None
        except Exception:
            traceback.print_exc()
            raise click.exceptions.Exit(2) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pytest-node-image", message="%(package)s %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Log each action and each program that runs.")
def main(*, verbose: bool) -> None:
    """Tools for boot tests of layered OpenShift node images. The tests run with pytest."""
    click.get_current_context().with_resource(inert_records())
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.WARNING, format="%(name)s: %(message)s"
    )


for _command in (
    host.examine, host.clean, host.standin,
    listings.tables, listings.list_scenarios,
    reports.compare_runs, reports.show_history, reports.report,
    texts.lint_configs, texts.diagnose,
    inspect.inspect_image, version.explain, diff.show_diff, equivalent.prove_equivalent,
    streams.check_streams, stale.show_stale,
    spawn, nodes,
):  # fmt: skip
    main.add_command(_command)
