"""Some hostile inputs for each reader; `tox -e fuzz` tries hundreds of thousands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from fuzzing.targets import TARGETS, Target
from hypothesis import HealthCheck, given, settings

_QUICK = settings(
    max_examples=25, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_reader_raises_only_its_own_errors(target: Target, tmp_path: Path) -> None:
    @_QUICK
    @given(target.inputs)
    def try_one(given_input: object) -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            target.read(given_input, Path(folder))

    try_one()


def test_campaign_reports_its_figures(tmp_path: Path) -> None:
    tests = Path(__file__).parents[1]
    argv = [sys.executable, "-m", "fuzzing.campaign", "short-text", "--seconds", "0.1"]

    done = subprocess.run(
        [*argv, "--corpus", str(tmp_path)], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": f"{tests}:{tests / 'unit'}"},
    )  # fmt: skip

    assert done.returncode == 0, done.stdout
    assert re.search(
        r"^all +[1-9]\d* cases +0 crashes +0 hangs +\d+ MiB$", done.stdout, re.MULTILINE
    )
