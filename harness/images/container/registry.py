"""A real registry for one run: skopeo pushes local node images into it, guests pull them.

It listens on the host's loopback only, which QEMU's user-mode network shows to guests as 10.0.2.2,
and serves TLS with a CA made for the run.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx

from harness import process
from harness.images.container import skopeo
from harness.images.container.skopeo import Source, Target
from harness.images.reference import Reference, Transport
from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.errors import RigError
from harness.model.guest_network import HOST_IN_GUEST, LOOPBACK
from harness.pki.certificates import Certificate, issue

LOG = logging.getLogger(__name__)
_PROGRAMS = ("docker-registry", "docker-distribution", "registry")
_PORT_TRIES = 5
_ASK_WITHIN_S = 5.0
_LOG_TAIL = 2000
# Version 3 sends traces to a collector on this host by default.
_NO_TELEMETRY = {"OTEL_TRACES_EXPORTER": "none", "OTEL_SDK_DISABLED": "true"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A running registry; its `folder` has the CA in `trust/ca.crt`."""

    port: int
    ca_pem: str
    folder: Path

    @property
    def log(self) -> Path:
        """What it has printed."""
        return _log(self.folder.parent)

    @property
    def address_in_guest(self) -> str:
        """Its host and port for guests."""
        return f"{HOST_IN_GUEST}:{self.port}"

    def push(self, source: Source, name: str, deadline: Deadline) -> str:
        """Copy an image in and return its pull spec for guests, by digest.

        Raises:
            InputError: the image cannot be read; has skopeo's reason.
            DeadlineError: the time is over.
        """
        here = Reference(transport=Transport.DOCKER, rest=f"{LOOPBACK}:{self.port}/{name}:latest")
        target = Target(
            reference=here, cert_dir=self.folder / "trust", folder=self.folder / "storage"
        )
        digest = skopeo.copy(source, target, deadline)
        return f"{self.address_in_guest}/{name}@{digest}"


class _PortTakenError(RigError):
    """Another program took the port before the registry started."""


def free_port() -> int:
    """Return a free TCP port of the loopback."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(
    run_dir: Path, deadline: Deadline, choose_port: Callable[[], int] = free_port
) -> Iterator[Registry]:
    """Run a registry while the block runs; its log is `run_dir/registry.log`.

    Raises:
        MissingProgramError: no registry is installed.
        DeadlineError: it did not answer in time; has the last reason.
        RigError: it ended by itself; has the end of its log.
    """
    program = _program()
    with ExitStack() as stack:
        yield _start(stack, program, run_dir, deadline, choose_port)


def configuration(folder: Path, port: int) -> str:
    """Return the registry's configuration: YAML in the form of JSON, which quotes paths.

    It has no debug listener and no notification endpoint.
    Source: distribution 2.8, docs/configuration.md
    """
    settings = {
        "version": 0.1,
        "log": {"level": "info", "formatter": "text"},
        "storage": {"filesystem": {"rootdirectory": os.fspath(folder / "storage")}},
        "http": {
            "addr": f"{LOOPBACK}:{port}",
            "secret": secrets.token_hex(16),
            "tls": {
                "certificate": os.fspath(folder / "server.crt"),
                "key": os.fspath(folder / "server.key"),
            },
        },
    }
    return json.dumps(settings, indent=1)


def _program() -> Path:
    for name in _PROGRAMS:
        try:
            return process.find(name)
        except process.MissingProgramError:
            continue
    raise process.MissingProgramError(_PROGRAMS[0])


def _start(
    stack: ExitStack,
    program: Path,
    run_dir: Path,
    deadline: Deadline,
    choose_port: Callable[[], int],
) -> Registry:
    folder, certificate = _prepare(run_dir)
    log = _log(run_dir)
    for _ in range(_PORT_TRIES):
        registry = Registry(port=choose_port(), ca_pem=certificate.ca_pem, folder=folder)
        with ExitStack() as attempt:
            child = attempt.enter_context(_running(program, registry, log))
            try:
                _wait_until_it_answers(child, registry, log, deadline)
            except _PortTakenError:
                LOG.info("port %d was taken meanwhile: trying another", registry.port)
                continue
            stack.enter_context(attempt.pop_all())
            return registry
    problem = f"no free port after {_PORT_TRIES} tries"
    raise RigError("local registry", problem, f"Look at its log, {log}.")


def _log(run_dir: Path) -> Path:
    return run_dir / "registry.log"


def _prepare(run_dir: Path) -> tuple[Path, Certificate]:
    certificate = issue((HOST_IN_GUEST, LOOPBACK), ("localhost",))
    folder = run_dir / "registry"
    (folder / "trust").mkdir(mode=0o700, parents=True)
    (folder / "trust" / "ca.crt").write_text(certificate.ca_pem)
    (folder / "server.crt").write_text(certificate.certificate_pem)
    key = folder / "server.key"
    key.touch(mode=0o600)
    key.write_text(certificate.key_pem.reveal())
    return folder, certificate


@contextmanager
def _running(program: Path, registry: Registry, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    config = registry.folder / "config.yml"
    config.write_text(configuration(registry.folder, registry.port))
    argv = (program, "serve", config)
    with (
        log.open("wb") as out,
        process.start(argv, env=_NO_TELEMETRY, stdout=out.fileno(), stderr=out.fileno()) as child,
    ):
        yield child


def _wait_until_it_answers(
    child: subprocess.Popen[bytes], registry: Registry, log: Path, deadline: Deadline
) -> None:
    trust = ssl.create_default_context(cadata=registry.ca_pem)
    base = f"https://{LOOPBACK}:{registry.port}"
    with httpx.Client(
        base_url=base, verify=trust, trust_env=False, timeout=_ASK_WITHIN_S
    ) as client:
        ask = partial(_ask, child, client, log)
        wait_for(f"local registry at {base}", ask, deadline, tick_s=0.05)


def _ask(child: subprocess.Popen[bytes], client: httpx.Client, log: Path) -> None:
    if child.poll() is not None:
        said = log.read_text(errors="replace")[-_LOG_TAIL:]
        kind = _PortTakenError if "address already in use" in said else RigError
        problem = f"ended with status {child.returncode}: {said}"
        raise kind("local registry", problem, f"Look at its log, {log}.")
    try:
        answer = client.get("/v2/")
    except httpx.TransportError as exc:
        raise NotYet(str(exc) or type(exc).__name__) from exc
    if not answer.is_success:
        raise NotYet(f"it answers {answer.status_code}")
