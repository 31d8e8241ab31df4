"""Ignition pieces for the first boot's pivot: rebase to the node image, and exactly one reboot.

The units and scripts lie in `fixtures/guest/pivot`, go by the machine-config operator's names and
do what its daemon does in a first boot. kubelet starts after the reboot only.

Source: openshift/machine-config-operator templates/common/_base/units and pkg/daemon.
"""

from __future__ import annotations

import json

from harness import folders
from harness.model.ignition import Config, Dropin, File, Unit
from harness.node.live_apply import Limits, reports

STAGE = "pivot"
"""The stage that the guest tells as done before it reboots."""
BEFORE = "/var/lib/node-image-harness/before.txt"
"""Where the guest keeps the snapshot of the bare bootimage, over the reboot."""
ENCAPSULATED = "/etc/ignition-machine-config-encapsulated.json"
"""The machine config as the machine-config server adds it; moved away when the pivot is done."""

_PULL = "machine-config-daemon-pull.service"
_FIRSTBOOT = "machine-config-daemon-firstboot.service"
_BEFORE_UNIT = "node-image-harness-before-pivot.service"
_REPORTED = "node-image-harness-multi-user.service"
_FAILED = "node-image-harness-failed@.service"
_PROGRAMS = {
    "node-image-pivot": "pivot/node-image-pivot",
    "node-image-pivot-pull": "pivot/node-image-pivot-pull",
    "node-image-harness-tell": "node-image-harness-tell",
    "node-image-harness-failed": "node-image-harness-failed",
}


def pivot(pull_spec: str, limits: Limits) -> Config:
    """Rebase to the node image `pull_spec` at the first boot, and reboot into it."""
    return Config(
        files=(
            File(path=ENCAPSULATED, contents=_machine_config(pull_spec), overwrite=True),
            *(
                File(path=f"/usr/local/bin/{name}", contents=_text(at), mode=0o755, overwrite=True)
                for name, at in _PROGRAMS.items()
            ),
        ),
        units=(
            _bounded(_PULL, limits.pull_s, limits, enabled=True),
            # Pulls and deploys.
            _bounded(_FIRSTBOOT, limits.overall_s, limits, enabled=True),
            _bounded(_BEFORE_UNIT, limits.step_s, limits),
            Unit(name=_FAILED, contents=_text(f"units/{_FAILED}")),
            Unit(name=_REPORTED, contents=_text(f"units/{_REPORTED}"), enabled=True),
        ),
    )


def followed() -> tuple[Config, ...]:
    """Tell of a pivot by units that others wrote, and keep the snapshot of before over it."""
    waits = f"[Unit]\nWants={_BEFORE_UNIT}\nAfter={_BEFORE_UNIT}\n"
    dropin = Dropin(name="50-node-image-harness-before.conf", contents=waits)
    return (
        reports("", (_PULL, _FIRSTBOOT)),
        Config(
            units=(
                Unit(name=_BEFORE_UNIT, contents=_text(f"pivot/{_BEFORE_UNIT}")),
                Unit(name=_FIRSTBOOT, dropins=(dropin,)),
            )
        ),
    )


def _machine_config(pull_spec: str) -> str:
    """Return what the machine-config server calls the encapsulated config, the image in it."""
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
    environment = "".join(f"Environment={key}={value}\n" for key, value in values.items())
    contents = f"[Service]\nTimeoutStartSec={limit_s:.0f}\n{environment}"
    return Unit(
        name=name, contents=_text(f"pivot/{name}"), enabled=enabled,
        dropins=(Dropin(name="50-run.conf", contents=contents),),
    )  # fmt: skip


def _text(name: str) -> str:
    return folders.fixture(f"guest/{name}").read_text(encoding="utf-8")
