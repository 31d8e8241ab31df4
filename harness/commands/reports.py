"""The commands about runs that are over: `node-image compare`, `history` and `report`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.commands.output import FILE, echo, usable_input
from harness.model.errors import InputError
from harness.model.escapes import json_escaped, json_values, one_line


@click.command("compare")
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def compare_runs(*, old: Path, new: Path, as_json: bool) -> None:
    """Compare two runs.

    OLD and NEW are folders of runs, or their report.json.

    Exit status 0 if no test turned red; 1 if a test is red in NEW but not in OLD, including new
    tests; 2 if a file cannot be used.
    """
    from harness.recording.run_files import read_run
    from harness.report import plain
    from harness.report.compare import compare

    with usable_input():
        found = compare(read_run(old), read_run(new))
    echo(_json(found) if as_json else plain.comparison_text(found), nl=as_json)
    if found.is_worse:
        raise SystemExit(1)


@click.command("history")
@click.argument("file", type=FILE)
@click.option("--scenario", metavar="NAME", help="Read the runs of this scenario only.")
@click.option("--since", metavar="DATE", default="", help="Read the runs since this date (UTC).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def show_history(*, file: Path, scenario: str | None, since: str, as_json: bool) -> None:
    """Show since when tests are red, and which phases are slower.

    FILE is what `pytest --history FILE` writes.

    Exit status 0; 2 if the file cannot be used or has no matching runs.
    """
    from harness.report import plain
    from harness.report.history import store
    from harness.report.history.trends import look_back

    with usable_input():
        past = store.read(file, since)
        if not (past.runs or since):
            remedy = f"Add a run with `pytest --history {file}` and a test that boots a machine."
            raise InputError(str(file), "no runs in this history", remedy)
        found = look_back(past, scenario)
        if found is None:
            problem = "no run fits --scenario and --since"
            raise InputError(str(file), problem, "Name another scenario or an earlier date.")
    echo(_json(found) if as_json else plain.trends_text(found), nl=as_json)


def _json(found: object) -> str:
    import msgspec

    values = json_values(msgspec.to_builtins(found))
    return json_escaped(msgspec.json.format(msgspec.json.encode(values), indent=1).decode())


class _OrFolder(click.Group):
    """A group whose first word may be a folder instead of a command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take `report FOLDER`, which is older than the group, as `report write FOLDER`."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["write", *args])


@click.group(cls=_OrFolder, subcommand_metavar="FOLDER | COMMAND [ARGS]...")
def report() -> None:
    """Write the report of a killed run, or one of all shards.

    `node-image report FOLDER` is short for `node-image report write FOLDER`.
    """


@report.command("write")
@click.argument("folder", type=FILE)
def write_report(folder: Path) -> None:
    """Write the page and the JUnit file of a killed run.

    FOLDER is the folder of the run, such as <artifacts>/last.
    """
    from harness.model import run_folder
    from harness.recording.run_files import folder_of, rebuild

    with usable_input():
        folder = folder_of(folder)
        rebuild(folder)
        echo(folder / run_folder.PAGE)


@report.command("merge")
@click.argument("folders", metavar="FOLDER...", nargs=-1, required=True, type=FILE)
@click.option(
    "-o", "--output", "made", metavar="FOLDER", required=True, type=FILE,
    help="New folder for the report.",
)  # fmt: skip
@click.option("--history", type=FILE, metavar="PATH", help="History to add the whole run to.")
def merge_reports(*, folders: tuple[Path, ...], made: Path, history: Path | None) -> None:
    """Make one report of the runs of all shards.

    Each FOLDER is that of a run of `pytest --shard K/N`, or its report.json.

    Exit status 0 if all shards are there and no test is red; 1 if a test is red or a shard is
    missing or was killed; 2 if a folder cannot be used or the runs do not belong together.
    """
    from harness.model import run_folder
    from harness.recording.merging import merge_folders

    with usable_input():
        record = merge_folders(folders, made)
        for note in record.notes:
            echo(one_line(note))
        echo(made / run_folder.PAGE)
        if history is not None:
            from harness.report.history import store

            store.append(history, record)
    if record.exit_code:
        raise SystemExit(1)
