"""A control plane on this host, for nodes that join a cluster: etcd and the API server, no more.

Both are processes that listen on the loopback, where guests reach them as 10.0.2.2. They end with
the context, and their data is removed. Nothing is scheduled and no controller runs: a node
registers, keeps its lease and becomes Ready.
"""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import httpx

from harness import process
from harness.cluster.manifests import Layout, apiserver_arguments, etcd_arguments
from harness.cluster.payload import Payload
from harness.images.container.registry import free_port
from harness.machine.guest_memory import new_file
from harness.machine.ownership.ports import is_free
from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.drawn import PORT_OF, draw
from harness.model.errors import DeadlineError, RigError
from harness.model.guest_network import HOST_IN_GUEST, LOOPBACK
from harness.model.readyz import why_not_ready
from harness.model.secret import Secret
from harness.pki.control_plane import Api, Pki

_LOADER = "lib64/ld-linux-x86-64.so.2"
_LIBRARIES = "lib/x86_64-linux-gnu"
_PORT_TRIES = 5
_ASK_WITHIN_S = 5.0
_LOG_TAIL = 2000
_PORT_TAKEN = "address already in use"
_ETCD = "etcd"
_MAX_PORT = 65535


class _PortTakenError(RigError):
    """Another program took a port between its choice and the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A process of the control plane, and its log."""

    name: str
    child: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-_LOG_TAIL:]

    def check_alive(self) -> None:
        """Return while it runs, else raise `RigError` with the end of its log."""
        if self.child.poll() is None:
            return
        said = self.said()
        kind = _PortTakenError if _PORT_TAKEN in said else RigError
        problem = f"ended with status {self.child.returncode}: {said}"
        raise kind(self.name, problem, f"Look at its log, {self.log}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """An API server that answers; `folder` has its logs."""

    port: int
    pki: Pki
    folder: Path
    programs: tuple[Program, ...] = ()
    data: Path = Path()

    def save(self, path: Path) -> None:
        """Write what etcd has on its disk to the new private file `path`, while etcd stands still.

        It is what a crash of the host would leave: etcd goes on from it without what it had not
        acknowledged.

        Raises:
            OSError: no space is left, among others.
        """
        (etcd,) = (program.child for program in self.programs if program.name == _ETCD)
        etcd.send_signal(signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, etcd.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            # Its logs are allocated ahead, so that most of it is zeros.
            with (
                new_file(path) as file,
                tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as archive,
            ):
                archive.add(self.data, ".")
        finally:
            etcd.send_signal(signal.SIGCONT)

    @property
    def logs(self) -> tuple[Path, ...]:
        """The files that its processes write to."""
        return tuple(program.log for program in self.programs)

    def check_alive(self) -> None:
        """Return while its processes run.

        Raises:
            RigError: one ended; carries the end of its log.
        """
        for program in self.programs:
            program.check_alive()

    @property
    def url_in_guest(self) -> str:
        """The API's URL for guests."""
        return f"https://{HOST_IN_GUEST}:{self.port}"

    @property
    def url(self) -> str:
        """The API's URL for this host."""
        return f"https://{LOOPBACK}:{self.port}"

    @property
    def api(self) -> Api:
        """The API as guests reach it."""
        return Api(pki=self.pki, url=self.url_in_guest)


@contextmanager
def hosted(
    folder: Path, payload: Payload, pki: Pki, deadline: Deadline, saved: Path | None = None
) -> Iterator[ControlPlane]:
    """Context manager that runs a control plane; `folder` is made, for keys, data and logs.

    It goes on from what another one has `saved`, whose certificates and ports it needs.

    Raises:
        DeadlineError: it was not ready in time; carries the last reason.
        RigError: etcd or the API server ended by itself; carries the end of its log. Or `saved`
            cannot be read.
    """
    folder.mkdir(mode=0o700, parents=True)
    write_files(folder / "tls", pki)
    with ExitStack() as stack:
        plane = ControlPlane(port=0, pki=pki, folder=folder)
        yield _start(stack, payload, plane, deadline, saved)


def write_files(folder: Path, pki: Pki) -> None:
    """Write what etcd and the API server read, for this user alone."""
    folder.mkdir(mode=0o700)
    for name, contents in pki.files().items():
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(contents.reveal() if isinstance(contents, Secret) else contents)


def programs(payload: Payload, at: Layout) -> dict[str, list[str]]:
    """Return the command lines of etcd and the API server on any host.

    Debian's etcd runs with Debian's libraries.
    """
    tree = payload.etcd_tree
    loader = [os.fspath(tree / _LOADER), "--library-path", os.fspath(tree / _LIBRARIES)]
    etcd = os.fspath(tree / "usr/bin/etcd")
    apiserver = os.fspath(payload.hyperkube_tree / "usr/bin/kube-apiserver")
    return {
        "etcd": [*loader, etcd, *etcd_arguments(at)],
        "kube-apiserver": [apiserver, *apiserver_arguments(at)],
    }


def _start(
    stack: ExitStack, payload: Payload, plane: ControlPlane, deadline: Deadline, saved: Path | None
) -> ControlPlane:
    for number in range(_PORT_TRIES):
        at = _layout(plane.folder, number)
        ready = replace(plane, port=at.api_port, data=Path(at.data))
        if saved is not None:
            _unpack(saved, ready.data)
        with ExitStack() as attempt:
            try:
                started = [
                    attempt.enter_context(_running(name, argv, plane.folder))
                    for name, argv in programs(payload, at).items()
                ]
                _wait_until_ready(started, ready, deadline)
            except _PortTakenError:
                continue
            stack.enter_context(attempt.pop_all())
            return replace(ready, programs=tuple(started))
    raise RigError(
        "control plane", f"no free ports after {_PORT_TRIES} tries", "Run fewer tests at once."
    )


def _layout(folder: Path, number: int) -> Layout:
    # A data folder for each try: etcd keeps the ports of the last one in it.
    return Layout(
        tls=os.fspath(folder / "tls"), data=os.fspath(folder / f"etcd-{number}"),
        listen=LOOPBACK, advertised=HOST_IN_GUEST,
        api_port=_port("API"), etcd_port=_port("etcd"), etcd_peer_port=_port("etcd's peers"),
    )  # fmt: skip


def _port(what: str) -> int:
    """Return the port that was drawn if it is free, or any free one."""
    return int(draw(f"{PORT_OF}{what}", lambda: str(free_port()), _can_use))


def _can_use(port: str) -> bool:
    return port.isdecimal() and int(port) <= _MAX_PORT and is_free(int(port))


def _unpack(saved: Path, data: Path) -> None:
    data.mkdir(mode=0o700)
    try:
        with tarfile.open(saved) as archive:
            archive.extractall(data, filter="data")
    except (OSError, tarfile.TarError) as exc:
        problem = f"its saved data cannot be read: {exc}"
        raise RigError("control plane", problem, "Start it without a checkpoint.") from exc


@contextmanager
def _running(name: str, argv: Sequence[str], folder: Path) -> Iterator[Program]:
    log = folder / f"{name}.log"
    with (
        log.open("wb") as out,
        process.start(argv, cwd=folder, stdout=out.fileno(), stderr=out.fileno()) as child,
    ):
        yield Program(name=name, child=child, log=log)


def _wait_until_ready(started: Sequence[Program], plane: ControlPlane, deadline: Deadline) -> None:
    trust = ssl.create_default_context(cadata=plane.pki.ca_pem)
    with httpx.Client(
        base_url=plane.url, verify=trust, trust_env=False, timeout=_ASK_WITHIN_S
    ) as client:
        ask = partial(_ask, started, client)
        try:
            wait_for(f"API server at {plane.url}", ask, deadline, tick_s=0.1)
        except DeadlineError as exc:
            # Its logs are removed with the run.
            said = "".join(f"\n{program.name}: {program.said()}" for program in started)
            reason = f"{exc.reason}{said}"
            raise DeadlineError(exc.waited_for, exc.limit_s, reason) from exc


def _ask(started: Sequence[Program], client: httpx.Client) -> None:
    for program in started:
        program.check_alive()
    try:
        answer = client.get("/readyz", params={"verbose": "1"})
    except httpx.TransportError as exc:
        raise NotYet(str(exc) or type(exc).__name__) from exc
    if not answer.is_success:
        raise NotYet(f"it answers {answer.status_code}: {why_not_ready(answer.text)}")
