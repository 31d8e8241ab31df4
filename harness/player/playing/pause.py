"""The stop that `--until` asks for: the machines stay, and the user gets a way in."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.node.dial import Endpoint
from harness.node.login import login_files
from harness.player.inputs import Rig

_LOOK_S = 1.0


def pause(endpoints: Mapping[str, Endpoint], rig: Rig, check_alive: Callable[[], None]) -> None:
    """Report how to log in to each machine, by its name, and wait until the user interrupts.

    Raises:
        KeyboardInterrupt: the user did; machines and files go as after any interruption.
        HarnessError: a machine failed or was switched off meanwhile.
    """
    with login_files(rig.run.folder, endpoints) as logins:
        for name, login in logins.items():
            rig.report(f"{name}: log in with  {login.command}")
        rig.report("stopped by --until: the machines stay until you press Ctrl-C")
        while True:
            check_alive()
            rig.clock.sleep(_LOOK_S)
