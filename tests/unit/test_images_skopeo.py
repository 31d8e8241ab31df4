"""How a copy is watched, with a program of ours in skopeo's place."""

from __future__ import annotations

from pathlib import Path

import pytest
from images_fakes import RunningClock
from machine_fakes import FakeClock

from harness.images.container import skopeo
from harness.images.container.skopeo import Source, Target
from harness.images.reference import parse
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError

MIB = 1 << 20


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    folder = tmp_path / "layout"
    folder.mkdir()
    (folder / "old").write_bytes(bytes(MIB))
    return folder


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder / "skopeo"


def write_program(program: Path, *lines: str) -> None:
    program.write_text("\n".join(("#!/bin/sh", *lines, "")))
    program.chmod(0o755)


def copy(layout: Path, reported: list[str], deadline: Deadline, tick_s: float = 0.005) -> str:
    source = Source(
        reference=parse("docker://registry.example/node:1"), arch="x86_64",
        size_bytes=3 * MIB, report=reported.append,
    )  # fmt: skip
    target = Target(reference=parse(f"oci:{layout}:t"), folder=layout)
    return skopeo.copy(source, target, deadline, tick_s)


def test_growth_of_the_target_is_reported_while_skopeo_copies(program: Path, layout: Path) -> None:
    write_program(program, f"truncate -s 2M {layout}/new", "sleep 0.03")
    reported: list[str] = []

    copy(layout, reported, Deadline.after(1e6, RunningClock()))

    assert len(reported) > 2
    assert reported[0].startswith("copying docker://registry.example/node:1: ")
    assert any(": 2 of 3 MiB (" in line for line in reported)
    assert ": 2 MiB in " in reported[-1]


def test_growth_after_the_last_tick_counts(program: Path, layout: Path) -> None:
    write_program(program, f"truncate -s 2M {layout}/new")
    reported: list[str] = []

    copy(layout, reported, Deadline.after(1e6, RunningClock()), tick_s=60)

    assert reported[0].startswith("copying docker://registry.example/node:1: 2 of 3 MiB (")


def test_digest_that_skopeo_wrote_is_returned(program: Path, layout: Path) -> None:
    write_program(
        program,
        'for word; do case $word in --digestfile=*) echo sha256:abc > "${word#*=}";; esac; done',
    )

    assert copy(layout, [], Deadline.after(60, FakeClock())) == "sha256:abc"


def test_failed_copy_has_skopeos_reason(program: Path, layout: Path) -> None:
    write_program(program, "echo 'level=fatal msg=\"manifest unknown\"' >&2", "exit 1")

    with pytest.raises(InputError, match="node:1: manifest unknown"):
        copy(layout, [], Deadline.after(60, FakeClock()))


def test_copy_ends_at_its_deadline(program: Path, layout: Path) -> None:
    write_program(program, "exec sleep 60")

    with pytest.raises(DeadlineError, match=r"skopeo .*: still running"):
        copy(layout, [], Deadline.after(5, RunningClock()))
