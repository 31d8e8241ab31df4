"""The command `node-image`, which runs without pytest. click prints its output.

Each command imports what it needs when it runs: to load all of it takes longer than some commands.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from harness import contract_cli
from harness.commands.output import echo
from harness.folders import cache_dir
from harness.log_records import inert_records
from harness.model.errors import HarnessError, InputError
from harness.model.escapes import json_escaped, json_values
from harness.spawning.command import spawn
from harness.spawning.nodes import nodes

_PROBE_S = 60.0
_A_TEXT = "Name a readable text file."
_FILE = click.Path(path_type=Path)


class _UnusableInput(click.ClickException):
    """Exits with 2, the status of wrong usage, because status 1 is a result of the command."""

    exit_code = 2


class _Commands(click.Group):
    """Ends with 1 only if that is the result of a command, as "there are differences" is."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; 2 after an unexpected error, 130 after Ctrl-C, 141 if no one reads."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            raise click.exceptions.Exit(128 + signal.SIGINT) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the last flush
            raise click.exceptions.Exit(128 + signal.SIGPIPE) from None
        except Exception:
            traceback.print_exc()
            raise click.exceptions.Exit(2) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pytest-node-image", message="%(package)s %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Log each action and each program that runs.")
def main(*, verbose: bool) -> None:
    """Tools for boot tests of layered OpenShift node images. The tests run with pytest."""
    click.get_current_context().with_resource(inert_records())
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.WARNING, format="%(name)s: %(message)s"
    )


