"""What the scenarios share whose machine pivots: pointer, full config, one reboot, its cluster.

The machine fetches its config from a server of the run, rebases at its first boot, and
comes up a second time with the node layer. Where the run has the parts of a control plane, its
kubelet joins one that runs on this host; else kubelet stands alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Protocol

from harness.cluster.control_plane import ControlPlane, hosted
from harness.cluster.machine_config_server import serve_machine_configs
from harness.cluster.pki import make_pki
from harness.diagnosis import events
from harness.guest.joining import joining_kubelet
from harness.guest.keys import RunKeys, make_run_keys
from harness.guest.live_apply import Limits
from harness.guest.pivot import BEFORE, STAGE, pivot
from harness.machine.memory import reserve
from harness.model.clock import Deadline
from harness.model.ignition import Config, Document
from harness.node.cluster_readiness import CLUSTER_LEVELS
from harness.node.ssh import Shell
from harness.scenarios import stages
from harness.scenarios.config import node_pieces, whole
from harness.scenarios.remote_config import switched_on
from harness.scenarios.scenario import (
    STANDALONE_LEVELS,
    AppliedNode,
    Inputs,
    Rig,
    Scenario,
    Way,
)
from harness.scenarios.stages import Returning
from harness.scenarios.start import Boot, MachinePlan

LEVELS = (*STANDALONE_LEVELS, *(level.name for level in CLUSTER_LEVELS))
"""Levels of readiness of a node that joins a cluster; a run without one asks the first alone."""
_CONTROL_PLANE_S = 90.0
# etcd and the API server take 370 MiB until they are ready.
_CONTROL_PLANE_MIB = 512
_BACK_S = 120.0


Served = Callable[[Document], AbstractContextManager[Document]]
"""Serves a config, and gives the pointer that leads to it."""


def pivoting(plan: MachinePlan, served: Served, title: str) -> Scenario:
    """Return the scenario of a machine whose config is `served`."""
    return Scenario(
        name=plan.name, title=title, memory_mib=plan.memory_mib,
        bring_up=partial(_bring_up, plan, served), way=Way.PIVOT, reboots=1,
        levels=LEVELS,
    )  # fmt: skip


@contextmanager
def as_role(role: str, config: Document) -> Iterator[Document]:
    """Serve `config` by a machine-config server, and give the pointer of `role`."""
    with serve_machine_configs({role: config}) as server:
        yield server.pointer(role)


class Following(Returning, Shell, Protocol):
    """What asks the guest questions before and after its reboot: a `Session`, or a fake."""


def follow_pivot(boot: Boot, session: Following, number: int = 1) -> None:
    """Follow the machine through its pivot in its boot `number` and its reboot, until it is up.

    Raises:
        ProductError: the pivot failed or took too long, or the node does not come back.
        RigError: QEMU ended, or the harness's own part in the guest failed.
    """
    limits = Limits().scaled(boot.rig.timeout_factor)
    stages.wait_for_stage(boot, STAGE, limits.overall_s + limits.step_s)
    boot.timings_s.update(events.durations_s(boot.watch.events))
    with boot.timed("reboot"):
        stages.wait_for_boot(boot, session, number + 1)
    # All boots before got there, but the one that pivots.
    stages.wait_for_multi_user(boot, _BACK_S * boot.rig.timeout_factor, number)
    stages.wait_until_settled(boot, session)


@contextmanager
def _bring_up(plan: MachinePlan, served: Served, rig: Rig, inputs: Inputs) -> Iterator[AppliedNode]:
    keys = make_run_keys()
    with _cluster(rig, inputs) as control_plane:
        config = _config(rig, inputs, keys, _joining(plan, inputs, control_plane))
        with (
            served(config) as pointer,
            switched_on(rig, inputs, plan, pointer, config) as boot,
            _looked_after(boot, control_plane),
            stages.logged_in(boot, keys) as session,
        ):
            follow_pivot(boot, session)
            yield stages.applied(boot, session, BEFORE)


@contextmanager
def _looked_after(boot: Boot, control_plane: ControlPlane | None) -> Iterator[None]:
    """Let the machine's waits end with its control plane, and keep what that wrote."""
    if control_plane is None:
        yield
        return
    boot.watch.look_after(control_plane)
    try:
        yield
    finally:
        for log in control_plane.logs:
            boot.evidence.keep_log(log)


@contextmanager
def _cluster(rig: Rig, inputs: Inputs) -> Iterator[ControlPlane | None]:
    if inputs.payload is None:
        yield None
        return
    # A rerun of the scenario gets another folder.
    folder = Path(mkdtemp(prefix="control-plane-", dir=rig.run.folder)) / "files"
    limit = Deadline.after(_CONTROL_PLANE_S * max(1.0, rig.timeout_factor))
    with (
        reserve(rig.run, folder.parent.name, _CONTROL_PLANE_MIB),
        hosted(folder, inputs.payload, make_pki(), limit) as control_plane,
    ):
        yield control_plane


def _joining(
    plan: MachinePlan, inputs: Inputs, control_plane: ControlPlane | None
) -> tuple[Config, ...]:
    if control_plane is None:
        return ()
    name = plan.name.replace("_", "-")
    return (joining_kubelet(control_plane.api, name, inputs.pause_image),)


def _config(rig: Rig, inputs: Inputs, keys: RunKeys, joining: tuple[Config, ...]) -> Document:
    limits = Limits().scaled(rig.timeout_factor)
    pieces = (*node_pieces(inputs, keys), *joining, pivot(inputs.pull_spec, limits))
    return whole(pieces, inputs.extra_ignition)
