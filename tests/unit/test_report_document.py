"""report.json keeps its values and has a schema; a bad file is named with its problem."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from goldens import Golden

from harness.folders import fixture
from harness.model.errors import InputError
from harness.model.record import SCHEMA, MachineRecord, RunRecord
from harness.model.secrets.redaction import Redactor
from harness.node import readiness
from harness.report import document
from harness.report.compare import compare
from harness.verdict.rows import Invariant
from harness.watching.evidence import Evidence

DOCS = Path(__file__).parents[2] / "docs"
INVARIANT = "::test_invariant[ipi_bootstrap-"
EXAMPLES = ("report-good.json", "report-failed.json")
RUN = RunRecord(id="run-1", started="2026-11-23T13:00:00Z", subject={}, host={})


@pytest.mark.parametrize("name", EXAMPLES)
def test_run_is_read_as_it_was_written(name: str, tmp_path: Path, golden: Golden) -> None:
    run = document.read(fixture(f"examples/{name}"))

    document.write(run, tmp_path / "report.json")

    golden(fixture(f"examples/{name}"), (tmp_path / "report.json").read_bytes())
    assert document.read(tmp_path / "report.json") == run
    assert run.machines[0].phases
    assert run.tests


def test_machine_is_read_as_it_was_written(tmp_path: Path) -> None:
    machine = document.read(fixture("examples/report-failed.json")).machines[0]

    Evidence(folder=tmp_path, redactor=Redactor()).keep_record(machine)

    path = tmp_path / "machine.json"
    with path.open("rb") as file:
        assert document.machine_in(file, path) == machine


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_written_holds_the_schema(name: str) -> None:
    written = json.loads(fixture(f"examples/{name}").read_text())

    jsonschema.validate(written, document.schema())


@pytest.mark.parametrize(
    ("field", "value"),
    [("state", "asleep"), ("subject", {"cpus": 2}), ("schema", SCHEMA + 1), ("tests", [{}])],
)
def test_schema_refuses_what_no_run_writes(field: str, value: object) -> None:
    written = json.loads(fixture("examples/report-good.json").read_text())

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written | {field: value}, document.schema())


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_says_what_a_run_can_say(name: str) -> None:
    run = document.read(fixture(f"examples/{name}"))
    rules = {rule["name"]: rule for rule in _table("diagnosis/rules.toml", "rule")}
    phases = {row["name"]: row["title"] for row in _table("diagnosis/phases.toml", "phase")}
    by_host = {"settle", "snapshot"} | {f"ready-{level.name}" for level in readiness.LEVELS}

    (machine,) = run.machines
    for sighting in machine.sightings:
        rule = rules[sighting.rule]
        shown = {field: getattr(sighting, field) for field in ("blame", "advice", "source")}
        assert shown == {field: rule[field] for field in shown}
        assert sighting.phase in phases
    for phase in machine.phases:
        assert phase.name in by_host or phases[phase.name] == phase.title
    claimed = {test.id.partition(INVARIANT)[2][:-1] for test in run.tests if INVARIANT in test.id}
    assert claimed <= {invariant.value for invariant in Invariant}
    assert claimed


def _table(path: str, key: str) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = tomllib.loads(fixture(path).read_text())[key]
    return rows


def test_schema_in_docs_is_up_to_date(golden: Golden) -> None:
    golden(DOCS / "report.schema.json", document.schema_text())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{", "truncated"),
        ("[]", "Expected `object`, got `array`"),
        ('{"other": ' + "[" * 100_000, "recursion"),
        ("\udcff", "malformed"),
        ('{"schema": 999}', f"schema 999 at `$.schema`; this version reads up to {SCHEMA}"),
        ('{"id": "a", "subject": {}, "host": {}}', "missing required field `started`"),
        (
            '{"id": "a", "started": "", "subject": {}, "host": {}, "machines": [{"name": 1}]}',
            "Expected `str`, got `int` - at `$.machines[0].name`",
        ),
    ],
)
def test_bad_file_is_named_with_its_fault(text: str, shown: str, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(text.encode(errors="surrogateescape"))

    with pytest.raises(InputError) as caught:
        document.read(path)

    assert caught.value.subject == str(path)
    assert shown in caught.value.problem


def test_run_of_the_first_schema_is_read_for_comparisons(tmp_path: Path) -> None:
    path, run = tmp_path / "report.json", document.read(fixture("examples/report-good.json"))
    document.write(run, path)
    first = json.loads(path.read_text())
    first["schema"] = 1
    for found in first["machines"]:
        found["timings_s"] = {"pull": 20.0}
    path.write_text(json.dumps(first))

    read = document.read(path)

    assert first["machines"]
    assert replace(read, schema=run.schema) == run
    assert not compare(read, run).is_worse


def test_newer_run_with_other_fields_is_refused_as_newer(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text('{"schema": 3, "id": {"of": "another form"}}')

    with pytest.raises(InputError, match="unknown schema 3"):
        document.read(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json: cannot be read: No such file"):
        document.read(tmp_path / "none.json")


def test_name_that_is_not_utf8_is_marked(tmp_path: Path) -> None:
    machine = MachineRecord(
        name="caf\udce9", scenario="s", folder="f", memory_peaks_mib={"a\udce9": 1}
    )

    document.write(replace(RUN, machines=(machine,)), tmp_path / "report.json")

    (read,) = document.read(tmp_path / "report.json").machines
    assert (read.name, read.memory_peaks_mib) == ("caf?", {"a?": 1})
