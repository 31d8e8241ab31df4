"""The command `node-image inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.commands.images import access_options, opened_access
from harness.commands.output import Output, echo, output_option, usable_input

if TYPE_CHECKING:
    from harness.contract.inspection import Inspection
    from harness.contract.reading.access import Access
    from harness.contract.reading.inspect_document import InspectReport
    from harness.model.clock import Deadline


@click.command("inspect")
@click.argument("subject", metavar="REF|BOOTIMAGE")
@click.option("--deep", "is_deep", is_flag=True, help="Read the rpm database and os-release.")
@click.option(
    "--verify",
    "verifies",
    is_flag=True,
    help="Compare the metadata layer with the rpm database. Includes --deep.",
)
@click.option("--base-image", metavar="REF", help="CoreOS base image that the image is built on.")
@click.option("--bootc-image", metavar="REF", help="Image of RHEL that CoreOS is built on.")
@access_options
@output_option
def inspect_image(
    subject: str,
    base_image: str | None,
    bootc_image: str | None,
    arch: str,
    authfile: Path | None,
    cert_dir: Path | None,
    output: Output,
    *,
    is_deep: bool,
    verifies: bool,
) -> None:
    """Show what an image or a bootimage contains. Nothing boots.

    REF is a reference such as docker://, oci: or oci-archive:. BOOTIMAGE is a path or URL of a
    qcow2 or raw disk image.

    Without --deep, only labels and the small metadata layer of an image are read. With
    --base-image, each package has its layer: node or CoreOS, and bootc with --bootc-image.

    Exit status 0; 1 if --verify finds that metadata is missing, misplaced or stale, or that the
    image is not built on --base-image; 2 if an image cannot be used.
    """  # fmt: skip
    with usable_input(), opened_access(arch, authfile, cert_dir) as (access, limit):
        report = _report(
            subject, (base_image, bootc_image), access, limit,
            is_deep=is_deep or verifies, verifies=verifies,
        )  # fmt: skip
    _print(report, output)
    if verifies and report.problems:
        raise SystemExit(1)


def _report(
    subject: str, below: tuple[str | None, str | None], access: Access, limit: Deadline,
    *, is_deep: bool, verifies: bool,
) -> InspectReport:  # fmt: skip
    from harness.contract.inspection import Depth
    from harness.contract.package_layers import package_layers, why_not_base
    from harness.contract.reading.inspect import inspect, verify
    from harness.contract.reading.inspect_document import document

    found = inspect(subject, Depth.DEEP if is_deep else Depth.QUICK, access, limit)
    base, bootc = (_with_packages(one, access, limit) for one in below)
    layers = package_layers(
        found.packages or (), base.packages if base else None, bootc.packages if bootc else None
    )
    problems = found.problems
    if verifies and found.layers:
        problems = verify(inspect(subject, Depth.QUICK, access, limit), found)
    other = why_not_base(found, base) if base and found.layers else None
    return document(found, layers, (*problems, *((other,) if other else ())))


def _with_packages(subject: str | None, access: Access, limit: Deadline) -> Inspection | None:
    """Return an inspection that has packages: a quick one if the image lists them."""
    from harness.contract.inspection import Depth
    from harness.contract.reading.inspect import inspect

    if subject is None:
        return None
    quick = inspect(subject, Depth.QUICK, access, limit)
    return quick if quick.packages is not None else inspect(subject, Depth.DEEP, access, limit)


def _print(report: InspectReport, output: Output) -> None:
    from harness.contract import document
    from harness.contract.reading import inspect_document

    match output:
        case Output.JSON:
            echo(document.json_text(report), nl=False)
        case Output.MARKDOWN:
            echo("\n".join(inspect_document.markdown(report)))
        case Output.TABLE:
            echo("\n".join(inspect_document.lines(report)))
