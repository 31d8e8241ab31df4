"""Machines owned by another program, `machine_owner`, which a test can watch or end.

The guests are boot sectors and firmware, which take seconds without KVM.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness import process
from harness.machine.ownership.processes import processes_naming
from harness.model.clock import Deadline, NotYet, wait_for

ROOT = Path(__file__).parents[2]
OWNER = Path(__file__).with_name("machine_owner.py")
URI = "qemu:///embed"
PROMPT_S = 10.0
START_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A private folder of runs, so that these tests see no others."""

    folder: Path

    @property
    def runs(self) -> Path:
        return self.folder / f"node-image-{os.getuid()}"

    @property
    def env(self) -> dict[str, str]:
        path = os.pathsep.join((str(ROOT), *sys.path))
        return {"TMPDIR": str(self.folder), "PYTHONPATH": path}


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    child: subprocess.Popen[bytes]
    facts: dict[str, object]

    @property
    def folder(self) -> Path:
        return Path(str(self.facts["folder"]))

    @property
    def console(self) -> Path:
        return Path(str(self.facts["console"]))

    def is_gone(self) -> None:
        left = [self.folder, Path(str(self.facts["scratch"]))]
        left = [path for path in left if path.exists()]
        running = processes_naming(self.folder)
        if left or running:
            raise NotYet(f"left: {left} {running}")

    def wait_until_gone(self) -> None:
        wait_for("the end of the run", self.is_gone, Deadline.after(PROMPT_S), tick_s=0.05)


@contextmanager
def private_place() -> Iterator[Place]:
    # pytest's own temporary paths are too long for libvirt's sockets.
    folder = Path(tempfile.mkdtemp(prefix="nimg-"))
    yield Place(folder=folder)
    shutil.rmtree(folder)


@contextmanager
def emptied_place() -> Iterator[Place]:
    """Context manager that yields a place in which no run and no process may be left."""
    with private_place() as place:
        yield place
        assert not list(place.runs.glob("run-*"))
        assert not processes_naming(place.folder)


@contextmanager
def owner_of(place: Place, mode: str, *options: str | Path) -> Iterator[Owner]:
    command = (sys.executable, OWNER, mode, URI, *options)
    with process.start(command, env=place.env, stdin=subprocess.PIPE) as child:
        started = Owner(child=child, facts=read_facts(child))
        yield started
    started.wait_until_gone()


def read_facts(child: subprocess.Popen[bytes], limit_s: float = START_S) -> dict[str, object]:
    assert child.stdout is not None
    ready, _, _ = select.select([child.stdout], [], [], limit_s)
    assert ready, "the owner said nothing in time"
    line = child.stdout.readline()
    if not line:
        assert child.stderr is not None
        pytest.fail(child.stderr.read().decode())
    facts = json.loads(line)
    assert isinstance(facts, dict)
    return facts


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve `folder` and yield its address for guests."""
    answer = partial(SimpleHTTPRequestHandler, directory=os.fspath(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), answer) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://10.0.2.2:{server.server_port}"
        server.shutdown()


def wait_for_words(console: Path, words: str, limit_s: float = START_S) -> str:
    """Wait until `words` are on the console and return its text."""

    def _said() -> str:
        text = console.read_text(errors="replace")
        if words not in text:
            raise NotYet(f"the console ends with {text[-500:]!r}")
        return text

    return wait_for(repr(words), _said, Deadline.after(limit_s), tick_s=0.1)
