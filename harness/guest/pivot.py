"""Ignition pieces for the first boot's pivot: rebase to the node image, and exactly one reboot.

The units and scripts are in `fixtures/guest/pivot`, under the machine-config operator's names, and
do what its daemon does in a first boot. kubelet starts only after the reboot.

Source: openshift/machine-config-operator templates/common/_base/units and pkg/daemon.
"""

from __future__ import annotations

import json

from harness.guest.files import failed_unit, multi_user_unit, programs, run_dropin, unit
from harness.guest.limits import Limits
from harness.guest.live_apply import reports
from harness.model.ignition import Config, Dropin, File, Unit

BEFORE_PIVOT = "/var/lib/node-image-harness/before.txt"
"""Where the guest keeps the snapshot of the bare bootimage, over the reboot."""
ENCAPSULATED = "/etc/ignition-machine-config-encapsulated.json"
"""The machine config as the machine-config server adds it; moved away when the pivot is done."""

_PULL = "machine-config-daemon-pull.service"
_FIRSTBOOT = "machine-config-daemon-firstboot.service"
_BEFORE_UNIT = "node-image-harness-before-pivot.service"


def pivot(pull_spec: str, limits: Limits) -> Config:
    """Return the config that rebases to the node image `pull_spec` at first boot, and reboots."""
    return Config(
        files=(
            File(path=ENCAPSULATED, contents=_machine_config(pull_spec), overwrite=True),
            *programs("pivot/node-image-pivot", "pivot/node-image-pivot-pull"),
        ),
        units=(
            _bounded(_PULL, limits.pull_s, limits, enabled=True),
            # Pulls and deploys.
            _bounded(_FIRSTBOOT, limits.live_apply_s, limits, enabled=True),
            _bounded(_BEFORE_UNIT, limits.step_s, limits),
            failed_unit(),
            multi_user_unit(),
        ),
    )


def followed() -> tuple[Config, ...]:
    """Report a pivot by other units than ours, and keep the snapshot taken before it."""
    waits = f"[Unit]\nWants={_BEFORE_UNIT}\nAfter={_BEFORE_UNIT}\n"
    dropin = Dropin(name="50-node-image-harness-before.conf", contents=waits)
    return (
        reports("", (_PULL, _FIRSTBOOT)),
        Config(
            units=(
                unit(f"pivot/{_BEFORE_UNIT}"),
                Unit(name=_FIRSTBOOT, dropins=(dropin,)),
            )
        ),
    )


def _machine_config(pull_spec: str) -> str:
    """Return the encapsulated config of a machine-config server, with the image in it."""
    document = {
        "apiVersion": "machineconfiguration.openshift.io/v1",
        "kind": "MachineConfig",
        "metadata": {"name": "rendered-node-image-harness"},
        "spec": {"osImageURL": pull_spec},
    }
    return json.dumps(document, indent=2) + "\n"


def _bounded(name: str, limit_s: float, limits: Limits, *, enabled: bool | None = None) -> Unit:
    values = {
        "PIVOT_TRIES": f"{limits.tries}",
        "PIVOT_PAUSE_S": f"{limits.pause_s:.0f}",
        "NETWORK_WAIT_S": f"{limits.network_s:.0f}",
    }
    return unit(
        f"pivot/{name}", run_dropin(f"TimeoutStartSec={limit_s:.0f}\n", values), enabled=enabled
    )
