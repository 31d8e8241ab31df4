"""Runs `node-image` in a throwaway project, in a folder of runs of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from throwaway import Project

from harness.model.clock import Deadline, NotYet, wait_for

PROGRAM = (sys.executable, "-c", "from harness.cli import main; main()")
LIMIT_S = 240.0
SSH = """#!/bin/sh
echo "$@" >> {log}
while [ "$1" != core@127.0.0.1 ]; do shift; done
shift
[ $# -gt 0 ] && exec sh -c "$*"
exec sh
"""
"""Runs here what it is asked to run in the guest."""
SCP = "#!/bin/sh\necho scp $@ >> {log}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawns:
    """A project with programs of OpenSSH that reach no guest."""

    project: Project
    base: Path

    @property
    def runs(self) -> Path:
        return self.base / f"node-image-{os.getuid()}"

    @property
    def ssh_log(self) -> list[str]:
        return (self.base / "ssh.log").read_text().splitlines()

    @property
    def images(self) -> tuple[str, ...]:
        return (*self.project.images, "--expectations=table.toml")

    def run(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run `node-image` to its end."""
        return subprocess.run(
            (*PROGRAM, *words), input=text, capture_output=True, text=True, check=False,
            cwd=self.project.folder, timeout=LIMIT_S,
        )  # fmt: skip

    @contextmanager
    def started(self, *words: str, **options: object) -> Iterator[subprocess.Popen[str]]:
        """Start `node-image`; on leaving, it has ended."""
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        with subprocess.Popen(
            (*PROGRAM, *words), text=True, cwd=self.project.folder, **(streams | options)
        ) as child:  # type: ignore[call-overload]
            yield child
            child.kill()

    def wait_for_line(self, child: subprocess.Popen[str], words: str) -> None:
        """Read what it prints up to a line with these words."""
        assert child.stdout is not None
        lines = []
        for line in child.stdout:
            lines.append(line)
            if words in line:
                return
        pytest.fail(f"it ended: {''.join(lines)}")

    def owner(self) -> int:
        """Return the id of the process that owns the nodes of this project."""
        found = [
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/cmdline")
            if b"harness.spawning.owner" in _read(path)
            and (path.parent / "cwd").readlink() == self.project.folder
        ]
        assert len(found) == 1
        return found[0]

    def wait_until_gone(self) -> None:
        """Wait until no run is left."""
        wait_for("the end", self._look, Deadline.after(LIMIT_S), tick_s=0.05)

    def _look(self) -> None:
        if left := [path.name for path in self.runs.glob("run-*")]:
            raise NotYet(f"left: {left}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended meanwhile
        return b""


@contextmanager
def in_project(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spawns]:
    """Context manager that yields the project; no run of it is left."""
    # pytest's own temporary paths are too long for libvirt's sockets.
    base = Path(tempfile.mkdtemp(prefix="nimg-"))
    programs = base / "bin"
    programs.mkdir()
    for name, text in (("ssh", SSH), ("scp", SCP)):
        (programs / name).write_text(text.format(log=base / "ssh.log"))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(base))
    found = Spawns(project=project, base=base)
    yield found
    found.wait_until_gone()
    shutil.rmtree(base)
