"""What a machine writes while a step of its scenario is taken: the least that shows the step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.player.steps import OVERLAY_APPLIED, Check, Reach, Reboot, Step, SwitchOn

PULLED = "10.0.2.2:5000/node@sha256:1"
_PEAKS = "memory peaks: /var/ostreecontainer 759169024 bytes, /run/ephemeral 267386880 bytes"
_IGNITION = ("fetch-offline", "fetch", "kargs", "disks", "mount", "files")
_SERVICES = {
    "runtime": "crio.service - Container Runtime Interface for OCI (CRI-O)",
    "kubelet": "kubelet.service - Kubernetes Kubelet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A line on the console, or the detail of an event if `stage` is given.

    With `is_kernels` it is a kernel's first line: the guest's time starts anew.
    """

    text: str = ""
    stage: str = ""
    state: str = ""
    is_kernels: bool = False


def lines_of(step: Step, later: Sequence[Step]) -> tuple[Said, ...]:
    """Return what the machine of `step` writes; `later` are the steps that follow."""
    match step:
        case SwitchOn():
            ignition = tuple(
                said
                for stage in _IGNITION
                for said in _unit(f"ignition-{stage}.service - Ignition ({stage})", "Finished")
            )
            return _boot(ignition)
        case Reboot():
            return (Said(text="reboot: Restarting system"), *_boot())
        case Reach(phase="multi-user"):
            own = (other for other in later if other.machine == step.machine)
            following = next(own, None)
            is_applied = isinstance(following, Check) and following.name == OVERLAY_APPLIED
            up = Said(stage="multi-user", state="done")
            return (*_live_apply(), up) if is_applied else (up,)
        case Reach():
            return _phase(step.phase)
    return ()


def _boot(ignition: Sequence[Said] = ()) -> tuple[Said, ...]:
    return (
        Said(text="Booting from Hard Disk..."),
        Said(text="Linux version 6.1.0 (rehearsal)", is_kernels=True),
        Said(text="Run /init as init process"),
        *ignition,
        Said(text="systemd[1]: Switching root."),
        Said(text="systemd[1]: Queued start job for default target multi-user.target."),
    )


def _phase(name: str) -> tuple[Said, ...]:
    if name.startswith("overlay-"):
        return _live_apply()
    if name in _SERVICES:
        return _unit(_SERVICES[name], "Started")
    if name == "install":
        return _stage(name, _PEAKS)
    if name in ("pivot", "release-image", "control-plane", "in-place", "agent"):
        return _stage(name)
    return ()  # of every boot


def _live_apply() -> tuple[Said, ...]:
    return (
        Said(stage="pull", state="started"),
        Said(stage="pull", state="progress", text=f"Target node image is {PULLED}"),
        Said(stage="checkout", state="started"),
        Said(stage="checkout", state="done", text=_PEAKS),
        Said(stage="pull", state="done"),
        Said(stage="overlay", state="started"),
        Said(stage="overlay", state="done"),
        Said(stage="finish", state="done"),
    )


def _stage(name: str, detail: str = "") -> tuple[Said, ...]:
    return (
        Said(stage=name, state="started"),
        Said(stage=name, state="progress", text=detail),
        Said(stage=name, state="done"),
    )


def _unit(title: str, ended: str) -> tuple[Said, ...]:
    return (
        Said(text=f"systemd[1]: Starting {title}..."),
        Said(text=f"systemd[1]: {ended} {title}."),
    )
