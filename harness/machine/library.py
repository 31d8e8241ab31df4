"""libvirt's library: loading it, its log, its event loop and its errors.

The only module that loads it, and on first use: loading takes as long as the start of the reaper,
the log has to be set before, and a missing library needs an explanation.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from harness.machine.driver import Code, explain
from harness.model.errors import InputError, RigError

LOG = logging.getLogger(__name__)
REMEDY = "Check this host with `node-image doctor`."
_LOG_SETTING = "LIBVIRT_LOG_OUTPUTS"


@cache
def load() -> Any:  # noqa: ANN401 - the binding has no types
    """Return the module `libvirt`.

    Raises:
        InputError: it is not installed.
    """
    try:
        import libvirt
    except ImportError as exc:
        raise InputError(
            "libvirt", f"cannot be loaded: {exc}",
            "Install libvirt's client library; `node-image doctor` names its package.",
        ) from exc  # fmt: skip
    libvirt.registerErrorHandler(lambda _, error: LOG.debug("libvirt: %s", error[2]), None)
    return libvirt


def load_with_log(path: Path) -> None:
    """Load the library with its log in `path`, unless the environment names another place.

    libvirt reads the setting once, at loading. By default the embedded driver logs to stderr.

    Raises:
        InputError: it is not installed.
    """
    if _LOG_SETTING in os.environ:
        load()
        return
    os.environ[_LOG_SETTING] = f"3:file:{path}"
    try:
        load()
    finally:
        del os.environ[_LOG_SETTING]


def connect(uri: str) -> Any:  # noqa: ANN401 - the binding has no types
    """Return libvirt's handle of a connection to `uri`; the caller closes it.

    Raises:
        InputError: libvirt, its QEMU driver or its daemon is missing or refuses.
    """
    libvirt = load()
    _run_event_loop()
    try:
        return libvirt.open(uri)
    except libvirt.libvirtError as exc:
        raise explain(uri, exc.get_error_code(), str(exc)) from exc


@cache
def _run_event_loop() -> None:
    """Run libvirt's event loop in a thread, from before the first open to the process's end."""
    libvirt = load()
    libvirt.virEventRegisterDefaultImpl()

    def _loop() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=_loop, name="libvirt-events", daemon=True).start()


@contextmanager
def missing_domain_ignored() -> Iterator[None]:
    """Ignore that a domain is gone.

    Raises:
        RigError: libvirt reported any other error.
    """
    libvirt = load()
    try:
        yield
    except libvirt.libvirtError as exc:
        if exc.get_error_code() != Code.NO_DOMAIN:
            raise RigError("libvirt", str(exc), REMEDY) from exc


@contextmanager
def explained(problem: str) -> Iterator[None]:
    """Raise what libvirt reports as a `RigError` about `problem`."""
    libvirt = load()
    try:
        yield
    except libvirt.libvirtError as exc:
        raise RigError("libvirt", f"{problem}: {exc}", REMEDY) from exc


def ask_monitor(
    handle: Any,  # noqa: ANN401 - the binding has no types
    command: str,
    fd: int | None,
) -> str:
    """Return the answer of a domain's QEMU to a command in JSON; QEMU gets a copy of `fd`."""
    import libvirt_qemu

    if fd is None:
        return str(libvirt_qemu.qemuMonitorCommand(handle, command, 0))
    return str(libvirt_qemu.qemuMonitorCommandWithFiles(handle, command, [fd], 0)[0])


def destroy_domain(uri: str, uuid: str) -> None:
    """Destroy the domain `uuid` of a daemon's driver, if it exists.

    Raises:
        InputError: the driver cannot be reached.
        RigError: libvirt could not destroy it.
    """
    handle = connect(uri)
    try:
        with missing_domain_ignored():
            handle.lookupByUUIDString(uuid).destroy()
    finally:
        handle.close()
