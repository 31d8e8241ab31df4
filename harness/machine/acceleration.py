"""Whether KVM really runs guest code here, found out by running some.

On some virtual machines /dev/kvm opens, a VM can be made and libvirt says "kvm", and yet no guest
kernel ever starts. So the probe boots a guest of 166 bytes (fixtures/probe/spin.S) which counts to
twenty million and leaves: milliseconds on KVM that works, never on KVM that does not.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path

from harness import atomic, folders, process
from harness.machine.domain.architecture import Kind
from harness.machine.domain.emulator import Emulator
from harness.model.clock import Deadline
from harness.model.errors import DeadlineError, InputError

LOG = logging.getLogger(__name__)
PROBE_S = 3.0
# What kept a guest from running may pass (a busy host, no memory); that one ran cannot.
_OBSTACLE_FRESH_S = 600.0
# The guest writes 0x10 to isa-debug-exit, which ends QEMU with (value << 1) | 1.
_PROBE_STATUS = 33
# A choice, not a measurement: waits are sized for KVM, and emulation boots in some 40 s.
TCG_TIMEOUT_FACTOR = 4.0
_KVM = Path("/dev/kvm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceleration:
    """How guests will run, why (one line), and what to multiply every wait for a guest by."""

    kind: Kind
    reason: str
    timeout_factor: float


def probe(
    emulator: Emulator,
    deadline: Deadline,
    *,
    device: Path = _KVM,
    cache: Path | None = None,
) -> Acceleration:
    """Return the acceleration that works for `emulator`; takes up to `PROBE_S` when it has to try.

    `cache` is the file that remembers the answer, by default in the cache folder: a success until
    the host boots again, an obstacle for ten minutes.

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
    """Do nothing when KVM works.

    Raises:
        InputError: it does not; carries the probe's reason.
    """
    if not acceleration.kind.is_hardware:
        raise InputError(
            "KVM is required", acceleration.reason,
            "run on bare metal or with working nested virtualisation, give this user access to "
            "/dev/kvm, or drop the requirement to run in emulation",
        )  # fmt: skip


def _kvm(reason: str) -> Acceleration:
    return Acceleration(kind=Kind.KVM, reason=reason, timeout_factor=1.0)


def _tcg(reason: str) -> Acceleration:
    return Acceleration(kind=Kind.TCG, reason=reason, timeout_factor=TCG_TIMEOUT_FACTOR)


def _why_unavailable(emulator: Emulator, device: Path) -> str | None:
    """Return why KVM cannot even be asked, None when it can."""
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
    """Return the obstacle that a guest met, None if it ran; asked once per boot and emulator.

    Processes that ask at the same time each try, and the last one's answer stays.
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
    atomic.write(cache, json.dumps({"key": key, "obstacle": obstacle}).encode())
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
            probe_command(emulator, Kind.KVM), deadline.within(PROBE_S), check=False
        )
    except DeadlineError:
        if deadline.is_over:
            raise
        return f"KVM opens but runs nothing: a guest gave no sign of life in {PROBE_S:.0f} s"
    if ended.status == _PROBE_STATUS:
        return None
    said = ended.stderr.strip().splitlines() or [f"QEMU exited {ended.status}"]
    return f"KVM refused a guest: {said[-1]}"


def probe_command(emulator: Emulator, kind: Kind) -> tuple[str, ...]:
    """Return the command that runs the probe's guest; exit status 33 means that it ran."""
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
