"""Connections to a libvirt driver, which start domains and record why they stopped.

By default the driver is embedded in this process (`qemu:///embed`), with a private root and no
daemon. libvirt allows one such root in the life of a process, hence one run.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from harness import folders
from harness.machine import library
from harness.machine.driver import (
    DISK_FULL,
    EMBEDDED,
    PAUSED_BY_ERROR,
    STOP_REASONS,
    STOPPED_EVENT,
    Connection,
    RunningDomain,
    SecurityLabel,
)
from harness.model.clock import SYSTEM_CLOCK, Clock, Deadline, NotYet, wait_for
from harness.model.errors import DeadlineError, InputError, RigError

LOG = logging.getLogger(__name__)
# A unix socket's path has at most 107 bytes; this is libvirt's longest below the run folder.
_SOCKET_PATH_BYTES = 107
_LONGEST_SOCKET = "libvirt/lib/qemu/domain-999-abcdefghijklmnopqrst/monitor.sock"

_EVENT_WITHIN_S = 1.0
_EVENT_TICK_S = 0.02

# QEMU runs as the user who started it: libvirt need not label, own or hide files for it.
_QEMU_CONF = """\
stdio_handler = "file"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
"""
# Without the first two, libvirt as root queries QEMU's capabilities 21 times at every start.
# Without the others, swtpm runs as another user, who cannot write to the run's folder.
_QEMU_CONF_ROOT = """\
user = "root"
group = "root"
swtpm_user = "root"
swtpm_group = "root"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibvirtDomain:
    """A started domain. The connection records in `reasons` why domains stopped, by UUID."""

    # libvirt's Python binding has no types.
    handle: Any
    reasons: dict[str, str]
    clock: Clock = SYSTEM_CLOCK

    def is_running(self) -> bool:
        """Return whether it still exists."""
        with library.missing_domain_ignored():
            return bool(self.handle.isActive())
        return False

    def stop_reason(self) -> str | None:
        """Return why it stopped, None while it runs.

        It has stopped as well if its disk is full, because nothing lets it go on.
        """
        if self.is_running():
            return DISK_FULL if self._is_out_of_space() else None
        # The event arrives through another thread, maybe a moment after the domain is gone.
        deadline = Deadline.after(_EVENT_WITHIN_S, self.clock)
        try:
            return wait_for("the reason", self._reported_reason, deadline, _EVENT_TICK_S)
        except DeadlineError:
            return self.reasons.setdefault(self.handle.UUIDString(), "it is gone")

    def _is_out_of_space(self) -> bool:
        with library.missing_domain_ignored():
            return tuple(self.handle.state()) == PAUSED_BY_ERROR
        return False

    def _reported_reason(self) -> str:
        try:
            return self.reasons[self.handle.UUIDString()]
        except KeyError as exc:
            raise NotYet("no event came") from exc

    def reset(self) -> None:
        """Reset it as by the button.

        Raises:
            RigError: libvirt refuses.
        """
        with library.missing_domain_ignored():
            self.handle.reset(0)

    def suspend(self) -> None:
        """Stop its processors.

        Raises:
            RigError: libvirt refuses.
        """
        with library.explained("cannot suspend the machine"):
            self.handle.suspend()

    def resume(self) -> None:
        """Let its processors run.

        Raises:
            RigError: libvirt refuses.
        """
        with library.explained("cannot resume the machine"):
            self.handle.resume()

    def ask_qemu(
        self, command: str, arguments: Mapping[str, object], fd: int | None = None
    ) -> object:
        """Return QEMU's answer to a command of its monitor protocol, which gets a copy of `fd`.

        Raises:
            RigError: QEMU refuses, or it is gone.
        """
        asked = json.dumps({"execute": command, "arguments": dict(arguments)})
        with library.explained(f"QEMU's {command} failed"):
            answer = json.loads(library.ask_monitor(self.handle, asked, fd))
        if "error" in answer:
            problem = f"{command} failed: {answer['error'].get('desc')}"
            remedy = "Look at QEMU's messages in the run's artifacts."
            raise RigError("QEMU", problem, remedy)
        return answer.get("return")

    def destroy(self) -> None:
        """End it at once, if it still exists."""
        with library.missing_domain_ignored():
            self.handle.destroy()


