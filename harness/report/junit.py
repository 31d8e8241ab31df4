"""A run as JUnit XML: one suite for each scenario; blame of the rig is an error, else a failure.

Suites carry what was tested, where, and the seconds of each phase as properties; red cases carry
the blame as `class`. pytest's own JUnit file knows none of it under xdist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from junitparser import Error, Failure, JUnitXml, Skipped
from junitparser.xunit2 import TestCase, TestSuite

from harness import atomic
from harness.model.escapes import printable
from harness.model.record import (
    Blame,
    MachineRecord,
    Outcome,
    PhaseRecord,
    RunRecord,
    State,
    TestRecord,
)
from harness.report.conclusion import blame_of

NO_SCENARIO = "no scenario"
"""The suite of the tests that ask for no machine."""
# All but the `Char` of XML 1.0, section 2.2.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(record: RunRecord, path: Path) -> None:
    """Write `record` as JUnit XML, in one step.

    Raises:
        OSError: the folder is missing, full or not ours.
    """
    xml = JUnitXml("node image")
    for scenario in _scenarios(record):
        xml.add_testsuite(_suite(record, scenario))
    xml.update_statistics()  # type: ignore[no-untyped-call]  # the library is typed in part
    content = BytesIO()
    xml.write(content)
    atomic.write(path, content.getvalue(), is_durable=record.state is not State.RUNNING)


def _scenarios(record: RunRecord) -> tuple[str | None, ...]:
    named = [machine.scenario for machine in record.machines]
    return tuple(dict.fromkeys([*named, *(test.scenario for test in record.tests)]))


def _suite(record: RunRecord, scenario: str | None) -> TestSuite:
    suite = TestSuite(_clean(scenario or NO_SCENARIO))  # type: ignore[no-untyped-call]
    suite.timestamp = _clean(record.started)
    machines = [machine for machine in record.machines if machine.scenario == scenario]
    tests = [test for test in record.tests if test.scenario == scenario]
    for name, value in (*_facts(record), *_classes(tests), *_measures(machines)):
        suite.add_property(_clean(name), _clean(value))
    suite.add_testcases([_case(test) for test in tests])
    return suite


def _facts(record: RunRecord) -> Iterator[tuple[str, str]]:
    yield "run", record.id
    yield "state", record.state.value
    if record.shard is not None:
        yield "shard", str(record.shard)
    yield from record.subject.items()
    for name, value in record.host.items():
        yield f"host.{name}", value


def _classes(tests: list[TestRecord]) -> Iterator[tuple[str, str]]:
    red = sorted({blame_of(test).value for test in tests if test.outcome.is_red})
    if red:
        yield "class", ",".join(red)


def _measures(machines: list[MachineRecord]) -> Iterator[tuple[str, str]]:
    for machine in machines:
        # Those of the scenario's other machines, and of reruns, would go by the same names.
        prefix = "" if machine.name == machine.scenario else f"{machine.name}."
        for name, took_s in _phases_s(machine).items():
            yield f"{prefix}phase.{name}.seconds", f"{took_s:.1f}"
        yield f"{prefix}machine.boots", str(machine.boots)
        yield f"{prefix}machine.state", machine.state.value


def _phases_s(machine: MachineRecord) -> dict[str, float]:
    """Add up the phases that ended; those of a later boot go by a name of their own."""
    seconds: dict[str, float] = {}
    for phase in machine.phases:
        if phase.end_s is not None:
            name = _phase_name(phase)
            seconds[name] = seconds.get(name, 0.0) + phase.end_s - phase.begin_s
    return seconds


def _phase_name(phase: PhaseRecord) -> str:
    return phase.name if phase.boot == 1 else f"{phase.name}.boot{phase.boot}"


def _case(test: TestRecord) -> TestCase:
    classname, name = _address(test.id)
    case = TestCase(_clean(name), _clean(classname), round(test.duration_s, 3))
    if test.node:
        case.add_property("node", _clean(test.node))
    if test.outcome.is_red:
        case.add_property("class", blame_of(test).value)
    if test.outcome is Outcome.FLAKY:
        case.add_property("flaky", "true")
        case.system_out = _clean(_attempts(test))
    if (result := _result(test)) is not None:
        case.result = result
    return case


def _result(test: TestRecord) -> Failure | Error | Skipped | None:
    message = _clean(test.message)
    first = message.partition("\n")[0]
    if test.outcome is Outcome.ALLOWED:
        return _with_text(
            Skipped(f"allowed by {_clean(test.allowed_by or 'nobody named')}"), message
        )
    if test.outcome is Outcome.SKIPPED:
        return _with_text(Skipped(first), message)
    if not test.outcome.is_red:
        return None
    blame = blame_of(test)
    kind = Error if blame is Blame.RIG else Failure
    return _with_text(kind(first, blame.value), message)


def _with_text(result: Failure | Error | Skipped, message: str) -> Failure | Error | Skipped:
    result.text = message
    return result


def _attempts(test: TestRecord) -> str:
    text = f"flaky: passed at attempt {test.attempts}"
    return f"{text}; before it:\n{test.message}" if test.message else text


def _address(node_id: str) -> tuple[str, str]:
    """Split a node id as pytest's own JUnit file does: module and classes, then the test."""
    address, bracket, parameters = node_id.partition("[")
    path, *names = address.split("::")
    module = path.removesuffix(".py").replace("/", ".")
    *classes, name = names or [module]
    return ".".join([module, *classes]), name + bracket + parameters


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("", printable(text))
