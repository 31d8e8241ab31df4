"""UPI bootstrap: as `ipi_bootstrap`, with a pointer to the config on a web server of the user's."""

from __future__ import annotations

from functools import partial

from harness.scenarios.bootstrap import LEVELS, bring_up
from harness.scenarios.remote_config import by_pointer
from harness.scenarios.scenario import Scenario
from harness.scenarios.start import MachinePlan

_PLAN = MachinePlan(name="upi", memory_mib=2048)

SCENARIO = Scenario(
    name=_PLAN.name,
    title="UPI bootstrap: config by pointer over HTTP, live-apply at the first boot",
    memory_mib=_PLAN.memory_mib,
    bring_up=partial(bring_up, _PLAN, by_pointer),
    levels=LEVELS,
    takes_installer_config=True,
)
