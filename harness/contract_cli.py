"""The commands of `node-image` that read images and boot nothing."""

from __future__ import annotations

import click

from harness.commands import diff, equivalent, inspect, stale, streams, version


def register(main: click.Group) -> None:
    """Add the commands to `node-image`."""
    main.add_command(inspect.inspect_image)
    main.add_command(version.explain)
    main.add_command(diff.show_diff)
    main.add_command(equivalent.prove_equivalent)
    main.add_command(streams.check_streams)
    main.add_command(stale.show_stale)
