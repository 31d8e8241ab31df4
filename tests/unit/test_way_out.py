"""What images, servers, guests and files say leaves the harness as harmless text, everywhere."""

from __future__ import annotations

import ast
import io
import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
from click.testing import CliRunner
from recording_fakes import make_artifacts, write_machine
from source_trees import dotted, nodes, trees

from harness.cli import main
from harness.contract.document import Document, json_text
from harness.diagnosis.readers.console import ConsoleReader
from harness.diagnosis.readers.events import EventReader
from harness.folders import fixture
from harness.log_records import inert_records
from harness.model.errors import (
    DeadlineError,
    HarnessError,
    InputError,
    ProductError,
    RigError,
    SuiteError,
)
from harness.model.escapes import json_escaped, json_values
from harness.model.record import MachineRecord, PhaseRecord, RunRecord, State
from harness.model.run_folder import CONSOLE, JUNIT, MACHINE_RECORD, PAGE, RECORD
from harness.model.secrets.redaction import Redactor
from harness.plugin.reports import set_properties
from harness.recording import run_files
from harness.recording.progress import ProgressReporter
from harness.recording.run_files import RunFiles, rebuild
from harness.report import document, plain
from harness.report.compare import compare
from harness.watching.evidence import Evidence

HOSTILE = "a\x1b[2J\x1b]0;title\x07b\x9b31mc\u202ed\u2066e\u200ff\x00g\udc80h\rI\x7f\x85j"
FAILED = document.read(fixture("examples/report-failed.json"))


def obeyed(text: str) -> set[str]:
    """Return the characters that a terminal, an editor or a parser would obey."""
    return {c for c in text if not c.isprintable() and c not in "\n\t"}


