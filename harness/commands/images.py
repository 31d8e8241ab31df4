"""The options that every command has which reads images, and how it opens them."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from harness.commands.output import FILE, filled, say

if TYPE_CHECKING:
    from harness.contract.reading.access import Access
    from harness.model.clock import Deadline

_CERTIFICATES = (".crt", ".cert", ".key")
"""What skopeo reads in a folder of certificates. Source: containers-certs.d(5)."""
READ_S = 3600.0
"""For all images of a command, by a slow connection."""
_Command = TypeVar("_Command", bound=Callable[..., object])


def access_options(command: _Command) -> _Command:
    """Add `--arch`, `--authfile` and `--cert-dir`, as arguments of `opened_access`."""
    for option in (
        click.option(
            "--cert-dir", type=FILE, metavar="FOLDER", help="CA certificates of the registry."
        ),
        click.option(
            "--authfile", type=FILE, metavar="PATH", envvar="NODE_IMAGE_AUTHFILE",
            help="Credentials for registries, such as a pull secret.",
        ),
        click.option(
            "--arch", metavar="ARCH", default=platform.machine(), callback=filled,
            help="Architecture to read, as `uname -m` prints it. Default: the host's.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


@contextmanager
def opened_access(
    arch: str, authfile: Path | None, cert_dir: Path | None
) -> Iterator[tuple[Access, Deadline]]:
    """Provide the access to images with the user's cache of answers, and the limit of time.

    Raises:
        InputError: a file of credentials or a folder of certificates cannot be read, even if the
            images do not need it.
    """
    from harness import regular_file
    from harness.contract.reading.access import Access, answers_of_user
    from harness.model.clock import Deadline

    if authfile is not None:
        regular_file.text(authfile, "Name a readable file with --authfile.")
    if cert_dir is not None:
        _require_certificates(cert_dir)
    with answers_of_user(say) as cache:
        access = Access(arch=arch, authfile=authfile, cert_dir=cert_dir, cache=cache, report=say)
        yield access, Deadline.after(READ_S)


def _require_certificates(folder: Path) -> None:
    """Require a folder whose certificates are files: skopeo would wait for the end of a FIFO."""
    from harness import regular_file
    from harness.model.errors import InputError

    try:
        for path in folder.iterdir():
            if path.suffix in _CERTIFICATES:
                regular_file.require(path)
    except OSError as exc:
        problem = f"cannot be read: {exc.strerror}"
        remedy = "Name a folder of certificates with --cert-dir."
        raise InputError(exc.filename or str(folder), problem, remedy) from exc
