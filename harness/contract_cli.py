"""The commands of `node-image` that read images and boot nothing."""

from __future__ import annotations

import click


def register(main: click.Group) -> None:
    """Add the commands to `node-image`."""
