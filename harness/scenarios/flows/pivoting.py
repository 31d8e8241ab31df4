"""Machines that pivot: pointer, full config, rebase at the first boot, one reboot, their cluster.

If the run has the parts of a control plane, kubelet joins one on this host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from harness.cluster.control_plane import ControlPlane, hosted
from harness.cluster.machine_config_server import serve_machine_configs
from harness.guest.joining import joining_kubelet
from harness.guest.limits import LIMITS
from harness.guest.pivot import pivot
from harness.model.clock import Deadline
from harness.model.ignition import Config, Document
from harness.model.way import Way
from harness.pki.control_plane import make_pki
from harness.player.given import Given
from harness.player.plan import ByPointer, MachinePlan, Service
from harness.player.scenario import NODE_LEVELS, Scenario
from harness.player.steps import NODE_LAYER, Checkpoint, LogIn, Reach, Reboot, Step, SwitchOn

if TYPE_CHECKING:
    from harness.player.site import Site

NODE = "node"
CONTROL_PLANE = "control-plane"
_CONFIG_SERVER = "config-server"
_MEMORY_MIB = 2048
_BACK_S = 120.0
_CONTROL_PLANE_S = 90.0
# etcd and the API server take 370 MiB until they are ready.
_CONTROL_PLANE_MIB = 512

Serve = Callable[[Document], AbstractContextManager[Document]]
"""Serves a config, and yields the pointer that leads to it."""


def pivoting(name: str, title: str, serve: Serve) -> Scenario:
    """Return the scenario of a machine whose config `serve` serves."""
    machine = MachinePlan(
        name=NODE,
        memory_mib=_MEMORY_MIB,
        config=_config,
        delivery=ByPointer(service=_CONFIG_SERVER),
    )
    return Scenario(
        name=name, title=title, machines=(machine,),
        services=(
            Service(
                name=CONTROL_PLANE, run=control_plane, has_state=True, memory_mib=_CONTROL_PLANE_MIB
            ),
            Service(name=_CONFIG_SERVER, run=lambda site: serve(site.config_of(NODE))),
        ),
        steps=_steps, way=Way.PIVOT, levels=NODE_LEVELS,
    )  # fmt: skip


@contextmanager
def as_role(role: str, config: Document) -> Iterator[Document]:
    """Serve `config` by a machine-config server, and yield the pointer of `role`."""
    with serve_machine_configs({role: config}) as server:
        yield server.pointer(role)


def pivot_steps(machine: str) -> tuple[Step, ...]:
    """Return the steps from the boot that pivots until the node layer runs in the next one."""
    return (
        # One step more: the pivot pulls and deploys.
        Reach(machine=machine, phase="pivot", limit_s=LIMITS.live_apply_s + LIMITS.step_s),
        Reboot(machine=machine),
        Reach(machine=machine, phase="multi-user", limit_s=_BACK_S),
        Checkpoint(name=NODE_LAYER),
    )


@contextmanager
def control_plane(site: Site) -> Iterator[ControlPlane | None]:
    """Run etcd and an API server on this host; yields None if the run has no parts of them."""
    payload, run = site.inputs.payload, site.rig.run
    if payload is None:
        yield None
        return
    # A rerun of the scenario gets another folder.
    folder = Path(mkdtemp(prefix="control-plane-", dir=run.folder)) / "files"
    limit_s = _CONTROL_PLANE_S * max(1.0, site.rig.timeout_factor)
    with (
        run.memory.reserve("the control plane", _CONTROL_PLANE_MIB),
        hosted(
            folder, payload, make_pki(), Deadline.after(limit_s), site.saved.get(CONTROL_PLANE)
        ) as plane,
    ):
        yield plane


def _steps(_: Given) -> tuple[Step, ...]:
    return (SwitchOn(machine=NODE), LogIn(machine=NODE), *pivot_steps(NODE))


def _config(site: Site) -> Document:
    plane = site.services[CONTROL_PLANE]
    joining: tuple[Config, ...] = ()
    if isinstance(plane, ControlPlane):
        name = site.name.replace("_", "-")
        joining = (joining_kubelet(plane.api, name, site.inputs.pause_image),)
    return site.document(*site.kubelet, *joining, pivot(site.inputs.pull_spec, site.limits))
