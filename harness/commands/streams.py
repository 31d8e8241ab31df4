"""The command `node-image streams`."""

from __future__ import annotations

import click

from harness.commands.output import Output, echo, filled, output_option, usable_input

_ANSWER_S = 600.0


@click.command("streams")
@click.argument("metadata", metavar="FILE|URL", callback=filled)
@click.option("--online", is_flag=True, help="Ask each URL in it whether it answers.")
@click.option("--strict", is_flag=True, help="Count warnings as errors.")
@output_option
def check_streams(metadata: str, output: Output, *, online: bool, strict: bool) -> None:
    """Check CoreOS stream metadata.

    FILE|URL is JSON as the installer and Fedora CoreOS have it: coreos-rhel-9.json, scos.json,
    rhcos.json, fcos.json, the installer's marketplace files.

    Exit status 0 if there is no error; 1 if there is one; 2 if the file cannot be used.
    """
    from harness.contract import document, sheet
    from harness.contract.streams import stream_document
    from harness.images.acquire.answers import answers
    from harness.images.acquire.stream_metadata import load
    from harness.images.acquire.url import shown_image
    from harness.model.clock import Deadline

    with usable_input():
        limit = Deadline.after(_ANSWER_S)
        found = load(metadata, limit)
        silent = answers(stream_document.urls_of(found), limit) if online else None
    report = stream_document.document(shown_image(metadata), found, silent)
    match output:
        case Output.JSON:
            echo(document.json_text(report), nl=False)
        case Output.MARKDOWN:
            rows = map(stream_document.row, report.parts)
            findings = map(stream_document.finding_row, report.findings)
            echo("\n".join(sheet.markdown_table(stream_document.HEAD, rows)) + "\n")
            echo("\n".join(sheet.markdown_table(stream_document.FINDINGS_HEAD, findings)))
            echo(stream_document.summary(report))
        case Output.TABLE:
            echo("\n".join(stream_document.lines(report)))
    if report.is_wrong or (strict and report.findings):
        raise SystemExit(1)
