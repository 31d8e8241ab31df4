"""The interface to a libvirt driver, and the meaning of its answers.

Protocols and values only; it imports no other module of this room. `library` loads libvirt, and
`connection` implements the protocols with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Protocol

from harness.model.errors import InputError

# The driver inside this process, with a root of its own: `?root=FOLDER`.
EMBEDDED = "qemu:///embed"


class Code(IntEnum):
    """Error codes of libvirt that have a remedy. Source: include/libvirt/virterror.h (stable)."""

    NO_CONNECT = 5
    INVALID_ARG = 8
    SYSTEM_ERROR = 38
    NO_DOMAIN = 42
    AUTH_FAILED = 45
    AUTH_CANCELLED = 79
    AUTH_UNAVAILABLE = 94


# Details of the event STOPPED. Source: include/libvirt/libvirt-domain.h (stable).
STOPPED_EVENT = 5
POWERED_OFF = "the guest powered off"
DESTROYED = "it was destroyed"
CRASHED = "the guest crashed"
STOP_REASONS = {0: POWERED_OFF, 1: DESTROYED, 2: CRASHED, 5: "QEMU ended by itself"}

# A domain's state PAUSED, with the reason IOERROR. Source: include/libvirt/libvirt-domain.h.
PAUSED_BY_ERROR = (3, 5)
# By default QEMU pauses a machine only if a write finds no space; the guest gets other errors.
# Source: qemu(1), -drive werror=enospc.
DISK_FULL = "QEMU paused it: no space is left for its disk"


def is_guests_doing(reason: str) -> bool:
    """Return whether the guest stopped itself; else the host's QEMU did."""
    return reason.startswith((POWERED_OFF, CRASHED))


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityLabel:
    """How libvirt's security driver `model` labels QEMU; None switches it off."""

    model: str
    label: str | None = None


class RunningDomain(Protocol):
    """A domain that was started, and may have stopped since."""

    def is_running(self) -> bool:
        """Return whether it still exists."""

    def stop_reason(self) -> str | None:
        """Return why it stopped, None while it runs."""

    def reset(self) -> None:
        """Reset it as by the button: the guest restarts without a shutdown.

        Raises:
            RigError: libvirt refuses.
        """

    def suspend(self) -> None:
        """Stop its processors.

        Raises:
            RigError: libvirt refuses.
        """

    def resume(self) -> None:
        """Let its processors run.

        Raises:
            RigError: libvirt refuses.
        """

    def ask_qemu(
        self, command: str, arguments: Mapping[str, object], fd: int | None = None
    ) -> object:
        """Return QEMU's answer to a command of its monitor protocol, which gets a copy of `fd`.

        Raises:
            RigError: QEMU refuses, or it is gone.
        """

    def destroy(self) -> None:
        """End it at once, if it still exists."""


class Connection(Protocol):
    """A driver that starts domains."""

    @property
    def uri(self) -> str:
        """The address, including the embedded driver's root."""

    @property
    def log_folder(self) -> Path | None:
        """The folder of QEMU's messages, None if a daemon keeps them."""

    def security_labels(self) -> tuple[SecurityLabel, ...]:
        """Return the labels that make QEMU run as this user, unconfined."""

    def start(self, xml: str, *, is_paused: bool = False) -> RunningDomain:
        """Start a transient domain, which ends with the connection if the driver supports that.

        With `is_paused`, its processors do not run yet.
        """


def explain(uri: str, code: int, text: str) -> InputError:
    """Return the error for a connection that libvirt refused with `code`."""
    if code == Code.NO_CONNECT:
        remedy = "Install libvirt's QEMU driver; `node-image doctor` names its package."
    elif code == Code.INVALID_ARG and uri.startswith(EMBEDDED):
        # As root, the driver looks up its default user before it reads qemu.conf.
        remedy = "Create the system user named above, or run as an ordinary user."
    elif code in (Code.AUTH_FAILED, Code.AUTH_CANCELLED, Code.AUTH_UNAVAILABLE):
        remedy = f"Add this user to the group libvirt, or use {EMBEDDED}, the default."
    elif code == Code.SYSTEM_ERROR:
        remedy = f"Start libvirt's daemon, or use {EMBEDDED}, the default, which needs none."
    else:
        remedy = f"Use {EMBEDDED}, the default, or see libvirt's documentation of connection URIs."
    return InputError(uri, f"libvirt cannot connect: {text}", remedy)
