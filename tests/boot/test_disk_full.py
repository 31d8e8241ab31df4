"""Disks that fill up while a machine boots: the run says so and ends, and keeps what is whole."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from killing import room as rooms
from killing.room import ROOT

from harness import process
from harness.model.clock import Deadline
from harness.standin import build

_LIMIT_S = 900.0


@pytest.mark.nightly
def test_disks_that_fill_up_in_mid_boot_end_the_run_with_a_way_out() -> None:
    build.ensure(Deadline.after(build.LIMIT_S), lambda _: None)
    with rooms.made() as room:
        done = process.run(
            rooms.command(("killing.filling", str(room.base))),
            Deadline.after(_LIMIT_S),
            check=False,
            env=room.env,
            cwd=ROOT,
        )
        junit = room.home / "junit.xml"
        assert junit.exists(), done.stdout + done.stderr
        cases = list(ET.parse(junit).iter("testcase"))  # noqa: S314 - our own file
        texts = {red.get("message") or "" for case in cases for red in case.iter("error")}
        whole = [json.loads(path.read_text()) for path in (room.base / "kept").rglob("*.json")]
        torn = [path.name for path in (room.base / "kept").rglob(".*")]

    assert done.stdout.count("artifacts folder is full") >= 1, done.stdout
    assert all(case.find("error") is not None for case in cases), texts
    assert texts
    wanted = "the host has no space left for the machine's disk in /var/tmp/"
    assert all(wanted in text for text in texts), texts
    assert "Free disk space there." in done.stdout
    assert "left: []" in done.stdout, done.stdout
    assert whole
    assert not torn
