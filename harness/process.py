"""The only module that starts programs: `run` to the end, `start`, or `attached` for the user.

Standard input is closed, the locale is C so that messages can be parsed, and a program that exceeds
its deadline is killed with its process group. A program that is `attached` has the user's terminal
and locale, and the user's time.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, RigError

LOG = logging.getLogger(__name__)
_TERM_GRACE_S = 5.0
_SIGNALLED = 128
"""A shell's exit status for a program that a signal ended, less the signal's number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """An ended program: its exit status and output."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


class CommandError(RigError):
    """A host program failed; `completed` has its argv, status and output."""

    def __init__(self, completed: Completed) -> None:
        output = (completed.stderr.strip() or completed.stdout.strip())[-2000:]
        super().__init__(
            shlex.join(completed.argv), f"exited {completed.status}: {output}",
            "Check this host with `node-image doctor`.",
        )  # fmt: skip
        self.completed = completed


class MissingProgramError(RigError):
    """A host program is not installed. `program` is its name."""

    def __init__(self, program: str) -> None:
        remedy = "Install the package that `node-image doctor` names."
        super().__init__(program, "not installed", remedy)
        self.program = program


def find(program: str) -> Path:
    """Return the path of `program` in PATH or the system's sbin folders.

    Raises:
        MissingProgramError: it is not installed.
    """
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))
    found = shutil.which(program, path=path)
    if found is None:
        raise MissingProgramError(program)
    return Path(found)


def run(
    argv: Sequence[str | os.PathLike[str]],
    deadline: Deadline,
    *,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    text: str | None = None,
) -> Completed:
    """Run a program to its end and return its output.

    `env` is added to the environment, `text` is its standard input.

    Raises:
        CommandError: `check` is true and the exit status is not 0.
        DeadlineError: it still ran at the deadline and was killed.
        MissingProgramError: it is not installed.
    """
    stdin = subprocess.DEVNULL if text is None else subprocess.PIPE
    given = None if text is None else text.encode()
    with start(argv, env=env, cwd=cwd, stdin=stdin) as child:
        try:
            stdout, stderr = child.communicate(given, timeout=deadline.remaining_s)
        except subprocess.TimeoutExpired as exc:
            _kill_group(child)
            raise DeadlineError(
                shlex.join(_texts(argv)), deadline.limit_s, "still running"
            ) from exc
    completed = Completed(
        argv=_texts(argv), status=child.returncode,
        stdout=stdout.decode(errors="replace"), stderr=stderr.decode(errors="replace"),
    )  # fmt: skip
    if check and completed.status != 0:
        raise CommandError(completed)
    return completed


@contextmanager
def start(
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    pass_fds: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program in its own process group; on leaving, end the group and wait for it.

    Raises:
        MissingProgramError: it is not installed.
    """
    words = _texts(argv)
    program = find(words[0]) if "/" not in words[0] else Path(words[0])
    LOG.debug("run: %s", shlex.join(words))
    child = subprocess.Popen(
        [os.fspath(program), *words[1:]],
        env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
        cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr,
        pass_fds=tuple(pass_fds), start_new_session=True,
    )  # fmt: skip
    try:
        yield child
    finally:
        _end_group(child)


def attached(argv: Sequence[str | os.PathLike[str]]) -> int:
    """Run a program on the user's terminal to its end, as a shell does; return its exit status.

    It gets the streams, the environment and the process group of this process. Ctrl-C reaches both,
    unless the program takes it. It has no deadline: the user ends it.

    Raises:
        KeyboardInterrupt: the user interrupted; the program has ended.
        MissingProgramError: it is not installed.
    """
    words = _texts(argv)
    LOG.debug("run: %s", shlex.join(words))
    child = subprocess.Popen([os.fspath(find(words[0])), *words[1:]])
    try:
        status = child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait()
    return status if status >= 0 else _SIGNALLED - status


def _texts(argv: Sequence[str | os.PathLike[str]]) -> tuple[str, ...]:
    return tuple(os.fspath(word) for word in argv)


def _end_group(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(timeout=_TERM_GRACE_S)
        except subprocess.TimeoutExpired:
            _kill_group(child)
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            pipe.close()


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
