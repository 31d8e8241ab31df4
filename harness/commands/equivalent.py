"""The command `node-image equivalent`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands.images import access_options, opened_access
from harness.commands.output import FILE, Output, echo, output_option, rendered, usable_input


@click.command("equivalent")
@click.argument("legacy")
@click.argument("layered")
@click.option(
    "--rules", type=FILE, metavar="FILE",
    help="Rules (TOML) of what may differ. Default: the reviewed ones, fixtures/equivalence.toml.",
)  # fmt: skip
@access_options
@output_option
def prove_equivalent(
    legacy: str, layered: str, rules: Path | None, arch: str, authfile: Path | None,
    cert_dir: Path | None, output: Output,
) -> None:  # fmt: skip
    """Compare all contents of a layered image with a legacy one.

    LEGACY and LAYERED are references with a transport, as docker://… or oci:…. All files of both
    are compared: type, mode, owner, content, link target, device and extended attributes; and the
    packages. Every difference that no rule explains is printed, and each rule that matches nothing.

    Exit status 0 if the rules explain every difference; 1 if not; 2 if something cannot be read.
    """
    from harness.contract.proof.equivalence import sections
    from harness.contract.proof.equivalence_rules import load
    from harness.contract.proof.proving import prove

    with usable_input():
        reviewed = load(rules)  # first, since images take longer
        with opened_access(arch, authfile, cert_dir) as (access, limit):
            found = prove(legacy, layered, reviewed, access, limit)
    echo(rendered(found, sections(found), output), nl=False)
    if not found.is_equivalent:
        raise SystemExit(1)
