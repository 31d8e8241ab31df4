"""Ignition pieces for live-apply: the guest overlays its node image by itself at the first boot.

The units and scripts are in `fixtures/guest`, do what the OpenShift installer's do, and report
every step to the host (`events`). The values of one run are in drop-ins.

Source: openshift/installer data/data/bootstrap/files, node-image-*.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.guest.files import (
    failed_unit,
    multi_user_unit,
    program,
    programs,
    run_dropin,
    unit,
)
from harness.guest.limits import Limits
from harness.model.ignition import Config, Dropin, File, Link, Unit

OBSERVE = "/usr/local/bin/node-image-harness-observe"
"""The guest's command that prints a snapshot for `model.node_state`."""
BEFORE_OVERLAY = "/run/node-image-harness/before.txt"
"""Where the guest keeps the snapshot of the bare bootimage."""

_PATHS = "/etc/node-image-harness/paths"
_TMPFILES = "/etc/tmpfiles.d/node-image-harness.conf"
_GENERATOR = "node-image-overlay-generator"
_PROGRAMS = ("node-image-pull", "node-image-overlay", "node-image-harness-memory")
_PULL = "node-image-pull.service"
_BEFORE_UNIT = "node-image-harness-before.service"
# The installer enables none of its units: the generator's link pulls them in.
_UNITS = (
    "node-image-overlay.target", _PULL, "node-image-overlay.service", "node-image-finish.service",
    _BEFORE_UNIT, "var-ostreecontainer.mount",
)  # fmt: skip
# What the generator boots into, and the way back from there.
_BY_GENERATOR = ("node-image-overlay.target", "node-image-finish.service")


def live_apply(pull_spec: str, limits: Limits) -> Config:
    """Return the config that overlays `pull_spec` at boot if the bootimage lacks the node layer."""
    return Config(
        files=(
            program(_GENERATOR, f"/etc/systemd/system-generators/{_GENERATOR}"),
            *programs(*_PROGRAMS),
        ),
        units=(
            *(_unit(name, limits, pull_spec) for name in _UNITS),
            failed_unit(),
            multi_user_unit(),
        ),
    )


def on_demand(pull_spec: str, limits: Limits) -> Config:
    """Add the units of `live_apply`, which something else has to start.

    There is no unit that goes back to multi-user.target, since nothing leaves it.
    """
    return Config(
        files=programs(*_PROGRAMS),
        units=(
            *(_unit(name, limits, pull_spec) for name in _UNITS if name not in _BY_GENERATOR),
            failed_unit(),
        ),
    )


def snapshot_at_boot() -> Config:
    """Take the snapshot of before at every boot, also where no live-apply asks for it."""
    wanted = f"/etc/systemd/system/multi-user.target.wants/{_BEFORE_UNIT}"
    return Config(links=(Link(path=wanted, target=f"../{_BEFORE_UNIT}", overwrite=True),))


def reports(overlay_unit: str, watched: Iterable[str]) -> Config:
    """Report to the host when `watched` units of others fail, and that multi-user.target is there.

    The snapshot of before is taken before `overlay_unit`, unless that is empty.
    """
    on_failure = "OnFailure=node-image-harness-failed@%n.service\n"
    waits = f"Wants={_BEFORE_UNIT}\nAfter={_BEFORE_UNIT}\n"
    return Config(
        files=programs(),
        units=(
            unit(f"units/{_BEFORE_UNIT}"),
            failed_unit(),
            multi_user_unit(),
            *(
                _extended(name, on_failure + (waits if name == overlay_unit else ""))
                for name in dict.fromkeys((*watched, *filter(None, (overlay_unit,))))
            ),
        ),
    )


def _extended(name: str, settings: str) -> Unit:
    dropin = Dropin(name="50-node-image-harness.conf", contents=f"[Unit]\n{settings}")
    return Unit(name=name, dropins=(dropin,))


def observation(paths: tuple[str, ...]) -> Config:
    """Add the program that takes snapshots, and the paths whose existence it records."""
    listing = "".join(f"{path}\n" for path in paths)
    return Config(
        files=(
            program("observe", OBSERVE),
            File(path=_PATHS, contents=listing, overwrite=True),
            File(
                path=_TMPFILES, contents="d /run/node-image-harness 0755 root root -\n",
                overwrite=True,
            ),
        ),
    )  # fmt: skip


def _unit(name: str, limits: Limits, pull_spec: str) -> Unit:
    dropins: tuple[Dropin, ...] = ()
    if name == _PULL:
        dropins = (run_dropin(_limit(limits.pull_s), _environment(pull_spec, limits)),)
    elif name.endswith(".service"):
        dropins = (run_dropin(_limit(limits.step_s), {}),)
    return unit(f"units/{name}", *dropins)


def _limit(limit_s: float) -> str:
    return f"TimeoutStartSec={limit_s:.0f}\n"


def _environment(pull_spec: str, limits: Limits) -> dict[str, str]:
    return {
        "NODE_IMAGE": pull_spec,
        "PULL_TRIES": f"{limits.tries}",
        "PULL_PAUSE_S": f"{limits.pause_s:.0f}",
        "NETWORK_WAIT_S": f"{limits.network_s:.0f}",
    }