@dataclass(frozen=True, slots=True, kw_only=True)
class _LibvirtConnection:
    uri: str
    handle: Any
    log_folder: Path | None
    reasons: dict[str, str] = field(default_factory=dict)

    def security_labels(self) -> tuple[SecurityLabel, ...]:
        if self.uri.startswith(EMBEDDED):
            return ()  # its qemu.conf switches them off
        return security_labels(self.handle.getCapabilities(), os.getuid(), os.getgid())

    def start(self, xml: str, *, is_paused: bool = False) -> RunningDomain:
        libvirt = library.load()
        embedded = self.uri.startswith(EMBEDDED)
        flags = 0 if embedded else libvirt.VIR_DOMAIN_START_AUTODESTROY
        flags |= libvirt.VIR_DOMAIN_START_PAUSED if is_paused else 0
        with library.explained("cannot start the machine"):
            handle = self.handle.createXML(xml, flags)
        return LibvirtDomain(handle=handle, reasons=self.reasons)

    def note_event(
        self,
        _connection: object,
        domain: Any,  # noqa: ANN401 - the binding has no types
        event: int,
        detail: int,
        _: object,
    ) -> None:
        if event == STOPPED_EVENT:
            self.reasons[domain.UUIDString()] = STOP_REASONS.get(detail, f"reason {detail}")


@contextmanager
def open_connection(uri: str, folder: Path) -> Iterator[Connection]:
    """Open a connection to `uri`; `qemu:///embed` has its root inside the run's `folder`.

    Raises:
        InputError: libvirt, its QEMU driver or its daemon is missing or refuses.
    """
    log_folder = None
    target = uri
    if uri.startswith(EMBEDDED):
        root = _make_root(folder)
        log_folder = root / "log/qemu"
        target = f"{EMBEDDED}?root={quote(os.fspath(root))}"
    library.load_with_log(folder / "libvirt.log")
    handle = library.connect(target)
    try:
        connection = _LibvirtConnection(uri=target, handle=handle, log_folder=log_folder)
        lifecycle = library.load().VIR_DOMAIN_EVENT_ID_LIFECYCLE
        handle.domainEventRegisterAny(None, lifecycle, connection.note_event, None)
        LOG.info("libvirt: %s", target)
        yield connection
    finally:
        handle.close()


def _make_root(folder: Path) -> Path:
    """Make the embedded driver's root, with a cache of QEMU's capabilities that runs share."""
    if len(os.fsencode(folder / _LONGEST_SOCKET)) > _SOCKET_PATH_BYTES:
        raise InputError(
            str(folder), "path too long for libvirt's sockets", "Set TMPDIR to a short path."
        )
    root = folder / "libvirt"
    (root / "etc").mkdir(parents=True, exist_ok=True)
    conf = _QEMU_CONF + (_QEMU_CONF_ROOT if os.geteuid() == 0 else "")
    (root / "etc/qemu.conf").write_text(conf)
    # Probing QEMU takes seconds; libvirt itself notices an outdated cache.
    shared = folders.cache_dir() / "libvirt"
    shared.mkdir(exist_ok=True)
    if not (root / "cache").is_symlink():
        (root / "cache").symlink_to(shared)
    return root


def security_labels(capabilities: str, uid: int, gid: int) -> tuple[SecurityLabel, ...]:
    """Return the labels for the security drivers in the driver's capabilities (XML text).

    QEMU then runs as `uid` with the files as they are. SELinux and AppArmor are switched off: they
    would deny it this user's folders.
    """
    root = ET.fromstring(capabilities)  # noqa: S314 - written by libvirt on this host
    models = [node.text or "" for node in root.iterfind(".//secmodel/model")]
    return tuple(
        SecurityLabel(model=model, label=f"+{uid}:+{gid}" if model == "dac" else None)
        for model in models
        if model != "none"
    )
