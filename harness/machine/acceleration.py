"""Whether KVM really runs guest code here: a probe boots a tiny guest.

On some virtual machines /dev/kvm opens and libvirt offers "kvm", but no guest kernel ever starts.
The probe's guest of 166 bytes (fixtures/probe/spin.S) counts to twenty million and exits. With a
working KVM that takes milliseconds, else it never ends.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path

from harness import atomic, folders, process
from harness.machine.domain.architecture import Accelerator
from harness.machine.domain.emulator import Emulator
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError

LOG = logging.getLogger(__name__)
PROBE_S = 3.0
# An obstacle may pass (a busy host, no memory); a success stays true until the host reboots.
_OBSTACLE_FRESH_S = 600.0
# The guest writes 0x10 to isa-debug-exit, which ends QEMU with (value << 1) | 1.
_PROBE_STATUS = 33
# Chosen, not measured: limits are for KVM, and emulation boots in some 40 s.
TCG_TIMEOUT_FACTOR = 4.0
_KVM = Path("/dev/kvm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceleration:
    """How guests run, why (one line), and the factor for every wait for a guest."""

    kind: Accelerator
    reason: str
    timeout_factor: float


def probe(
    emulator: Emulator,
    deadline: Deadline,
    *,
    device: Path = _KVM,
    cache: Path | None = None,
) -> Acceleration:
    """Return the acceleration that works for `emulator`; a probe takes up to `PROBE_S`.

    The file `cache`, by default in the cache folder, keeps the answer: a success until the host
    reboots, an obstacle for ten minutes.

    Raises:
        DeadlineError: `deadline` passed before the guest's own time was over.
    """
    obstacle = _why_unavailable(emulator, device)
    if obstacle is None and emulator.arch.name != "x86_64":
        return _kvm(f"{device} opens; not tried with a guest on {emulator.arch.name}")
    if obstacle is None:
        obstacle = _remembered(emulator, deadline, cache or folders.cache_dir() / "acceleration")
    found = _tcg(obstacle) if obstacle else _kvm("a guest ran under KVM")
    LOG.info("acceleration: %s (%s)", found.kind, found.reason)
    return found


def require_kvm(acceleration: Acceleration) -> None:
    """Require that KVM works.

    Raises:
        InputError: it does not; has the probe's reason.
    """
    if not acceleration.kind.is_hardware:
        raise InputError(
            "--require-kvm", acceleration.reason,
            "Run on bare metal or with nested virtualisation, give this user access to "
            "/dev/kvm, or remove the option to run in emulation.",
        )  # fmt: skip


def _kvm(reason: str) -> Acceleration:
    return Acceleration(kind=Accelerator.KVM, reason=reason, timeout_factor=1.0)


def _tcg(reason: str) -> Acceleration:
    return Acceleration(kind=Accelerator.TCG, reason=reason, timeout_factor=TCG_TIMEOUT_FACTOR)


def _why_unavailable(emulator: Emulator, device: Path) -> str | None:
    """Return why KVM cannot be probed, None if it can."""
    if not emulator.is_native:
        return f"KVM cannot run {emulator.arch.name} guests on this host"
    try:
        with device.open("r+b", buffering=0):
            return None
    except FileNotFoundError:
        return f"there is no {device}"
    except OSError as exc:
        return f"{device} cannot be opened: {exc.strerror}"


def _remembered(emulator: Emulator, deadline: Deadline, cache: Path) -> str | None:
    """Return the obstacle that the probe met, None if it ran; probes once per boot and emulator.

    Concurrent processes each probe, and the last answer stays. On a full disk, none stays.
    """
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    key = [boot_id, str(emulator.path), emulator.path.stat().st_mtime_ns]
    known = _read(cache)
    if known.get("key") == key:
        obstacle = known.get("obstacle")
        if obstacle is None:
            return None
        if time.time() - cache.stat().st_mtime < _OBSTACLE_FRESH_S:
            return str(obstacle)
    obstacle = _run_guest(emulator, deadline)
    try:
        atomic.write(cache, json.dumps({"key": key, "obstacle": obstacle}).encode())
    except OSError as exc:
        LOG.warning("acceleration is not remembered, %s: %s", cache, exc.strerror)
    return obstacle


def _read(cache: Path) -> dict[str, object]:
    try:
        known = json.loads(cache.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _run_guest(emulator: Emulator, deadline: Deadline) -> str | None:
    try:
        ended = process.run(
            probe_command(emulator, Accelerator.KVM), deadline.within(PROBE_S), check=False
        )
    except DeadlineError:
        if deadline.is_over:
            raise
        return f"KVM opens but runs nothing: a guest gave no sign of life in {PROBE_S:.0f} s"
    if ended.status == _PROBE_STATUS:
        return None
    said = ended.stderr.strip().splitlines() or [f"QEMU exited {ended.status}"]
    return f"KVM refused a guest: {said[-1]}"


def probe_command(emulator: Emulator, kind: Accelerator) -> tuple[str, ...]:
    """Return the command that runs the probe; exit status 33 means success."""
    return (
        str(emulator.path),
        "-accel", kind.value,
        "-machine", emulator.arch.machine,
        "-m", "16",
        "-nodefaults", "-no-user-config", "-no-reboot",
        "-display", "none",
        "-kernel", str(folders.fixture("probe/spin.bin")),
        "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
    )  # fmt: skip
