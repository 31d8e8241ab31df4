"""The journal that is kept of a machine is one to systemd's own programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import process
from harness.diagnosis.readers.journal import JournalReader, to_export
from harness.folders import fixture
from harness.model.clock import Deadline

REMOTE = Path("/usr/lib/systemd/systemd-journal-remote")
SECRET = "hunter2"


def clean(text: str) -> str:
    return text.replace(SECRET, "removed")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """Export a recorded journal and what a guest can do to one, and read it with journalctl."""
    folder = tmp_path_factory.mktemp("journal")
    recorded = fixture("transcripts/diagnosis/phases-good-journal.json").read_text(encoding="utf-8")
    last = json.loads(recorded.splitlines()[-1])
    odd = last | {
        "__CURSOR": "odd", "MESSAGE": [0x1B, 0x5B, 0x6D, 255, 10], "SEVERAL": ["one", "two\nlines"],
        "TOKEN": f"x{SECRET}x", "TOO_LONG": None, "bad name": "x",
    }  # fmt: skip
    entries = JournalReader().feed(recorded + json.dumps(odd) + "\n", 300.0)
    export = folder / "journal.export"
    export.write_bytes(b"".join(to_export(entry.fields, clean) for entry in entries))
    if not REMOTE.exists():
        pytest.fail("install the distribution's package systemd-journal-remote")
    journal = folder / "kept.journal"
    process.run([REMOTE, "-o", journal, export], Deadline.after(30))
    read = process.run(
        ["journalctl", "--file", journal, "--output=json", "--all"], Deadline.after(30)
    )
    return [json.loads(line) for line in read.stdout.splitlines()]


def test_every_entry_can_be_read_again(kept: list[dict[str, object]]) -> None:
    recorded = fixture("transcripts/diagnosis/phases-good-journal.json").read_text(encoding="utf-8")
    expected = [json.loads(line) for line in recorded.splitlines()]

    assert [without_place(entry) for entry in kept[:-1]] == [*map(without_place, expected)]


def without_place(entry: dict[str, object]) -> dict[str, object]:
    """Return an entry without what says where in which file it lies."""
    places = ("__CURSOR", "__SEQNUM", "__SEQNUM_ID")
    return {name: value for name, value in entry.items() if name not in places}


def test_odd_values_survive(kept: list[dict[str, object]]) -> None:
    odd = kept[-1]

    assert odd["MESSAGE"] == [0x1B, 0x5B, 0x6D, 255, 10]
    assert odd["SEVERAL"] == ["one", "two\nlines"]
    assert not {"bad name", "TOO_LONG"} & odd.keys()


def test_secrets_do_not(kept: list[dict[str, object]]) -> None:
    assert kept[-1]["TOKEN"] == "xremovedx"
    assert SECRET not in json.dumps(kept)
