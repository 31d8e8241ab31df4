from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from harness.diagnosis import allow
from harness.diagnosis.allow import AllowList
from harness.diagnosis.line import Line, Stream
from harness.machine.domain.architecture import ARCHITECTURES
from harness.model.errors import InputError

TODAY = datetime.date(2026, 11, 23)
STREAMS = "it has to be one of console, journal, ignition, events, harness"
ARCHES = "it has to be one of x86_64, aarch64, ppc64le, s390x"
ENTRY = """
[[allow]]
pattern = 'comm="chronyd"'
tracker = "https://issues.example/NODE-1"
expires = 2026-12-31
"""


def written(folder: Path, text: str) -> AllowList:
    path = folder / "allow.toml"
    path.write_text(text, encoding="utf-8")
    return allow.load(path, known_rules=("avc-denied", "unit-failed"))


def denial(stream: Stream = Stream.JOURNAL) -> Line:
    return Line(
        stream=stream, at_s=1.0, identifier="audit", text='AVC avc:  denied for comm="chronyd"'
    )


def test_entry_allows_lines_with_its_pattern(tmp_path: Path) -> None:
    listed = written(tmp_path, ENTRY)

    entry = listed.entry_for("avc-denied", denial(), "x86_64", TODAY)

    assert entry is not None
    assert entry.tracker == "https://issues.example/NODE-1"
    assert str(entry) == """'comm="chronyd"' until 2026-12-31, https://issues.example/NODE-1"""
    other = Line(stream=Stream.JOURNAL, at_s=1.0, text='comm="crio"')
    assert listed.entry_for("avc-denied", other, "x86_64", TODAY) is None


def test_pattern_can_name_who_spoke(tmp_path: Path) -> None:
    listed = written(tmp_path, ENTRY.replace("comm=", "^audit: .*comm="))

    assert listed.entry_for("avc-denied", denial(), "x86_64", TODAY) is not None


@pytest.mark.parametrize(
    ("narrow", "is_allowed"),
    [
        ('rule = "avc-denied"', True),
        ('rule = "unit-failed"', False),
        ('stream = "journal"', True),
        ('stream = "console"', False),
        ('arch = "x86_64"', True),
        ('arch = "s390x"', False),
        ('reason = "fixed in the next release"', True),
        ('test = "*"', False),
    ],
)
def test_entry_is_narrowed_by_its_fields(narrow: str, is_allowed: bool, tmp_path: Path) -> None:
    listed = written(tmp_path, ENTRY + narrow)

    entry = listed.entry_for("avc-denied", denial(), "x86_64", TODAY)

    assert (entry is not None) == is_allowed


def test_entry_allows_on_its_last_day_and_is_reported_as_expired_after_it(tmp_path: Path) -> None:
    listed = written(tmp_path, ENTRY)
    last, after = datetime.date(2026, 12, 31), datetime.date(2027, 1, 1)

    assert listed.entry_for("avc-denied", denial(), "x86_64", last) is not None
    assert listed.expired(last) == ()
    assert listed.entry_for("avc-denied", denial(), "x86_64", after) is None
    assert listed.expired(after) == listed.entries


def test_first_entry_that_fits_counts(tmp_path: Path) -> None:
    listed = written(
        tmp_path, ENTRY.replace("2026-12-31", "2026-01-31") + ENTRY.replace("NODE-1", "NODE-2")
    )

    entry = listed.entry_for("avc-denied", denial(), "x86_64", TODAY)

    assert entry is not None
    assert entry.tracker.endswith("NODE-2"), "the first has expired"