@main.command("doctor")
def examine() -> None:
    """List what this host lacks for boots and builds.

    Exit status 0 if it can boot machines and build the stand-in images, 1 if not.
    """
    from harness import doctor
    from harness.machine.ownership import memory

    with _reported_errors():
        checks = doctor.examine(_acceleration, memory.survey().available_bytes // memory.MIB)
        echo(doctor.render(checks))
    if not doctor.is_able(checks):
        raise SystemExit(1)


@main.command()
@click.option("--checkpoints", is_flag=True, help="Remove all kept checkpoints, too.")
def clean(*, checkpoints: bool) -> None:
    """Remove what killed runs of this user left behind.

    Kept checkpoints that have expired go, too. Active runs, and what they use, are not changed.
    """
    from harness.machine.forking.store import Store
    from harness.machine.ownership.sweep import sweep

    with _reported_errors():
        store = Store.of_user(echo)
        gone = store.clear() if checkpoints else store.expire()
        for line in (*sweep(), *gone) or ("nothing to remove",):
            echo(line)


@main.command()
def tables() -> None:
    """List the built-in expectation tables."""
    from harness.verdict import expectations

    with _reported_errors():
        for name in expectations.built_in():
            found = expectations.load(name)
            rows = len(found.rows) + len(found.contract)
            echo(f"{name:20} {rows:4} rows  {found.title}")


@main.command("scenarios")
def list_scenarios() -> None:
    """List the harness's scenarios, their needs and steps.

    `pytest --until` takes the name of a step.
    """
    from harness.player import table
    from harness.scenarios.catalogue import Catalogue

    with _reported_errors():
        catalogue = Catalogue()
        for name in catalogue.names:
            for line in table.lines(catalogue.named(name)):
                echo(line)


@main.command("compare")
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def compare_runs(*, old: Path, new: Path, as_json: bool) -> None:
    """Compare two runs.

    OLD and NEW are folders of runs, or their report.json.

    Exit status 0 if no test turned red; 1 if a test is red in NEW but not in OLD, including new
    tests; 2 if a file cannot be used.
    """
    from harness.report import document, plain
    from harness.report.compare import compare

    with _reported_errors(_UnusableInput):
        found = compare(document.read(old), document.read(new))
    echo(_json(found) if as_json else plain.comparison_text(found), nl=as_json)
    if found.is_worse:
        raise SystemExit(1)


@main.command("history")
@click.argument("file", type=_FILE)
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

    with _reported_errors(_UnusableInput):
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


@main.command("lint-ignition")
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option(
    "--bootimage", metavar="PATH|URL", help="Bootimage to compare with. Default: the stand-in."
)
@click.option(
    "--node-image", metavar="REFERENCE", help="Node image whose packages contain what is missing."
)
@click.option("--all", "counts_all", is_flag=True, help="Count calls after the node layer as well.")
def lint_configs(
    files: tuple[Path, ...], bootimage: str | None, node_image: str | None, *, counts_all: bool
) -> None:
    """List what Ignition configs use but the bootimage lacks.

    FILES are files or pipes, such as /dev/stdin.

    Exit status 0 if nothing is missing before the node layer is in place; 1 if something is; 2 if
    a file or image cannot be used.
    """
    from harness.workplace.lint import lint_ignition

    with _reported_errors(_UnusableInput):
        found = lint_ignition(files, (bootimage, node_image), os.environ, _say)
        found = replace(found, counts_all=counts_all)
        echo(found.render())
    if found.exit_status:
        raise SystemExit(found.exit_status)


@main.command()
@click.argument("console", type=_FILE)
@click.option(
    "--rules",
    multiple=True,
    type=_FILE,
    help="Your own rules (TOML). They apply before the shipped ones. May be repeated.",
)
def diagnose(console: Path, rules: tuple[Path, ...]) -> None:
    """Apply the rules of diagnosis to a recorded console.

    CONSOLE is a text file, such as console.txt in the folder of a run, or a pipe, such as
    /dev/stdin.

    Exit status 0 if nothing is fatal; 1 if something is; 2 if a file cannot be used.
    """
    from harness.diagnosis.replay import replay
    from harness.diagnosis.rules import load

    with _reported_errors(_UnusableInput):
        found = replay(_text_of(console), load(rules))
        echo(found.render())
    if found.fatal is not None:
        raise SystemExit(1)


class _OrFolder(click.Group):
    """A group whose first word may be a folder instead of a command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take `report FOLDER`, which is older than the group, as `report write FOLDER`."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["write", *args])


@main.group(cls=_OrFolder, subcommand_metavar="FOLDER | COMMAND [ARGS]...")
def report() -> None:
    """Write the report of a killed run, or one report of several shards.

    `node-image report FOLDER` is short for `node-image report write FOLDER`.
    """


@report.command("write")
@click.argument("folder", type=_FILE)
def write_report(folder: Path) -> None:
    """Write the page and the JUnit file of a killed run.

    FOLDER is the folder of the run, such as <artifacts>/last.
    """
    from harness.model import run_folder
    from harness.recording.run_files import folder_of, rebuild

    with _reported_errors(_UnusableInput):
        folder = folder_of(folder)
        rebuild(folder)
        echo(folder / run_folder.PAGE)


@report.command("merge")
@click.argument("folders", metavar="FOLDER...", nargs=-1, required=True, type=_FILE)
@click.option(
    "-o", "--output", "made", metavar="FOLDER", required=True, type=_FILE,
    help="New folder for the report.",
)  # fmt: skip
@click.option("--history", type=_FILE, metavar="PATH", help="History to add the whole run to.")
def merge_reports(*, folders: tuple[Path, ...], made: Path, history: Path | None) -> None:
    """Make one report of the runs of all shards.

    Each FOLDER is that of a run of `pytest --shard K/N`, or its report.json.

    Exit status 0 if all shards are there and no test is red; 1 if a test is red or a shard is
    missing or was killed; 2 if a folder cannot be used or the runs do not belong together.
    """
    from harness.model import run_folder
    from harness.recording.merging import merge_folders

    with _reported_errors(_UnusableInput):
        record = merge_folders(folders, made)
        for note in record.notes:
            echo(note)
        echo(made / run_folder.PAGE)
        if history is not None:
            from harness.report.history import store

            store.append(history, record)
    if record.exit_code:
        raise SystemExit(1)


@main.group()
def standin() -> None:
    """Build and find the stand-in images."""


@standin.command("build")
@click.option("--rebuild", is_flag=True, help="Build even if they are cached.")
def build_standin(*, rebuild: bool) -> None:
    """Build the stand-in images unless they are cached. Print their folder."""
    from harness.model.clock import Deadline
    from harness.standin import build

    with _reported_errors():
        found = build.ensure(Deadline.after(build.LIMIT_S), _say, rebuild=rebuild)
        echo(found.folder)


@standin.command("path")
def standin_path() -> None:
    """Print the folder of the newest stand-in images. Build nothing."""
    with _reported_errors():
        echo(_newest_standin())


def _text_of(path: Path) -> str:
    from harness import regular_file

    limit_bytes = regular_file.MAX_CONSOLE_BYTES
    return regular_file.text_or_pipe(path, _A_TEXT, limit_bytes=limit_bytes, errors="replace")


def _say(line: str) -> None:
    """Print progress to standard error, apart from the command's output."""
    echo(line, err=True)


def _newest_standin() -> Path:
    builds = [path.parent for path in (cache_dir() / "standin").glob("*/version")]
    if not builds:
        raise InputError("stand-in images", "not built", "Run `node-image standin build`.")
    return max(builds, key=lambda path: path.stat().st_mtime)


def _acceleration() -> str:
    from harness.machine import acceleration
    from harness.machine.domain.emulator import find_emulator
    from harness.model.clock import Deadline

    found = acceleration.probe(find_emulator(), Deadline.after(_PROBE_S))
    return f"{found.kind} ({found.reason})"


@contextmanager
def _reported_errors(kind: type[click.ClickException] = click.ClickException) -> Iterator[None]:
    """Print an error as click does: one message, and the exit status of `kind`, 1 by default."""
    try:
        yield
    except HarnessError as exc:
        raise kind(str(exc)) from exc


contract_cli.register(main)
main.add_command(spawn)
main.add_command(nodes)
