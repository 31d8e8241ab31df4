"""A run whose artifacts have no room says so once, keeps what is whole, and goes on."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from recording_fakes import make_artifacts

from harness.model.record import MachineRecord, State
from harness.model.secrets.redaction import Redactor
from harness.recording.recorder import Recorder, Ways
from harness.report import document
from harness.watching.evidence import Evidence

_OPEN = os.open


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def evidence(tmp_path: Path, said: list[str]) -> Evidence:
    return Evidence.begin(tmp_path, "node", Redactor(), said.append)


def fill_disk(patched: pytest.MonkeyPatch) -> None:
    """Give all that is opened to be written a disk without room."""

    def opened(path: str, flags: int, *rest: int, **given: int) -> int:
        descriptor = _OPEN(path, flags, *rest, **given)
        if flags & os.O_WRONLY:
            os.close(descriptor)
            descriptor = _OPEN("/dev/full", os.O_WRONLY)
        return descriptor

    patched.setattr("os.open", opened)


def machine(state: State = State.RUNNING) -> MachineRecord:
    return MachineRecord(name="node", scenario="fake", state=state, folder="node")


def test_record_and_texts_of_before_stay_whole(
    evidence: Evidence, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence.keep_record(machine())
    evidence.keep_text("after.txt", "old\n")
    before = {path: path.read_bytes() for path in evidence.folder.iterdir()}
    fill_disk(monkeypatch)

    evidence.keep_record(machine(State.FAILED))
    evidence.keep_text("after.txt", "new\n")
    evidence.keep_text("other.txt", "new\n")

    assert {path: path.read_bytes() for path in evidence.folder.iterdir()} == before
    (line,) = said
    assert line == (
        f"artifacts folder is full: {evidence.folder.parent}; what was written before is whole"
    )


def test_stream_keeps_what_it_has(evidence: Evidence, said: list[str]) -> None:
    evidence.append("console.txt", b"old\n")
    (evidence.folder / "journal.txt").symlink_to("/dev/full")

    evidence.append("journal.txt", b"new\n")
    evidence.append("journal.txt", b"new\n")
    evidence.append("console.txt", b"further\n")

    assert (evidence.folder / "console.txt").read_bytes() == b"old\nfurther\n"
    assert [line.partition(":")[0] for line in said] == ["artifacts folder is full"]


def test_latest_bytes_stay_when_the_next_do_not_fit(
    evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.watching.evidence._SIZE_LIMIT_BYTES", 4)
    monkeypatch.setattr("harness.watching.evidence._LAST_BYTES", 4)
    evidence.append("console.txt", b"old latest bytes")
    fill_disk(monkeypatch)

    evidence.append("console.txt", b"new")

    assert (evidence.folder / "console.txt.last").read_bytes() == b"old latest bytes"


def test_machine_starts_where_there_is_no_room_for_its_folder(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)

    evidence = Evidence.begin(tmp_path, "node", Redactor(), said.append)
    evidence.append("console.txt", b"new")

    assert evidence.names == ()
    assert len(said) == 1


def test_recorder_warns_once_and_notes_it_in_the_summary(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts = make_artifacts(tmp_path)
    recorder = Recorder(artifacts, Ways(warn=said.append, tick_s=3600.0))
    recorder.begin()
    folder = artifacts.path
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with monkeypatch.context() as patched:
        fill_disk(patched)
        recorder.finish(0)
    artifacts.close()

    left = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert left == before
    assert document.read(folder).state is State.RUNNING
    (line,) = said
    assert recorder.record().notes == (line,)
    assert line.startswith(f"artifacts folder is full: {folder}; ")


def test_folder_that_has_room_again_gets_the_last_report_with_a_note(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts = make_artifacts(tmp_path)
    recorder = Recorder(artifacts, Ways(warn=said.append, tick_s=3600.0))
    with monkeypatch.context() as patched:
        fill_disk(patched)
        recorder.begin()
    recorder.finish(0)
    artifacts.close()

    assert document.read(artifacts.path).notes == tuple(said)
    assert said
