"""IPI bootstrap: a disk bootimage that the installer's bootstrap config turns into a node.

Ignition comes by fw_cfg, the overlay generator triggers live-apply on the first boot, and the node
comes to multi-user.target with the node image over /usr and a standalone kubelet. With a release,
kubelet then runs etcd and the API server of a temporary control plane, and the end is a ready API.
"""

from __future__ import annotations

from functools import partial

from harness.scenarios import start
from harness.scenarios.bootstrap import LEVELS, bring_up
from harness.scenarios.scenario import Scenario
from harness.scenarios.start import MachinePlan

_PLAN = MachinePlan(name="ipi_bootstrap", memory_mib=2048)

SCENARIO = Scenario(
    name=_PLAN.name,
    title="IPI bootstrap: disk bootimage, live-apply at the first boot, temporary control plane",
    memory_mib=_PLAN.memory_mib,
    bring_up=partial(bring_up, _PLAN, start.switched_on),
    levels=LEVELS,
    takes_installer_config=True,
)
