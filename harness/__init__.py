"""Boot-level integration tests for layered OpenShift node images: the public face.

A project's tests and scenarios import what they need from here, and from nowhere deeper. Every name
is stable as docs/stability.md says, and docs/reference.md lists them with their signatures.

Each name is loaded at its first use: pytest imports this package in every project on the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.cluster.exchange import Answer, Request, Route, refusal
    from harness.cluster.pointer import pointer
    from harness.cluster.web import WebServer, serve
    from harness.guest.limits import Limits
    from harness.guest.live_apply import live_apply
    from harness.guest.pivot import pivot
    from harness.images.bootimage import BootImage
    from harness.images.container.node_image import NodeImage
    from harness.machine.machine import Machine
    from harness.model.clock import Deadline, NotYet, wait_for
    from harness.model.errors import (
        DeadlineError,
        HarnessError,
        InputError,
        ProductError,
        RigError,
        SuiteError,
    )
    from harness.model.ignition import (
        Config,
        Directory,
        Document,
        Dropin,
        File,
        Link,
        Unit,
        User,
    )
    from harness.model.node_state import Deployment, Mount, NodeState
    from harness.model.packages.nevra import Nevra
    from harness.model.secret import Secret
    from harness.model.units import UnitState
    from harness.model.way import Way
    from harness.node.readiness import Level
    from harness.node.ssh import ConnectionLostError, GuestCommandError, Result, Session
    from harness.player.applied import AppliedNode, AppliedNodes, OwnNode
    from harness.player.given import Given
    from harness.player.inputs import Inputs, Rig
    from harness.player.needs import Need
    from harness.player.plan import (
        ByFirmware,
        ByPointer,
        FromDisk,
        FromIso,
        FromNetwork,
        InMedium,
        MachinePlan,
        PrivateLink,
        Service,
    )
    from harness.player.player import play
    from harness.player.running import Running
    from harness.player.scenario import (
        BOOTSTRAP_LEVELS,
        NODE_LEVELS,
        STANDALONE_LEVELS,
        Scenario,
    )
    from harness.player.site import Site
    from harness.player.steps import (
        NODE_LAYER,
        Check,
        Checkpoint,
        LogIn,
        Reach,
        Reboot,
        Step,
        SwitchOn,
        step_names,
    )
    from harness.rehearsal.rehearse import Rehearsal, rehearse
    from harness.scenarios.flows.bootstrap import live_apply_steps
    from harness.scenarios.flows.pivoting import pivot_steps
    from harness.scenarios.flows.web_server import web_server
    from harness.verdict.rows import (
        FileRow,
        InvariantRow,
        OsReleaseRow,
        PackageRow,
        Row,
        UnitRow,
    )
    from harness.watching.watch import Watch
    from harness.workplace.options import Settings
else:
    # Only at run time: with it, a type checker would take any name for one of ours.
    def __getattr__(name: str) -> object:
        """Load a public name."""
        from importlib import import_module

        for module, names in _PLACES.items():
            if name in names:
                found = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
                return found
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_PLACES = {
    "cluster.exchange": ("Answer", "Request", "Route", "refusal"),
    "cluster.pointer": ("pointer",),
    "cluster.web": ("WebServer", "serve"),
    "guest.limits": ("Limits",),
    "guest.live_apply": ("live_apply",),
    "guest.pivot": ("pivot",),
    "images.bootimage": ("BootImage",),
    "images.container.node_image": ("NodeImage",),
    "machine.machine": ("Machine",),
    "model.clock": ("Deadline", "NotYet", "wait_for"),
    "model.errors": (
        "DeadlineError", "HarnessError", "InputError", "ProductError", "RigError", "SuiteError",
    ),
    "model.ignition": (
        "Config", "Directory", "Document", "Dropin", "File", "Link", "Unit", "User",
    ),
    "model.packages.nevra": ("Nevra",),
    "model.node_state": ("Deployment", "Mount", "NodeState"),
    "model.secret": ("Secret",),
    "model.units": ("UnitState",),
    "model.way": ("Way",),
    "node.readiness": ("Level",),
    "node.ssh": ("ConnectionLostError", "GuestCommandError", "Result", "Session"),
    "player.applied": ("AppliedNode", "AppliedNodes", "OwnNode"),
    "player.given": ("Given",),
    "player.inputs": ("Inputs", "Rig"),
    "player.needs": ("Need",),
    "player.plan": (
        "ByFirmware", "ByPointer", "FromDisk", "FromIso", "FromNetwork", "InMedium",
        "MachinePlan", "PrivateLink", "Service",
    ),
    "player.player": ("play",),
    "player.running": ("Running",),
    "player.scenario": ("BOOTSTRAP_LEVELS", "NODE_LEVELS", "STANDALONE_LEVELS", "Scenario"),
    "player.site": ("Site",),
    "player.steps": (
        "NODE_LAYER", "Check", "Checkpoint", "LogIn", "Reach", "Reboot", "Step", "SwitchOn",
        "step_names",
    ),
    "rehearsal.rehearse": ("Rehearsal", "rehearse"),
    "scenarios.flows.bootstrap": ("live_apply_steps",),
    "scenarios.flows.pivoting": ("pivot_steps",),
    "scenarios.flows.web_server": ("web_server",),
    "verdict.rows": (
        "FileRow", "InvariantRow", "OsReleaseRow", "PackageRow", "Row", "UnitRow",
    ),
    "watching.watch": ("Watch",),
    "workplace.options": ("Settings",),
}  # fmt: skip

__all__ = [
    "BOOTSTRAP_LEVELS",
    "NODE_LAYER",
    "NODE_LEVELS",
    "STANDALONE_LEVELS",
    "Answer",
    "AppliedNode",
    "AppliedNodes",
    "BootImage",
    "ByFirmware",
    "ByPointer",
    "Check",
    "Checkpoint",
    "Config",
    "ConnectionLostError",
    "Deadline",
    "DeadlineError",
    "Deployment",
    "Directory",
    "Document",
    "Dropin",
    "File",
    "FileRow",
    "FromDisk",
    "FromIso",
    "FromNetwork",
    "Given",
    "GuestCommandError",
    "HarnessError",
    "InMedium",
    "InputError",
    "Inputs",
    "InvariantRow",
    "Level",
    "Limits",
    "Link",
    "LogIn",
    "Machine",
    "MachinePlan",
    "Mount",
    "Need",
    "Nevra",
    "NodeImage",
    "NodeState",
    "NotYet",
    "OsReleaseRow",
    "OwnNode",
    "PackageRow",
    "PrivateLink",
    "ProductError",
    "Reach",
    "Reboot",
    "Rehearsal",
    "Request",
    "Result",
    "Rig",
    "RigError",
    "Route",
    "Row",
    "Running",
    "Scenario",
    "Secret",
    "Service",
    "Session",
    "Settings",
    "Site",
    "Step",
    "SuiteError",
    "SwitchOn",
    "Unit",
    "UnitRow",
    "UnitState",
    "User",
    "Watch",
    "Way",
    "WebServer",
    "live_apply",
    "live_apply_steps",
    "pivot",
    "pivot_steps",
    "play",
    "pointer",
    "refusal",
    "rehearse",
    "serve",
    "step_names",
    "wait_for",
    "web_server",
]