@pytest.mark.parametrize(
    ("glob", "test_id", "is_allowed"),
    [
        ("*test_package*", "tests/test_node.py::test_package[ipi_bootstrap-node-crun]", True),
        ("*test_package[[]ipi*", "tests/test_node.py::test_package[ipi_bootstrap-x]", False),
        ("*test_package[ipi_bootstrap-*]", "test_node.py::test_package[ipi_bootstrap-x]", True),
        ("*test_package[ipi_bootstrap-x]", "test_node.py::test_package[ipi_bootstrap-y]", False),
    ],
)
def test_entry_allows_tests_by_glob(
    glob: str, test_id: str, is_allowed: bool, tmp_path: Path
) -> None:
    listed = written(tmp_path, ENTRY + f'test = "{glob}"')

    entry = listed.entry_for_test(test_id, 'denied for comm="chronyd"', "x86_64", TODAY)

    assert (entry is not None) == is_allowed
    assert listed.entry_for_test(test_id, "has other fields", "x86_64", TODAY) is None


def test_entry_about_lines_allows_no_test(tmp_path: Path) -> None:
    listed = written(tmp_path, ENTRY)

    assert listed.entry_for_test("test_x", 'comm="chronyd"', "x86_64", TODAY) is None


def test_empty_list_allows_nothing(tmp_path: Path) -> None:
    assert written(tmp_path, "").entries == ()
    assert AllowList().entry_for("avc-denied", denial(), "x86_64", TODAY) is None


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("pattern = 'comm=\"chronyd\"'", "", "missing required field `pattern`"),
        ("pattern = 'comm=\"chronyd\"'", "pattern = '('", "Not a regular expression"),
        ("pattern = 'comm=\"chronyd\"'", "pattern = '.*'", "matches the empty text"),
        ("pattern = 'comm=\"chronyd\"'", "pattern = ''", "matches the empty text"),
        (
            "https://",
            "http://",
            "has the tracker 'http://issues.example/NODE-1'; it has to be a link",
        ),
        (
            "https://issues.example/NODE-1",
            "NODE-1",
            "has the tracker 'NODE-1'; it has to be a link",
        ),
        (
            "https://issues.example/NODE-1",
            "https://issues.example",
            "has to be a link to the one issue",
        ),
        ("2026-12-31", '"2026-12-31"', "it has to be a date without quotes"),
        ("2026-12-31", "2026-12-31T10:00:00Z", "it has to be a date without quotes"),
        ("expires = 2026-12-31", "", "missing required field `expires`"),
        ("expires", "snooze", "snooze"),
        ("[[allow]]", "[[allow]]\nstream = 'serial'", f"has the stream 'serial'; {STREAMS}"),
        ("[[allow]]", "[[allow]]\narch = ''", "has the arch ''; it has to be one of"),
        ("[[allow]]", "[[allow]]\narch = 'amd64'", f"has the arch 'amd64'; {ARCHES}"),
        ("[[allow]]", "[[allow]]\nrule = 'avc'", "unknown rule avc"),
        (
            "[[allow]]",
            "[[allow]]\nrule = 'avc-denied'\ntest = '*'",
            "test together with rule or stream",
        ),
        ("[[allow]]", "[allow]", "has other fields than allows"),
        ("[[allow]]", "[[deny]]", "has other fields than allows"),
        ("[[allow]]", "allow = [1]\n[x]", "has other fields"),
        ("[[allow]]", "[[allow]", "not TOML"),
    ],
)
def test_malformed_entry_is_reported(old: str, new: str, problem: str, tmp_path: Path) -> None:
    assert old in ENTRY

    with pytest.raises(InputError) as raised:
        written(tmp_path, ENTRY.replace(old, new))

    assert problem in raised.value.problem
    assert raised.value.subject.startswith(f"allow-list {tmp_path}/allow.toml")


def test_entry_is_named_by_its_number(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        written(tmp_path, ENTRY + ENTRY.replace("https", "http"))

    assert "[[allow]] number 2" in raised.value.subject


def test_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        allow.load(tmp_path / "none.toml")

    assert str(raised.value) == (
        f"allow-list {tmp_path}/none.toml: cannot be read: No such file or directory. "
        "Name a TOML file with --allow, or remove the option."
    )


@pytest.mark.parametrize("arch", list(ARCHITECTURES))
def test_every_architecture_of_a_machine_can_be_named(arch: str, tmp_path: Path) -> None:
    assert written(tmp_path, f'{ENTRY}arch = "{arch}"').entries[0].arch == arch
