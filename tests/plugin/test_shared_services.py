"""The registry and the checkpoints that workers of one run share, and how they end."""

from __future__ import annotations

import os
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from harness.machine.ownership.processes import processes_naming
from harness.model.clock import Deadline, NotYet, wait_for
from harness.workplace.shared import Services, Share

LIMIT_S = 120.0
OWNER = """
import sys
from pathlib import Path
from harness.workplace.options import read
from harness.workplace.shared import Share

with Share(Path(sys.argv[1])).serving(read({}, {}, {}, Path()), print):
    print("up", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="nimg-") as found:
        yield Path(found)


@contextmanager
def owner(folder: Path) -> Iterator[tuple[subprocess.Popen[str], Services]]:
    """Context manager that runs a process with services, and yields them as a worker knows them."""
    with subprocess.Popen(
        (sys.executable, "-c", OWNER, folder), env={**os.environ, "TMPDIR": str(folder)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        found = Share(folder).services()
        assert found is not None
        yield child, found


def is_gone(folder: Path) -> None:
    if left := [*folder.glob("node-image-*/run-*"), *processes_naming(folder)]:
        raise NotYet(f"left: {left}")


def test_a_worker_reaches_the_registry_until_its_owner_ends(folder: Path) -> None:
    with owner(folder) as (child, found):
        answer = httpx.get(
            f"https://127.0.0.1:{found.registry.port}/v2/",
            trust_env=False,
            verify=ssl.create_default_context(cadata=found.registry.ca_pem),
        )
        assert answer.is_success
        assert ("port", str(found.registry.port)) in {(w, s.reveal()) for w, s in found.drawn}
        secrets = found.registry.folder.parent / "services.json"
        assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
        child.communicate()

    assert Share(folder).services() is None
    is_gone(folder)
    assert not found.checkpoints.parent.exists()


def test_nothing_is_left_of_an_owner_that_is_killed(folder: Path) -> None:
    with owner(folder) as (child, found):
        found.checkpoints.mkdir()
        child.kill()

    wait_for("the end of the services", lambda: is_gone(folder), Deadline.after(LIMIT_S))
    assert not found.checkpoints.parent.exists()
    assert Share(folder).services() is None
