"""The state of a machine's devices and processors in a file, without its memory.

QEMU's migration leaves out memory that is in a shared file (x-ignore-shared), so that it writes
less than a megabyte. The file is passed as a descriptor: QEMU's sandbox does not let it start
programs.
Source: QEMU's docs/devel/migration.rst; qapi/migration.json.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from harness.machine.driver import RunningDomain
from harness.machine.guest_memory import new_file
from harness.model.clock import Deadline, NotYet, wait_for
from harness.model.errors import RigError

_FD = "node-image-state"
_LOOK_S = 0.02
_REMEDY = "Look at QEMU's messages in the run's artifacts."


def save(domain: RunningDomain, path: Path, deadline: Deadline) -> None:
    """Write the state of a suspended domain to the new file `path`.

    Raises:
        RigError: QEMU could not.
        DeadlineError: it is not done yet.
    """
    with new_file(path) as file:
        _leave_memory_out(domain)
        domain.ask_qemu("getfd", {"fdname": _FD}, file.fileno())
        domain.ask_qemu("migrate", {"uri": f"fd:{_FD}"})
        wait_for("the state of the machine", partial(_has_ended, domain), deadline, _LOOK_S)


def load(domain: RunningDomain, path: Path, deadline: Deadline) -> None:
    """Load the state in `path` into a domain that waits for it, and stays suspended.

    Raises:
        RigError: the state does not fit the domain, or is damaged.
        DeadlineError: it is not done yet.
    """
    with path.open("rb") as file:
        _leave_memory_out(domain)
        domain.ask_qemu("getfd", {"fdname": _FD}, file.fileno())
        domain.ask_qemu("migrate-incoming", {"uri": f"fd:{_FD}"})
        wait_for("the state of the machine", partial(_has_ended, domain), deadline, _LOOK_S)


def _leave_memory_out(domain: RunningDomain) -> None:
    wanted = [{"capability": "x-ignore-shared", "state": True}]
    domain.ask_qemu("migrate-set-capabilities", {"capabilities": wanted})


def _has_ended(domain: RunningDomain) -> None:
    found = domain.ask_qemu("query-migrate", {})
    status = found.get("status", "none") if isinstance(found, dict) else "unknown"
    if status in ("failed", "cancelled"):
        raise RigError("QEMU", f"state of the machine: {status}", _REMEDY)
    if status != "completed":
        raise NotYet(f"QEMU says {status}")
