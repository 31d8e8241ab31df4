"""The options that every command has which reads images, and how it opens them."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from harness.commands.output import say

if TYPE_CHECKING:
    from harness.contract.reading.access import Access
    from harness.model.clock import Deadline

READ_S = 3600.0
"""For all images of a command, by a slow connection."""
_Command = TypeVar("_Command", bound=Callable[..., object])
_FILE = click.Path(path_type=Path)


def access_options(command: _Command) -> _Command:
    """Add `--arch`, `--authfile` and `--cert-dir`, as arguments of `opened_access`."""
    for option in (
        click.option(
            "--cert-dir", type=_FILE, metavar="FOLDER", help="CA certificates of the registry."
        ),
        click.option(
            "--authfile", type=_FILE, metavar="PATH", envvar="NODE_IMAGE_AUTHFILE",
            help="Credentials for registries, such as a pull secret.",
        ),
        click.option(
            "--arch", metavar="ARCH", default=platform.machine(),
            help="Architecture to read, as `uname -m` prints it. Default: the host's.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


@contextmanager
def opened_access(
    arch: str, authfile: Path | None, cert_dir: Path | None
) -> Iterator[tuple[Access, Deadline]]:
    """Provide the access to images with the user's cache of answers, and the limit of time."""
    from harness.contract.reading.access import Access, answers_of_user
    from harness.model.clock import Deadline

    with answers_of_user(say) as cache:
        access = Access(arch=arch, authfile=authfile, cert_dir=cert_dir, cache=cache, report=say)
        yield access, Deadline.after(READ_S)
