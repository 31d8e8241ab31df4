"""The command `node-image diff`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands.images import access_options, opened_access
from harness.commands.output import Output, echo, output_option, rendered, usable_input


@click.command("diff")
@click.argument("old")
@click.argument("new")
@click.option("--os-stream", metavar="NAME", default="", help="Compare one stream of releases.")
@click.option("--files", "has_files", is_flag=True, help="Compare all files as well.")
@click.option(
    "--quick", is_flag=True,
    help="Read labels and metadata layers only: kilobytes, but no os-release.",
)  # fmt: skip
@access_options
@output_option
def show_diff(
    old: str, new: str, os_stream: str, arch: str, authfile: Path | None, cert_dir: Path | None,
    output: Output, *, has_files: bool, quick: bool,
) -> None:  # fmt: skip
    """Compare node images, or those of two releases.

    OLD and NEW are references with a transport, as docker://… or oci:…. Of a release, the node
    image of each stream is compared. Packages are compared by name and architecture, in RPM's
    order; os-release, labels, kernel, size and layers as well.

    Exit status 0 if there is no difference; 1 if there is one; 2 if the images cannot be read or
    compared.
    """
    from harness.contract.comparing.diff_document import sections
    from harness.contract.comparing.diffing import compare
    from harness.contract.inspection import Depth

    with usable_input(), opened_access(arch, authfile, cert_dir) as (access, limit):
        found = compare(
            (old, new), access, limit,
            depth=Depth.QUICK if quick else Depth.DEEP, stream=os_stream, has_files=has_files,
        )  # fmt: skip
    echo(rendered(found, sections(found), output), nl=False)
    if found.is_different:
        raise SystemExit(1)
