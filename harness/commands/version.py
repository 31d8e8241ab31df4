"""The command `node-image version`."""

from __future__ import annotations

from itertools import pairwise

import click

from harness.commands.output import Output, echo, output_option, usable_input
from harness.model.errors import InputError
from harness.model.versions.version import Version, parse
from harness.model.versions.version_order import compare, sorted_by_order


@click.command("version")
@click.argument("texts", metavar="TEXT...", nargs=-1, required=True)
@click.option("--ocp", "wants_ocp", is_flag=True, help="Print only the OpenShift versions.")
@click.option("--sort", "sorts", is_flag=True, help="Print only the versions, the oldest first.")
@output_option
def explain(texts: tuple[str, ...], output: Output, *, wants_ocp: bool, sorts: bool) -> None:
    """Show the parts of CoreOS versions, and which is newer.

    Versions of different schemes have no common order. The column SEMVER says whether Semantic
    Versioning can read the version; it may order versions in another way.

    --ocp and --sort print lines only. JSON has the same without them, as `openshift` and `orders`.

    Exit status 0; 2 if a text is not a version, if one has no OpenShift version (--ocp), or if the
    versions have no common order (--sort).
    """
    with usable_input():
        _require_one_form(output, wants_ocp=wants_ocp, sorts=sorts)
        versions = [parse(text) for text in texts]
        if wants_ocp:
            echo("\n".join(version.openshift for version in versions))
        elif sorts:
            echo("\n".join(map(str, _sorted(versions))))
        else:
            echo(_rendered(versions, output), nl=False)


def _require_one_form(output: Output, *, wants_ocp: bool, sorts: bool) -> None:
    """Refuse several forms of output: all but one would be ignored."""
    if wants_ocp and sorts:
        raise InputError("--ocp and --sort", "two forms of output", "Use one of them.")
    if (wants_ocp or sorts) and output is not Output.TABLE:
        option = "--ocp" if wants_ocp else "--sort"
        remedy = f"Remove {option} or --output; JSON has `openshift` and `orders` for this."
        raise InputError(f"{option} and --output {output}", "two forms of output", remedy)


def _sorted(versions: list[Version]) -> list[Version]:
    for one, other in pairwise(versions):
        compare(one, other)
    (found,) = sorted_by_order(versions).values()
    return found


def _rendered(versions: list[Version], output: Output) -> str:
    from harness.contract import document, sheet, version_document

    found = version_document.document(versions)
    match output:
        case Output.JSON:
            return document.json_text(found)
        case Output.MARKDOWN:
            rows = map(version_document.row, found.versions)
            lines = sheet.markdown_table(version_document.HEAD, rows)
        case Output.TABLE:
            lines = version_document.lines(found)
    return "".join(f"{line}\n" for line in lines)