@pytest.mark.parametrize(
    "error",
    [
        HarnessError(HOSTILE),
        RigError(HOSTILE, HOSTILE, HOSTILE),
        InputError(HOSTILE, HOSTILE, HOSTILE),
        ProductError(HOSTILE, f"{HOSTILE}\nof two lines", HOSTILE),
        SuiteError("x", HOSTILE),
        DeadlineError(HOSTILE, 3.0, HOSTILE, HOSTILE),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_part_of_an_error_has_what_a_terminal_obeys(error: HarnessError) -> None:
    parts = (str(error), error.subject, error.problem, error.remedy)
    more = (error.waited_for, error.reason) if isinstance(error, DeadlineError) else ()

    assert [part for part in (*parts, *more) if obeyed(part)] == []
    assert "title" not in str(error)


@pytest.mark.parametrize("name", ["harness", "harness.images.acquire.download", "httpx"])
def test_no_handler_gets_what_a_terminal_obeys(name: str) -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    log = logging.getLogger(name)
    log.addHandler(handler)
    try:
        with inert_records():
            log.warning("answer: %s", HOSTILE)
            log.warning(HOSTILE)
            log.warning("it failed: %r %s", 1, HOSTILE, exc_info=OSError(HOSTILE))
    finally:
        log.removeHandler(handler)

    assert "answer: a" in written.getvalue()
    assert "OSError: a" in written.getvalue()
    assert not obeyed(written.getvalue())


def test_records_of_others_and_the_usual_factory_stay() -> None:
    usual = logging.getLogRecordFactory()
    with inert_records():
        record = logging.getLogger("project").makeRecord(
            "project", logging.INFO, "x.py", 1, "\x1b[1m%s", ("a",), None
        )

    assert (record.msg, record.args) == ("\x1b[1m%s", ("a",))
    assert logging.getLogRecordFactory() is usual


def test_only_one_place_prints_what_commands_found() -> None:
    """click's own `echo` writes what it gets."""
    # The first runs before anything is installed, the second inside of a build.
    own = {"commands/output.py", "host.py", "standin/inside.py"}
    others = [
        f"{name}:{node.lineno}"
        for name, tree in trees().items()
        if name not in own
        for node in nodes(tree, ast.Call)
        if dotted(node.func) in {"click.echo", "click.secho", "print", "sys.stdout.write"}
    ]

    assert others == []


@pytest.mark.parametrize("command", ["diagnose", "report", "compare", "lint-ignition", "history"])
def test_commands_quote_names_of_files_harmlessly(command: str, tmp_path: Path) -> None:
    name = tmp_path / HOSTILE.replace("\x00", "")
    arguments = [str(name)] * (2 if command == "compare" else 1)

    shown = CliRunner().invoke(main, [command, *arguments])

    assert shown.exit_code == 2
    assert "title" not in shown.output
    assert not obeyed(shown.output)


def test_command_prints_a_guests_line_harmlessly(tmp_path: Path) -> None:
    console = tmp_path / "console.txt"
    console.write_bytes(
        f"[    1.000000] Kernel panic - not syncing: {HOSTILE}\n".encode("utf-8", "replace")
    )

    shown = CliRunner().invoke(main, ["diagnose", str(console)])

    assert "Kernel panic" in shown.output
    assert not obeyed(shown.output)


def hostile_run() -> RunRecord:
    machine = replace(
        FAILED.machines[0], node_image=HOSTILE, installer=HOSTILE, elapsed_s=float("inf"),
        phases=(PhaseRecord(name="p", title=HOSTILE, begin_s=float("nan"), end_s=float("inf")),),
    )  # fmt: skip
    return replace(
        FAILED, machines=(machine,), subject={HOSTILE: HOSTILE}, host={"a": HOSTILE},
        notes=(HOSTILE,),
        tests=tuple(replace(test, id=HOSTILE, message=HOSTILE) for test in FAILED.tests),
    )  # fmt: skip


@pytest.mark.parametrize("name", [RECORD, JUNIT, PAGE])
def test_files_of_a_run_have_only_visible_characters(name: str, tmp_path: Path) -> None:
    run_files.write_all(hostile_run(), tmp_path)

    text = (tmp_path / name).read_text(encoding="utf-8")

    assert not obeyed(text)
    assert "Infinity" not in text
    assert "NaN" not in text


def test_record_of_a_run_with_odd_values_is_read_back(tmp_path: Path) -> None:
    document.write(hostile_run(), tmp_path / RECORD)

    found = document.read(tmp_path)

    assert found.notes == (HOSTILE.encode(errors="replace").decode(),)
    assert found.machines[0].elapsed_s == 0.0
    assert json.loads((tmp_path / RECORD).read_text())["notes"] == list(found.notes)


def test_comparison_and_documents_are_harmless() -> None:
    class Odd(Document, frozen=True, kw_only=True, tag="odd"):
        text: str
        share: float

    shown = plain.comparison_text(compare(FAILED, hostile_run()))
    as_json = json_text(Odd(text=HOSTILE, share=float("inf")))

    assert not obeyed(shown)
    assert not obeyed(as_json)
    assert json.loads(as_json)["command"] == "odd"


def test_pytests_own_junit_file_gets_harmless_properties() -> None:
    class Item:
        user_properties: list[tuple[str, object]] = []  # noqa: RUF012 - as pytest's

    set_properties(Item(), {"version": HOSTILE})  # type: ignore[arg-type]

    assert not obeyed(str(Item.user_properties[0][1]))


def test_progress_is_harmless() -> None:
    lines: list[str] = []

    ProgressReporter((lines.append,), begun_s=0.0)(HOSTILE)

    assert not obeyed(lines[0])


@pytest.mark.parametrize("text", ['{"a": "\u202e\x7f\u009b\U000e0001é"}', '{"\ud800": 1}', "[]"])
def test_escaped_json_has_the_same_values(text: str) -> None:
    escaped = json_escaped(text)

    assert json.loads(escaped) == json.loads(text)
    assert not obeyed(escaped)
    assert "é" in escaped or "é" not in text


def test_values_keep_their_shape() -> None:
    value = {"a": ("x", 1, None, True, 1.5), "b\udc80": [float("-inf")]}

    assert json_values(value) == {"a": ["x", 1, None, True, 1.5], "b?": [0.0]}


# --- numbers of guests


@pytest.mark.parametrize("digits", [10, 400, 5000])
def test_event_with_an_impossible_uptime_is_passed_over(digits: int) -> None:
    reader = EventReader()
    odd = f"stage=pull state=done uptime={'9' * digits}.0 detail=x\n"
    good = "stage=pull state=started uptime=1.0 detail=\n"

    lines = reader.feed(good + odd + good.replace("pull", "overlay"), 30.0)

    assert [line.text for line in lines] == ["pull started", "overlay started"]


@pytest.mark.parametrize("digits", [10, 400])
def test_console_line_with_an_impossible_time_has_none(digits: int) -> None:
    (line,) = ConsoleReader().feed(f"[{'9' * digits}.000000] hello\n", 30.0)

    assert line.uptime_s is None


def test_machine_with_infinite_times_stays_in_the_report(tmp_path: Path) -> None:
    evidence = Evidence.begin(tmp_path, "m", Redactor())
    record = MachineRecord(
        name="m", scenario="s", folder="m", state=State.FAILED, elapsed_s=float("inf"),
        phases=(PhaseRecord(name="pull", title="t", begin_s=1.0, end_s=float("nan")),),
    )  # fmt: skip

    evidence.keep_record(record)

    assert [machine.name for machine in RunFiles(tmp_path).machines()] == ["m"]


# --- somebody else's folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A console outside of the run's folder, which nothing may show."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / CONSOLE).write_text("root:$6$shadow:1\n")
    (folder / MACHINE_RECORD).write_bytes(msgspec.json.encode(FAILED.machines[0]))
    return folder


def run_with(tmp_path: Path, machine_folder: str) -> Path:
    run = tmp_path / "run"
    run.mkdir()
    machine = replace(FAILED.machines[0], folder=machine_folder, state=State.FAILED)
    document.write(replace(FAILED, machines=(machine,)), run / RECORD)
    return run


@pytest.mark.parametrize(
    "name", ["{outside}", "../outside", "./../outside", "m/../../outside", "..", "", "."]
)
def test_page_of_a_folder_shows_no_console_of_another(
    name: str, tmp_path: Path, outside: Path
) -> None:
    run = run_with(tmp_path, name.format(outside=outside))
    (run / "m/n").mkdir(parents=True)
    for folder in (run, run / "m/n", tmp_path):
        (folder / CONSOLE).write_text("shadow\n")

    rebuild(run)

    assert "shadow" not in (run / PAGE).read_text()


@pytest.mark.parametrize("kind", ["link to file", "link to folder", "fifo", "folder", "device"])
def test_console_that_is_not_a_file_is_not_read(kind: str, tmp_path: Path, outside: Path) -> None:
    run = run_with(tmp_path, "m")
    if kind == "link to folder":
        (run / "m").symlink_to(outside)
    else:
        (run / "m").mkdir()
    if kind == "link to file":
        (run / "m" / CONSOLE).symlink_to(outside / CONSOLE)
    elif kind == "device":
        (run / "m" / CONSOLE).symlink_to("/dev/zero")
    elif kind == "fifo":
        os.mkfifo(run / "m" / CONSOLE)
    elif kind == "folder":
        (run / "m" / CONSOLE).mkdir()

    rebuild(run)

    assert "shadow" not in (run / PAGE).read_text()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_records_of_machines_behind_links_are_not_read(
    kind: str, tmp_path: Path, outside: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    if kind == "folder":
        (run / "m").symlink_to(outside)
    else:
        (run / "m").mkdir()
        (run / "m" / MACHINE_RECORD).symlink_to(outside / MACHINE_RECORD)

    with pytest.raises(InputError, match="no record of a machine"):
        rebuild(run)


@pytest.mark.parametrize("target", ["outside/report.json", "nowhere"])
def test_report_that_is_a_link_is_refused(target: str, tmp_path: Path, outside: Path) -> None:
    document.write(FAILED, outside / RECORD)
    run = tmp_path / "run"
    run.mkdir()
    (run / RECORD).symlink_to(tmp_path / target)

    with pytest.raises(InputError, match="is a link"):
        rebuild(run)


def test_report_that_is_a_fifo_or_endless_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / RECORD)
    (tmp_path / "large.json").write_bytes(b"")
    os.truncate(tmp_path / "large.json", 1 << 40)

    with pytest.raises(InputError, match="not a regular file"):
        document.read(tmp_path)
    with pytest.raises(InputError, match="larger than"):
        document.read(tmp_path / "large.json")


@pytest.mark.parametrize("number", [1e12, 1e300, -1e12, 1e-300])
def test_odd_times_of_a_record_make_a_page_of_the_usual_size(number: float, tmp_path: Path) -> None:
    run = run_with(tmp_path, "m")
    values = json.loads((run / RECORD).read_text())
    for machine in values["machines"]:
        machine["elapsed_s"] = number
        for phase in machine["phases"]:
            phase["end_s"] = number
        for sighting in machine["sightings"]:
            sighting["at_s"] = number
    (run / RECORD).write_text(json.dumps(values))

    rebuild(run)

    assert (run / PAGE).stat().st_size < 200_000
    ET.parse(run / JUNIT)  # noqa: S314 - written here


def test_many_phases_make_a_page_of_bounded_size(tmp_path: Path) -> None:
    run = run_with(tmp_path, "m")
    values = json.loads((run / RECORD).read_text())
    phase = {"name": "p", "title": "t", "begin_s": 1.0, "boot": 1}
    values["machines"][0]["phases"] = [phase | {"boot": n} for n in range(50_000)]
    (run / RECORD).write_text(json.dumps(values))

    rebuild(run)

    assert (run / PAGE).stat().st_size < 2_000_000


def test_folder_that_the_user_names_by_a_link_is_read(tmp_path: Path) -> None:
    """`last` is one."""
    artifacts = make_artifacts(tmp_path)
    write_machine(artifacts.folder, "m")
    artifacts.close()

    assert [machine.name for machine in rebuild(tmp_path / "last").machines] == ["m"]
