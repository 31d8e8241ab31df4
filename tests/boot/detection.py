"""Machines that fail on purpose, and how soon the harness reports it: for tests and bench."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import failures

from harness.machine.ownership.processes import processes_naming
from harness.model.clock import SYSTEM_CLOCK, Deadline, NotYet, wait_for
from harness.model.errors import HarnessError, ProductError, RigError, SuiteError
from harness.model.ignition import Document, merge
from harness.player.inputs import Inputs, Rig
from harness.player.player import play
from harness.scenarios.catalogue import Catalogue

_LOOK_S = 0.02
_JOIN_S = 10.0
_UP_S = 300.0


def no_change() -> Document:
    """Change nothing."""
    return {"ignition": {"version": "3.2.0"}}


def crash_loop_and_early_callers() -> Document:
    """Fail late, when the node image is in place, after calls of its programs."""
    return merge(failures.kubelet_crash_loop(), failures.early_callers())


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A way to fail: the Ignition that brings it about, and what has to be said of it.

    `sign` is a pattern in what the guest writes: from there on the harness can know. `sign_count`
    is how often it is needed, for loops. `missing` are commands that the guest calls too early,
    with the packages that bring them.
    """

    name: str
    sign: str
    rules: frozenset[str]
    error: type[HarnessError]
    ignition: Callable[[], Document] = no_change
    sign_count: int = 1
    kills_qemu: bool = False
    is_nightly: bool = False
    missing: frozenset[tuple[str, str]] = frozenset()

    def __str__(self) -> str:
        return self.name


CASES = (
    Case(
        name="panic", ignition=failures.kernel_panic, error=ProductError,
        sign="Kernel panic - not syncing", rules=frozenset({"kernel-panic"}),
    ),
    Case(
        name="emergency-shell", ignition=failures.emergency_shell, error=ProductError,
        sign="Dependency failed for .*Local File Systems", is_nightly=True,
        rules=frozenset({"local-file-system-failed"}),
    ),
    Case(
        name="ignition-fetch", ignition=failures.unserved_config, error=RigError,
        sign="connection refused", sign_count=5, is_nightly=True,
        rules=frozenset({"ignition-nobody-serves"}),
    ),
    Case(
        name="disk-full-in-pull", ignition=failures.full_disk, error=ProductError,
        sign="min-free-space-percent .* would be exceeded",
        rules=frozenset({"disk-full-in-live-apply", "room-ran-out-during-live-apply"}),
    ),
    Case(
        name="kubelet-crash-loop", ignition=crash_loop_and_early_callers, error=ProductError,
        sign=r"kubelet\.service: Scheduled restart job, restart counter is at",
        sign_count=3, is_nightly=True, rules=frozenset({"crash-loop", "kubelet-gave-up"}),
        missing=frozenset({
            ("/usr/bin/oc", "openshift-clients"), ("/usr/bin/crictl", "cri-tools"),
            ("crictl", "cri-tools"), ("kubelet", "openshift-kubelet"),
        }),
    ),
    Case(
        name="guest-powers-off", ignition=failures.power_off, error=ProductError,
        sign="The system will power off now!|System is powering down",
        rules=frozenset({"guest-powers-off"}), is_nightly=True,
    ),
    Case(
        name="qemu-killed", error=RigError, kills_qemu=True,
        sign="Linux version ", rules=frozenset({"qemu-ended"}),
    ),
)  # fmt: skip


# Covered by other tests, or similar to those above: only measured.
MORE_CASES = (
    Case(
        name="ignition-hash", ignition=failures.wrong_hash, error=SuiteError,
        sign="Ignition failed: ", rules=frozenset({"ignition-hash-mismatch"}),
    ),
    Case(
        name="untrusted-registry", ignition=failures.pull_of_untrusted, error=RigError,
        sign="x509: ", rules=frozenset({"pull-tls"}),
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """The error, and the seconds from the sign to it."""

    error: HarnessError
    latency_s: float

    @property
    def rule(self) -> str:
        return self.error.sighting.rule if self.error.sighting else ""


def detect(rig: Rig, inputs: Inputs, case: Case) -> Detection:
    """Boot a machine that fails as `case` describes."""
    # These cases fail before a control plane is needed.
    doomed = replace(
        inputs, extra_ignition=(*inputs.extra_ignition, case.ignition()), payload=None,
        release=lambda: None,
    )  # fmt: skip
    with Lookout.over(rig.run.folder, case) as lookout:
        try:
            _live(rig, doomed)
        except HarnessError as exc:
            reported_s = SYSTEM_CLOCK.monotonic()
            if lookout.seen_s is None:
                raise AssertionError(f"failed without the sign {case.sign!r}: {exc}") from exc
            return Detection(error=exc, latency_s=reported_s - lookout.seen_s)
    raise AssertionError(f"{case.name}: nothing was reported")


def _live(rig: Rig, inputs: Inputs) -> None:
    with play(Catalogue().named("ipi_bootstrap"), rig, inputs) as nodes:

        def look() -> None:
            nodes.only.watch.check_alive()
            raise NotYet("nothing fatal was seen")

        wait_for("a problem", look, Deadline.after(_UP_S * rig.timeout_factor), tick_s=0.5)


class Lookout:
    """Reads what a run's guests write in a thread, much more often than the harness."""

    def __init__(self, folder: Path, case: Case) -> None:
        self.seen_s: float | None = None
        self._folder = folder
        self._case = case
        self._sign = re.compile(case.sign)
        self._seen: dict[Path, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        # Skip what earlier machines wrote.
        self._read = {path: path.stat().st_size for path in folder.glob("*/*.log")}

    @classmethod
    @contextmanager
    def over(cls, folder: Path, case: Case) -> Iterator[Lookout]:
        lookout = cls(folder, case)
        lookout._thread.start()
        try:
            yield lookout
        finally:
            lookout._ended.set()
            lookout._thread.join(_JOIN_S)

    def _follow(self) -> None:
        while self.seen_s is None and not self._ended.wait(_LOOK_S):
            for path in self._folder.glob("*/*.log"):
                # One stream only: console and journal have the same lines.
                self._seen[path] = self._seen.get(path, 0) + len(
                    self._sign.findall(self._news(path))
                )
                if self._seen[path] >= self._case.sign_count:
                    self.seen_s = SYSTEM_CLOCK.monotonic()
                    self._act(path.parent)
                    break

    def _act(self, folder: Path) -> None:
        if self._case.kills_qemu:
            for pid in processes_naming(folder):
                os.kill(pid, signal.SIGKILL)

    def _news(self, path: Path) -> str:
        begin = self._read.get(path, 0)
        with path.open("rb") as file:
            file.seek(begin)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read[path] = begin + len(whole)
        return whole.decode(errors="replace")
